"""A worker as work_queue_factory submits it, made into a task that can be run as it is meant."""
from __future__ import annotations

import re
from dataclasses import replace

from mfmesos.config import SchedulerConfig
from mfmesos.core.model import Task

GIVEN = (("cores", "CORES"), ("memory", "MEMORY"), ("disk", "DISK"))
"""Options of work_queue_worker, and the variables in which the executor says what an attempt was given."""


def as_worker(task: Task) -> Task:
    """The factory names an output that no worker writes, and the same for all: nothing is brought back.

    A worker measures the whole machine unless it is told its size. With --autosize, or when the factory was not told
    a size, it is told what it was given.
    """
    asked = {"cores": task.request.cores, "memory": task.request.memory_mb, "disk": task.request.disk_mb}
    missing = [f'--{option}="${variable}"' for option, variable in GIVEN
               if asked[option] is None and not re.search(rf"--{option}\b", task.command)]
    return replace(task, outputs=(), command=" ".join([task.command.rstrip(), *missing]))


def for_workers(config: SchedulerConfig) -> SchedulerConfig:
    """A worker uses what its tasks use: there is nothing to learn from it, and nothing to estimate for it."""
    return replace(config, engine="factory", estimates="off", history=None)
