"""Makes a runnable task of a worker that work_queue_factory submits."""
from __future__ import annotations

import re
from dataclasses import replace

from mfmesos.core.model import Task
from mfmesos.settings.config import SchedulerConfig

RETRIES = 3
"""A worker that ends in order exits with 0, also when idle or without a manager. The factory replaces a crashed worker
only after a minute, so a crashed worker is first restarted this many times.
"""
OWN_MB = 32.0
"""MB that a worker uses for itself beside its tasks: of memory, and of disk for its log."""
WORKER = "work_queue_worker"
GIVEN = (("cores", "CORES"), ("memory", "MEMORY"), ("disk", "DISK"))
"""Options of work_queue_worker, and the variables in which the executor passes the allocation."""


def as_worker(task: Task) -> Task:
    """The factory names an output that no worker writes, the same for all workers: nothing is brought back.

    A worker measures the whole machine unless its size is given. With --autosize, or if the factory has no size, the
    worker's size is its allocation.
    """
    request = task.request
    asked = {"cores": request.cores, "memory": request.memory_mb, "disk": request.disk_mb}
    missing = [f'--{option}="${variable}"' for option, variable in GIVEN
               if asked[option] is None and not re.search(rf"--{option}\b", task.command)]
    # The factory always names this program, even if --worker-binary names another and this one does not exist.
    inputs = tuple(name for name in task.inputs if name != WORKER or f"./{WORKER}" in task.command)
    gpus = re.search(r"--gpus=([1-9]\d{0,3})\b", task.command)  # in the command only
    room = replace(request, memory_mb=_with_own(request.memory_mb), disk_mb=_with_own(request.disk_mb),
                   gpus=float(gpus[1]) if gpus else None)
    command = " ".join([task.command.rstrip(), *missing])
    return replace(task, command=command, inputs=inputs, outputs=(), request=room)


def _with_own(asked_mb: float | None) -> float | None:
    return None if asked_mb is None else asked_mb + OWN_MB


def for_workers(config: SchedulerConfig) -> SchedulerConfig:
    """A worker uses what its tasks use: its usage is neither learned nor estimated."""
    return replace(config, engine="factory", estimates="off", history=None, retries=RETRIES)
