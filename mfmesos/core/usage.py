"""An attempt begins to hold resources, and ends to: what orderings and constraints count."""
from __future__ import annotations

from mfmesos.core import constraints, rankings
from mfmesos.core.records import TaskRecord
from mfmesos.core.state import State


def begins(state: State, record: TaskRecord) -> None:
    state.policies.ordering.started(record.group, _cores(record), state.now)
    if record.where:
        constraints.count(state, record, 1)
    if state.zones:
        rankings.count(state, record, 1)


def ends(state: State, record: TaskRecord) -> None:
    """Finished or not."""
    state.policies.ordering.used(record.group, _cores(record), state.now - record.assigned_at, state.now)
    if record.where:
        constraints.count(state, record, -1)
    if state.zones:
        rankings.count(state, record, -1)


def count_again(state: State) -> None:
    """The attributes of agents have changed."""
    constraints.count_again(state)
    rankings.count_again(state)


def _cores(record: TaskRecord) -> float:
    """Of all parts of the current attempt."""
    if len(record.parts) == 1:
        return record.allocation.cores
    return sum(part.allocation.cores for part in record.parts)
