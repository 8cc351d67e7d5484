"""What holds mean for claims and tasks: which end, and what may start in a held claim."""
from __future__ import annotations

from mfmesos.core.claim_table import Claim
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState

AGES_S = 60.0
"""Where others may precede a task for ever, the oldest one becomes the first after this time."""
LOOK_EVERY_S = 10.0
"""At most one task in this time precedes others since it is old."""


def follow(state: State) -> None:
    """Give up the holds whose task has started or ended, whose claim takes no more tasks, or that are overdue.
    Now and then look for a task that has waited too long.
    """
    for hold in state.holds:
        record, claim = state.tasks.get(hold.task_id), state.claims.get(hold.claim_id)
        waits = (record is not None and record.state is TaskState.WAITING
                 and record.attempts == hold.attempts)  # it may have started, and wait again for more than before
        if waits and claim is not None and claim.state is ClaimState.OPEN and state.now < hold.until:
            continue
        state.holds.remove(hold)
        if claim is not None:
            claim.touch()  # other tasks may start there again
    if state.policies.ordering.starves and state.now - state.holds.looked_at >= LOOK_EVERY_S:
        state.holds.looked_at, state.holds.aged = state.now, _aged(state)


def _aged(state: State) -> int | None:
    """Costs as much as there are shapes."""
    firsts = ((first.waiting_since, first.order, first.task.id) for shape, _, first in state.queue.shapes()
              if shape in state.waiting and state.now - first.waiting_since >= AGES_S)
    return min(firsts, default=(0.0, 0, None))[2]


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
