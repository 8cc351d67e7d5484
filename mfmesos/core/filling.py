"""Starts waiting tasks in open claims: first fit, claims in the order they came, tasks in the order they were
submitted; later tasks may overtake a task that fits nowhere.
"""
from __future__ import annotations

from heapq import merge

from mfmesos.core import claims, demand, nearest, planned_start, tasks, temporaries, trust
from mfmesos.core.actions import SaveClaim
from mfmesos.core.claim_table import Claim
from mfmesos.core.model import Resources, SavedClaim
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.room_index import amounts, least_of
from mfmesos.core.sizing import AHEAD_PACE_S, ahead, how_many_fit
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState


def room_to_run(state: State) -> int:
    if state.policy.max_running is None:
        return len(state.queue)
    return max(state.policy.max_running - state.running(), 0)


def note_room(state: State, claim: Claim) -> None:
    """Keep the index of free room up to date with the claim."""
    if claim.state is ClaimState.OPEN and claim.solo_task is None and not state.policy.per_task_claims:
        state.room.set(claim.id, amounts(claim.free))
    elif claim.id in state.room:
        state.room.remove(claim.id)


def fill_claims(state: State) -> None:
    """Start what fits in the claims that have changed, and in the others what may fit now and did not before."""
    changed = [claim for claim in state.claims.changed.values() if claim.state is ClaimState.OPEN]
    for claim in changed:
        if claim.solo_task is not None and state.queue:
            _start_solo(state, claim)
        note_room(state, claim)
    limited = state.policy.max_running is not None
    fresh = state.waiting.least() if state.try_all or limited else least_of(
        state.waiting.needs_of(shape) for shape in state.fresh if shape in state.waiting)
    own = sorted((claim for claim in changed if claim.id in state.room), key=lambda c: state.room.place_of(c.id))
    others = map(state.claims.__getitem__, state.room.with_room(fresh))
    for claim in nearest.start_near(state, own) if state.queue.large else ():
        note_room(state, claim)
    for claim in merge(own, others, key=lambda c: state.room.place_of(c.id)):
        if not state.queue or not room_to_run(state):
            break
        _fill(state, claim)
        note_room(state, claim)
    state.fresh.clear()
    state.try_all = False


def _fill(state: State, claim: Claim) -> None:
    if claim.free.cores > 0:
        _start(state, claim, claim.free, len(state.queue))
    extra = ahead(claim.resources, claim.pace_s)
    if extra.cores > 0 and state.queue and not planned_start.is_held(state, claim):
        _start(state, claim, claim.free + extra, len(state.queue) // len(state.claims), short_only=True)


def _start_solo(state: State, claim: Claim) -> None:
    """Start the claim's task or, after its end, another suspect: each runs alone in the claim, which saves a claim."""
    if claim.attempts:
        return
    record = state.tasks.get(claim.solo_task or -1)
    if record is None or record.state is not TaskState.WAITING or not _may_stay(state, record, claim):
        record = None if state.policy.per_task_claims else _next_suspect(state, claim)
    if record is None or not room_to_run(state):
        if not temporaries.hold_back(state, claim):
            claims.release(state, claim)
        return
    if claim.solo_task != record.task.id:
        claim.reserve(record.task.id)
        state.emit(SaveClaim(SavedClaim(claim.id, claim.agent_id, claim.hostname, claim.resources, claim.solo_task)))
    tasks.start_attempt(state, record, claim, claim.resources)


def _may_stay(state: State, record: TaskRecord, claim: Claim) -> bool:
    """Whether a retried task can use its claim again: the claim's size was not found too small, and no other agent is
    preferred.
    """
    floor = Resources(memory_mb=record.floor_memory_mb, disk_mb=record.floor_disk_mb)
    return (record.at in ("", claim.id) and floor.fits_in(claim.resources)
            and not trust.shunned(state, record.shape(), claim.agent_id))


def _next_suspect(state: State, claim: Claim) -> TaskRecord | None:
    """The first suspect without a claim opened for it, otherwise the first one."""
    fitting = [s for s, _, _ in state.queue.shapes() if s.solo and s.at in ("", claim.id)
               and not trust.shunned(state, s, claim.agent_id)
               and state.allocation(s, claim.resources, claim.agent_id).fits_in(claim.resources)]
    taken = with_own_claim(state)
    for shape in fitting:
        found = next((r for r in state.queue.of(shape) if r.task.id not in taken), None)
        if found is not None:
            return found
    return state.queue.first(fitting[0]) if fitting else None


def with_own_claim(state: State) -> set[int]:
    """Tasks that have, or will have, their own claim."""
    return {c.solo_task for c in state.claims_in(ClaimState.LAUNCHING, ClaimState.OPEN) if c.solo_task is not None}


def _start(state: State, claim: Claim, room: Resources, at_most: int, short_only: bool = False) -> None:
    """`short_only`: only short tasks; a long one would wait here while another claim becomes free."""
    left = [room]
    for shape in state.waiting.fitting(lambda: amounts(left[0])):
        at_most = min(at_most, room_to_run(state))
        if at_most <= 0:
            break
        if shape.at not in ("", claim.id) or (short_only and not is_short(state, shape)):
            continue
        if trust.shunned(state, shape, claim.agent_id):
            continue
        need = state.allocation(shape, claim.resources, claim.agent_id)
        if not need.fits_in(claim.resources):
            continue
        n = how_many_fit(need, left[0], min(state.queue.count(shape), at_most))
        first = state.queue.first(shape)
        held = False
        if n and first is not None:
            planned_start.make(state, first)
            held = planned_start.is_held(state, claim)
            if held:
                n = 0 if planned_start.delayed_by(state, first, shape) else 1
        left[0], at_most = left[0] - need * n, at_most - n
        for _ in range(n):
            record = first if held else nearest.pick(state, shape, claim)
            assert record is not None
            tasks.start_attempt(state, record, claim, need)
    demand.follow_queue(state)


def is_short(state: State, shape: Shape) -> bool:
    """Without estimates tasks cannot be distinguished, and recent ones were short."""
    wall_s = state.need(shape).wall_s
    return wall_s <= AHEAD_PACE_S if wall_s is not None else shape.kind is None
