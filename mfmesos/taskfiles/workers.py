"""A worker as work_queue_factory submits it, made into a task that can be run as it is meant."""
from __future__ import annotations

import re
from dataclasses import replace

from mfmesos.core.model import Task
from mfmesos.settings.config import SchedulerConfig

RETRIES = 3
"""A worker that ends in order exits 0, idle or without a manager, too. The factory replaces one that crashed only after
a minute; so it is started again first, so often."""
OWN_MB = 32.0
"""What a worker takes for itself, beside what it gives to its tasks: of memory, and of disk for its log."""
WORKER = "work_queue_worker"
GIVEN = (("cores", "CORES"), ("memory", "MEMORY"), ("disk", "DISK"))
"""Options of work_queue_worker, and the variables in which the executor says what an attempt was given."""


def as_worker(task: Task) -> Task:
    """The factory names an output that no worker writes, and the same for all: nothing is brought back.

    A worker measures the whole machine unless it is told its size. With --autosize, or when the factory was not told
    a size, it is told what it was given.
    """
    request = task.request
    asked = {"cores": request.cores, "memory": request.memory_mb, "disk": request.disk_mb}
    missing = [f'--{option}="${variable}"' for option, variable in GIVEN
               if asked[option] is None and not re.search(rf"--{option}\b", task.command)]
    # The factory always names this one, also when --worker-binary is another and it is not there.
    inputs = tuple(name for name in task.inputs if name != WORKER or f"./{WORKER}" in task.command)
    gpus = re.search(r"--gpus=([1-9]\d{0,3})\b", task.command)  # in the command only
    room = replace(request, memory_mb=_with_own(request.memory_mb), disk_mb=_with_own(request.disk_mb),
                   gpus=float(gpus[1]) if gpus else None)
    command = " ".join([task.command.rstrip(), *missing])
    return replace(task, command=command, inputs=inputs, outputs=(), request=room)


def _with_own(asked_mb: float | None) -> float | None:
    return None if asked_mb is None else asked_mb + OWN_MB


def for_workers(config: SchedulerConfig) -> SchedulerConfig:
    """A worker uses what its tasks use: there is nothing to learn from it, and nothing to estimate for it."""
    return replace(config, engine="factory", estimates="off", history=None, retries=RETRIES)
