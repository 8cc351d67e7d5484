"""Claims that are held for tasks, each until its task has started or until its deadline.

All holds are in one order, that of their tasks, and only the first gathers room: so no two of them wait for each other.
"""
from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mfmesos.core.claim_table import Claim
from mfmesos.core.records import PlannedStart, Shape, TaskRecord
from mfmesos.core.states import ClaimState, TaskState

if TYPE_CHECKING:
    from mfmesos.core.state import State


class Holds:
    """At most one per task."""

    def __init__(self) -> None:
        self._holds: list[PlannedStart] = []
        self.tried_at = -1e9
        """When the last one was made, or could not be made."""

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[PlannedStart]:
        """In their order."""
        return iter(tuple(self._holds))

    @property
    def first(self) -> PlannedStart | None:
        """The one that gathers."""
        return self._holds[0] if self._holds else None

    def add(self, hold: PlannedStart) -> None:
        self._holds = [one for one in self._holds if one.task_id != hold.task_id]
        insort(self._holds, hold)

    def remove(self, hold: PlannedStart) -> None:
        self._holds.remove(hold)


def follow(state: State) -> None:
    """Give up the holds whose task has started or ended, whose claim takes no more tasks, or that are overdue."""
    for hold in state.holds:
        record, claim = state.tasks.get(hold.task_id), state.claims.get(hold.claim_id)
        waits = record is not None and record.state is TaskState.WAITING
        if waits and claim is not None and claim.state is ClaimState.OPEN and state.now < hold.until:
            continue
        state.holds.remove(hold)
        if claim is not None:
            claim.touch()  # other tasks may start there again


def is_held(state: State, claim: Claim) -> bool:
    """For a task that gathers room there."""
    first = state.holds.first
    return first is not None and first.claim_id == claim.id


def delayed_by(state: State, record: TaskRecord, shape: Shape) -> bool:
    """Whether the task that gathers could be delayed if this one, of that shape, started in the held claim."""
    first = state.holds.first
    if first is None or not comes_later(state, record):
        return False
    longest_s = state.need(shape).longest_s
    return longest_s is None or state.now + longest_s > first.at


def comes_later(state: State, record: TaskRecord) -> bool:
    """Whether the task comes after the one that gathers."""
    first = state.holds.first
    return first is not None and record.task.id != first.task_id and state.queue.rank(record) > first.rank
