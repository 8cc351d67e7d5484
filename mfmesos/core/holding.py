"""What holds mean for claims and tasks: which end, and what may start in a held claim."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from mfmesos.core.claim_table import Claim
from mfmesos.core.model import Resources
from mfmesos.core.records import PlannedStart, Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState

AGES_S = 60.0
"""Where others may precede a task for ever, the oldest one becomes the first after this time."""
AGES_RUNS = 10.0
"""And no sooner than after this many times its usual run time: who waits for a day for a job of a minute minds more."""
CORRECT_EVERY_S = 1.0
"""A planned start is looked at again after this, or when its time has come, or something has ended there."""
GRACE, GRACE_S = 0.05, 1.0
"""What runs longer than usual by this part, and this, ends at any moment."""
OVERRUN = 0.1
"""After that it is expected to run on for this part of its time so far."""
LOOK_EVERY_S = 10.0
"""At most one task in this time precedes others since it is old."""


def follow(state: State) -> None:
    """Give up the holds whose task has started or ended, whose claim takes no more tasks, or that are overdue.
    Now and then look for a task that has waited too long.
    """
    for hold in state.holds:
        record, claim = state.tasks.get(hold.task_id), state.claims.get(hold.claim_id)
        waits = (record is not None and record.state is TaskState.WAITING and not record.user_holds
                 and record.attempts == hold.attempts)  # it may have started, and wait again for more than before
        if waits and claim is not None and claim.state is ClaimState.OPEN and state.now < hold.until:
            _correct(state, hold, claim)
            continue
        state.holds.remove(hold)
        if claim is not None:
            claim.touch()  # other tasks may start there again
    if state.policies.ordering.starves and state.now - state.holds.looked_at >= LOOK_EVERY_S:
        state.holds.looked_at, state.holds.aged = state.now, _aged(state)


def _correct(state: State, hold: PlannedStart, claim: Claim) -> None:
    """What runs there has overrun its prediction, or ended sooner: the time of the planned start changes, and with it
    what may start before. The deadline stays.
    """
    soon = state.now < hold.at and state.now - state.holds.corrected_at < CORRECT_EVERY_S
    if hold is not state.holds.first or (soon and claim.id not in state.claims.changed):
        return
    state.holds.corrected_at = state.now
    shape = state.tasks[hold.task_id].shape()
    at, left = room_at(state, claim, state.allocation(shape, claim.resources, claim.agent_id))
    if at < math.inf and (at, left) != (hold.at, hold.spare):
        state.holds.add(replace(hold, at=at, spare=left))
        claim.touch()


def _aged(state: State) -> int | None:
    """Costs as much as there are shapes."""
    firsts = ((first.waiting_since, first.order, first.task.id) for shape, _, first in state.queue.shapes()
              if shape in state.waiting
              and state.now - first.waiting_since >= max(AGES_S, AGES_RUNS * (state.need(shape).wall_s or 0.0)))
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
    return not _ends_before(state, shape, first)


def _ends_before(state: State, shape: Shape, hold: PlannedStart) -> bool:
    longest_s = state.need(shape).longest_s
    return longest_s is not None and state.now + longest_s <= hold.at


def spare(state: State) -> Resources:
    """What the task that gathers leaves over in its claim, for tasks of any length."""
    first = state.holds.first
    return Resources() if first is None else first.spare


def takes_spare(state: State, record: TaskRecord, claim: Claim, allocation: Resources) -> None:
    """The waiting task is about to start there. If it runs beside the one that gathers, that much less is left."""
    first = state.holds.first
    if first is not None and first.claim_id == claim.id and delayed_by(state, record, record.shape()):
        state.holds.add(replace(first, spare=first.spare - allocation))


def ends(
    state: State, claim: Claim, usual: dict[Shape, float | None] | None = None,
) -> Iterator[tuple[float, TaskRecord]]:
    """What runs in the claim, each with its expected end; `usual` run times are kept from one claim to the next."""
    usual = {} if usual is None else usual
    for task_id in claim.attempts.values():
        running = state.tasks.get(task_id)
        if running is not None:
            shape = running.shape()
            if shape not in usual:
                usual[shape] = state.need(shape).wall_s
            yield _end_of(state, claim, running, usual[shape]), running


def room_at(
    state: State, claim: Claim, need: Resources, usual: dict[Shape, float | None] | None = None,
) -> tuple[float, Resources]:
    """When enough of what runs in the claim will have ended, and what is left over then; `usual` as for `ends`."""
    free = claim.free
    for at, running in sorted(ends(state, claim, usual), key=lambda end: end[0]):
        free = free + running.allocation
        if need.fits_in(free):
            return at, free - need
    return math.inf, Resources()


def _end_of(state: State, claim: Claim, running: TaskRecord, usual_s: float | None) -> float:
    """What runs longer than usual is expected to end soon; the prediction is corrected each time it is looked at."""
    if running.state is TaskState.PUBLISHING:
        return state.now
    lasts_s = claim.pace_s if usual_s is None else usual_s
    if lasts_s is None:
        return math.inf
    lasted_s = state.now - running.assigned_at
    if lasted_s < lasts_s * (1 + GRACE) + GRACE_S:
        return max(state.now, running.assigned_at + lasts_s)
    return state.now + OVERRUN * lasted_s


def comes_later(state: State, record: TaskRecord) -> bool:
    """Whether the task comes after the one that gathers."""
    first = state.holds.first
    return first is not None and record.task.id != first.task_id and state.queue.rank(record) > first.rank
