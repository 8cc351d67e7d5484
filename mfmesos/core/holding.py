"""What holds mean for claims and tasks: which end, and what may start in a held claim."""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mfmesos.core.claim_table import Claim
from mfmesos.core.model import Resources
from mfmesos.core.profile import Profile
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
        if waits and claim is not None and claim.state is ClaimState.OPEN and state.now < hold.until and (
                hold.need.fits_in(claim.resources)):  # others wait, and it may have shrunk
            continue
        state.holds.remove(hold)
        if claim is not None:
            claim.touch()  # other tasks may start there again
    _correct_all(state)
    if state.policies.ordering.starves and state.now - state.holds.looked_at >= LOOK_EVERY_S:
        state.holds.looked_at, state.holds.aged = state.now, _aged(state)


def _correct_all(state: State) -> None:
    """What runs in a held claim has overrun its prediction, or ended sooner: the times of planned starts change, and
    with them what may start before. The deadlines stay.
    """
    first = state.holds.first
    if first is None:
        return
    soon = state.now < first.at and state.now - state.holds.corrected_at < CORRECT_EVERY_S
    held = [claim_id for claim_id in state.holds.claims() if not soon or claim_id in state.claims.changed]
    if held:
        state.holds.corrected_at = state.now
    for claim_id in held:
        if correct(state, state.claims[claim_id]):
            state.claims[claim_id].touch()


def correct(state: State, claim: Claim) -> bool:
    """Plan the starts in the claim again, in their order; returns whether any has changed. Where nothing has overrun
    or ended before its time they stay as they are.
    """
    there, holds, planned = profile(state, claim, holds=()), state.holds.in_claim(claim.id), []
    for hold in holds:
        shape = state.tasks[hold.task_id].shape()
        need = state.allocation(shape, claim.resources, claim.agent_id)
        at, lasts = there.earliest(need, lasts_s(state, shape)), lasts_s(state, shape)
        there.take(at, lasts, need)
        planned.append(replace(hold, at=at, need=need, lasts_s=lasts))
    changed = False
    for hold, new in zip(holds, planned):
        if new.at < math.inf or hold.at == math.inf:
            fresh = replace(new, spare=there.free_at(new.at))
            if fresh != hold:
                state.holds.add(fresh)
                changed = True
    return changed


def _aged(state: State) -> int | None:
    """Costs as much as there are shapes."""
    firsts = ((first.waiting_since, first.order, first.task.id) for shape, _, first in state.queue.shapes()
              if shape in state.waiting
              and state.now - first.waiting_since >= max(AGES_S, AGES_RUNS * (state.need(shape).wall_s or 0.0)))
    return min(firsts, default=(0.0, 0, None))[2]


def is_held(state: State, claim: Claim) -> bool:
    """For tasks with planned starts there."""
    return bool(state.holds.in_claim(claim.id))


def gathers(state: State, claim: Claim) -> bool:
    """Whether room is gathered there for the first of all."""
    first = state.holds.first
    return first is not None and first.claim_id == claim.id


def delayed_by(
    state: State, record: TaskRecord, shape: Shape, claim: Claim, need: Resources | None = None,
) -> bool:
    """Whether a planned start could be delayed if this task, of that shape, started in the claim. With what it `need`s
    there it may also run beside those that have started.
    """
    own = state.holds.of_task(record.task.id)
    if own is not None and own.claim_id == claim.id:
        return own is not state.holds.first and own.at > state.now
    rank = state.queue.rank(record)
    return any(rank > hold.rank and not _ends_before(state, shape, hold)
               and (need is None or not need.fits_in(hold.spare)) for hold in state.holds.in_claim(claim.id))


def _ends_before(state: State, shape: Shape, hold: PlannedStart) -> bool:
    expected_s = before_s(state, shape)
    return expected_s is not None and state.now + expected_s <= hold.at


def before_s(state: State, shape: Shape) -> float | None:
    """Seconds after which a task of that shape has ended if it starts before a planned one; None: not known."""
    need = state.need(shape)
    return need.longest_s if state.policies.planned_starts.cautious else need.wall_s


def spare(state: State) -> Resources:
    """What the task that gathers leaves over in its claim, for tasks of any length."""
    first = state.holds.first
    return Resources() if first is None else first.spare


def takes_spare(state: State, record: TaskRecord, claim: Claim, allocation: Resources) -> None:
    """The waiting task is about to start there. If it runs beside the one that gathers, that much less is left."""
    first = state.holds.first
    if first is not None and first.claim_id == claim.id and delayed_by(state, record, record.shape(), claim):
        state.holds.add(replace(first, spare=first.spare - allocation))


def started(state: State, record: TaskRecord, claim: Claim) -> None:
    """Where several tasks have planned starts: what they leave over has changed."""
    own = state.holds.of_task(record.task.id)
    held = {claim.id}
    if own is not None:
        state.holds.remove(own)
        held.add(own.claim_id)
    for claim_id in held:
        if state.holds.in_claim(claim_id):
            correct(state, state.claims[claim_id])


def lasts_s(state: State, shape: Shape) -> float:
    """Seconds for which a task of that shape will probably run; infinity: not known."""
    usual_s = state.need(shape).wall_s
    return math.inf if usual_s is None else usual_s


def profile(
    state: State, claim: Claim, usual: dict[Shape, float | None] | None = None,
    holds: Sequence[PlannedStart] | None = None,
) -> Profile:
    """What is free in the claim from now on beside those planned starts, by default all; `usual` as for `ends`."""
    there = Profile(state.now, claim.free, (
        (at, running.allocation) for at, running in ends(state, claim, usual)))
    for hold in state.holds.in_claim(claim.id) if holds is None else holds:
        there.take(hold.at, hold.lasts_s, hold.need)
    return there


def ends(
    state: State, claim: Claim, usual: dict[Shape, float | None] | None = None,
) -> Iterator[tuple[float, TaskRecord]]:
    """What runs in the claim, each with its expected end; `usual` run times are kept from one claim to the next."""
    usual = {} if usual is None else usual
    for task_id in claim.attempts.values():
        running = state.tasks.get(task_id)
        if running is not None:
            shape = running.queued_as or running.shape()
            if shape not in usual:
                usual[shape] = state.need(shape).wall_s
            yield _end_of(state, claim, running, usual[shape]), running


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
