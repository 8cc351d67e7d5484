"""What the user decides about tasks while the run lasts. It is remembered until the run ends, so it may precede the
submission of a task, and counts for a retry as well.
"""
from __future__ import annotations

from dataclasses import replace

from mfmesos.core.model import Request, Steering, Task
from mfmesos.core.needs import FILL
from mfmesos.core.records import TaskRecord
from mfmesos.core.state import State
from mfmesos.shared.messages import core as m
from mfmesos.shared.resources import SLACK

NONE = Steering()


def is_cancelled(state: State, task_id: int) -> bool:
    return state.steered.get(task_id, NONE).cancelled


def apply(state: State, record: TaskRecord) -> None:
    """Give the task what the user has decided; not while it is in the queue."""
    steering = state.steered.get(record.task.id)
    if steering is None:
        return
    stated = record.stated or record.task
    task = _changed(stated, steering)
    record.stated, record.task = (None, stated) if task == stated else (stated, task)
    record.user_holds = steering.held
    record.requested = requests_all(state, task.request)
    record.key = state.policies.ordering.key(record)


def _changed(task: Task, steering: Steering) -> Task:
    changes = {name: amount for name in ("cores", "memory_mb", "disk_mb")
               if (amount := getattr(steering, name)) is not None}
    priority = task.priority if steering.priority is None else steering.priority
    return replace(task, request=replace(task.request, **changes), priority=priority)


def requests_all(state: State, request: Request) -> bool:
    """Whether nothing but the run time is estimated, since all else was requested and is given."""
    return state.policy.estimates == FILL and request.is_full()


def beyond_bounds(state: State, request: Request) -> str:
    """Why no claim of this run may ever hold it, or empty."""
    most = state.most_of_one
    if request.cores is not None and request.cores > most.cores + SLACK:
        return m.BEYOND_MAX_CORES(need=request.cores, most=most.cores)
    if request.memory_mb is not None and request.memory_mb > most.memory_mb + SLACK:
        return m.BEYOND_MAX_MEMORY(need=request.memory_mb, most=most.memory_mb, share=state.policy.executor_memory_mb)
    return ""
