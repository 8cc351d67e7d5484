"""Carries out what the user decides about tasks (see steering): hold and release, cancel, run again, other requests."""
from __future__ import annotations

from dataclasses import replace

from mfmesos.core import steering, tasks
from mfmesos.core.actions import SaveSteering, SaveTask
from mfmesos.core.events import TaskRetried, TaskSteered
from mfmesos.core.model import Steering
from mfmesos.core.records import NOWHERE_YET, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import TaskState
from mfmesos.shared.messages import core as m

_DECIDED = ("held", "cancelled", "cores", "memory_mb", "disk_mb", "priority")


def steer(state: State, event: TaskSteered) -> None:
    """A running task keeps what it has until it waits again."""
    changes = {name: new for name in _DECIDED if (new := getattr(event, name)) is not None}
    _remember(state, event.task_id, replace(state.steered.get(event.task_id, steering.NONE), **changes,
                                            command=event.command))
    record = state.tasks.get(event.task_id)
    if record is None:
        return
    if event.cancelled:
        tasks.withdraw(state, event.task_id, m.CANCELLED_BY_USER())
    elif record.state is TaskState.WAITING:
        _queue_again(state, record)


def retry(state: State, event: TaskRetried) -> None:
    """Outputs that are being published are complete: such a task finishes."""
    known = state.steered.get(event.task_id)
    if known is not None and known.cancelled:
        _remember(state, event.task_id, replace(known, cancelled=False))
    state.unwanted.discard(event.task_id)
    record = state.tasks.get(event.task_id)
    if record is None:
        state.restored.discard(event.task_id)
        state.tried[event.task_id] = event.attempts
    elif record.state is TaskState.WAITING:
        _queue_again(state, record, forget=True)
    elif record.state is not TaskState.PUBLISHING:
        _forget_failures(record)
        tasks.take_back(state, state.claims[record.claim_id], record, m.RETRIED_BY_USER())


def _remember(state: State, task_id: int, decided: Steering) -> None:
    state.steered[task_id] = decided
    state.emit(SaveSteering(task_id, decided))


def _queue_again(state: State, record: TaskRecord, forget: bool = False) -> None:
    """It waits under another shape or at another place."""
    state.queue.remove(record)
    if forget:
        _forget_failures(record)
    steering.apply(state, record)
    state.queue.add(record)
    state.changes.note(record.task.id)
    if forget and record.attempts:
        state.emit(SaveTask(record.saved()))
    beyond = steering.beyond_bounds(state, record.task.request)
    if beyond:
        tasks.end(state, record, TaskState.FAILED, beyond)


def _forget_failures(record: TaskRecord) -> None:
    record.own_failures = record.cluster_failures = record.deaths = 0
    record.failed_at, record.solo = NOWHERE_YET, False
