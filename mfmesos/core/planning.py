"""Decides which waiting tasks start in an open claim: first fit, tasks in the order they were submitted; later tasks
may overtake a task that fits nowhere.

Planners are generators that only read the state. Each decision is made for the state as it is when the planner is asked
for it: apply it, ask again.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from mfmesos.core import beside, constraints, keeping_off, nearest, trust
from mfmesos.core.beside import Candidate, Place
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Reason, Refusal, Release, Why
from mfmesos.core.holding import before_s, comes_later, delayed_by, ends, is_held, spare
from mfmesos.core.model import Resources
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.sizing import AHEAD_PACE_S, ahead, how_many_fit
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState

MOST_BESIDE = 256
"""Shapes that are looked at for a claim that is held."""


def room_to_run(state: State) -> int:
    """Number of tasks that may start before --max-running is reached, of those that count as arrived."""
    room = len(state.queue)
    if state.policy.arrival_rate is not None:
        room = min(room, max(_arrived(state) - (state.order - room), 0))
    if state.policy.max_running is not None:
        room = min(room, max(state.policy.max_running - state.running(), 0))
    return room


def _arrived(state: State) -> int:
    """Of the tasks that were ever submitted: with --arrival-rate one after the other, from the first."""
    rate = state.policy.arrival_rate or math.inf
    return state.order if state.first_at is None else min(state.order, int((state.now - state.first_at) * rate) + 1)


def next_arrival(state: State) -> float:
    """With --arrival-rate: when another task may start."""
    return (state.first_at or state.now) + _arrived(state) / (state.policy.arrival_rate or math.inf) + 0.001


def in_free_room(state: State, claim: Claim, started: int = 0) -> Iterator[Decision]:
    """What starts in the claim's free room; `started`: how many tasks this phase has started there already."""
    if claim.free.cores > 0:
        yield from _starts(state, claim, claim.free, len(state.queue), Reason.FIRST)


def queued_ahead(state: State, claim: Claim, started: int = 0) -> Iterator[Decision]:
    """Short tasks that the executor gets before there is room; a long one would wait here while another claim becomes
    free.
    """
    extra = ahead(claim.resources, claim.pace_s)
    if claim.shrinks:
        return
    if extra.cores > 0 and state.queue and not is_held(state, claim):
        most = (len(state.queue) + started) // len(state.claims) - started
        yield from _starts(state, claim, claim.free + extra, most, Reason.AHEAD)


def _starts(state: State, claim: Claim, room: Resources, at_most: int, reason: Reason) -> Iterator[Decision]:
    some = _beside_several if state.policies.planned_starts.several else _beside_one
    yield from some(state, claim, room, at_most, reason)


def _beside_one(state: State, claim: Claim, room: Resources, at_most: int, reason: Reason) -> Iterator[Decision]:
    """Where at most one task has a planned start."""
    left, looked = [room], 0
    others: list[Shape] = []
    for shape in state.waiting.fitting(lambda: left[0]):
        at_most = min(at_most, room_to_run(state))
        if at_most <= 0:
            break
        if unsuited(state, shape, claim, reason) is not None:
            continue
        need = state.allocation(shape, claim.resources, claim.agent_id)
        if not need.fits_in(claim.resources):
            continue
        n = how_many_fit(need, left[0], min(state.queue.count(shape), at_most))
        if shape.scope:  # else what its constraints forbid would count as taken
            n = int(min(n, constraints.left(state, shape, claim.agent_id)))
        first = state.queue.first(shape)
        if not n or first is None:
            continue
        yield from state.policies.planned_starts.plan(state, first)
        if is_held(state, claim):
            looked += 1
            if looked > MOST_BESIDE:
                break
            if before_s(state, shape) is not None and comes_later(state, first):
                others.append(shape)
                continue
            n = 0 if delayed_by(state, first, shape, claim) else 1
        left[0], at_most = left[0] - need * n, at_most - n
        for number in range(n):
            if number and shape.scope and unsuited(state, shape, claim, reason) is not None:
                break
            record = first if is_held(state, claim) else nearest.pick(state, shape, claim)
            assert record is not None
            passed = state.queue.first(shape)
            assert passed is not None
            yield Assignment(record.task.id, claim.id, need, reason, passed.task.id if passed is not record else None)
    yield from _beside_hold(state, claim, others, reason)


def _beside_several(state: State, claim: Claim, room: Resources, at_most: int, reason: Reason) -> Iterator[Decision]:
    """Where several tasks may have planned starts: the first task that delays none of them. Each that it would overtake
    is given one before.
    """
    if min(at_most, room_to_run(state)) <= 0:
        return
    for shape in islice(state.waiting.fitting(lambda: room), MOST_BESIDE):
        first, need = state.queue.first(shape), state.allocation(shape, claim.resources, claim.agent_id)
        if first is None or not need.fits_in(room) or not need.fits_in(claim.resources) or (
                unsuited(state, shape, claim, reason) is not None):
            continue
        yield from state.policies.planned_starts.plan(state, first)
        if not delayed_by(state, first, shape, claim, need):
            yield Assignment(first.task.id, claim.id, need, reason)
            return


def _beside_hold(state: State, claim: Claim, shapes: Sequence[Shape], reason: Reason) -> Iterator[Decision]:
    """What will have ended before the planned start runs in the held claim meanwhile."""
    packs = state.policies.planned_starts.packs
    if not packs:
        shapes = sorted(shapes, key=lambda shape: before_s(state, shape) or 0.0)
    while shapes and room_to_run(state):
        fitting = list(_ending_in_time(state, claim, shapes))
        packed = beside.pick(_places(state, claim, fitting), fitting) if packs else None
        chosen = packed or beside.shortest(claim.free, fitting)
        first = state.queue.first(shapes[chosen.number]) if chosen is not None else None
        if chosen is None or first is None:
            break
        yield Assignment(first.task.id, claim.id, chosen.need, reason)
    for shape in shapes:  # and what fits beside the planned task
        need = state.allocation(shape, claim.resources, claim.agent_id)
        while (first := state.queue.first(shape)) is not None and room_to_run(state) and need.fits_in(
                claim.free) and need.fits_in(spare(state)) and delayed_by(state, first, shape, claim) and (
                unsuited(state, shape, claim, reason) is None):
            yield Assignment(first.task.id, claim.id, need, reason)


def _ending_in_time(state: State, claim: Claim, shapes: Sequence[Shape]) -> Iterator[Candidate]:
    for number, shape in enumerate(shapes):
        first, longest_s = state.queue.first(shape), before_s(state, shape)
        need = state.allocation(shape, claim.resources, claim.agent_id)
        if first is not None and longest_s is not None and not delayed_by(state, first, shape, claim) and (
                need.fits_in(claim.resources)):
            yield Candidate(number, longest_s, need, state.queue.count(shape))


def _places(state: State, claim: Claim, fitting: Sequence[Candidate]) -> list[Place]:
    """The claim's free room in equal parts, and what runs there by when it will have ended."""
    hold = state.holds.first
    parts = max((how_many_fit(one.need, claim.free, beside.MOST_PLACES) for one in fitting), default=0)
    if hold is None or not parts:
        return []
    later = [Place(hold.at - end, record.allocation, False) for end, record in ends(state, claim) if end < hold.at]
    later.sort(key=lambda place: -place.left_s)
    return ([Place(hold.at - state.now, claim.free * (1 / parts), True)] * parts + later)[:beside.MOST_PLACES]


def unsuited(state: State, shape: Shape, claim: Claim, reason: Reason = Reason.FIRST) -> Why | None:
    """Why no task of that shape may start in the claim, whatever its room; None: it may."""
    if shape.at not in ("", claim.id):
        return Why.ELSEWHERE
    if reason is Reason.AHEAD and not is_short(state, shape):
        return Why.LONG
    if shape.where and not constraints.left(state, shape, claim.agent_id):
        return Why.CONSTRAINT
    if state.kept_off and keeping_off.keeps(state, shape, claim.agent_id):
        return Why.GPUS
    return Why.SHUNNED if trust.shunned(state, shape, claim.agent_id) else None


def refusals(state: State, record: TaskRecord) -> Iterator[Refusal]:
    """Why the waiting task starts in none of the open claims; costs as much as there are claims."""
    shape = record.shape()
    for claim in state.claims.each_in(ClaimState.OPEN):
        why = unsuited(state, shape, claim)
        need = state.allocation(shape, claim.resources, claim.agent_id)
        if why is None and not need.fits_in(claim.resources):
            why = Why.LARGE
        elif why is None and not need.fits_in(claim.free):
            why = Why.FULL
        elif why is None and is_held(state, claim):
            why = Why.HELD
        if why is not None:
            yield Refusal(record.task.id, claim.id, why)


def is_short(state: State, shape: Shape) -> bool:
    """Without estimates tasks cannot be distinguished, and recent ones were short."""
    wall_s = state.need(shape).wall_s
    return wall_s <= AHEAD_PACE_S if wall_s is not None else shape.kind is None


def alone(state: State, claim: Claim) -> Iterator[Decision]:
    """The claim's task or, after its end, another one that runs alone: they take turns, which saves a claim."""
    if claim.attempts:
        return
    record = state.tasks.get(claim.solo_task or -1)
    if record is None or record.state is not TaskState.WAITING or not _may_stay(state, record, claim):
        record = None if state.policy.per_task_claims else _next_suspect(state, claim)
    if record is None or not room_to_run(state) or claim.free.gpus < claim.resources.gpus:
        yield Release(claim.id)  # in the last case a GPU of it is out
    else:
        yield Assignment(record.task.id, claim.id, claim.resources, Reason.ALONE)


def _may_stay(state: State, record: TaskRecord, claim: Claim) -> bool:
    """Whether a retried task can use its claim again: the claim's size was not found too small, and no other agent is
    preferred.
    """
    floor = Resources(memory_mb=record.floor_memory_mb, disk_mb=record.floor_disk_mb)
    return (record.at in ("", claim.id) and floor.fits_in(claim.resources)
            and not trust.shunned(state, record.shape(), claim.agent_id))


def _next_suspect(state: State, claim: Claim) -> TaskRecord | None:
    """The first task that runs alone, uses all that the claim has by name, and has no claim opened for it; else the
    first such task.
    """
    first: TaskRecord | None = None
    for shape in state.suspects.fitting(lambda: claim.resources):
        need = state.allocation(shape, claim.resources, claim.agent_id)
        same = (need.gpus, need.others) == (claim.resources.gpus, claim.resources.others)
        if same and unsuited(state, shape, claim) is None and need.fits_in(claim.resources):
            found = next_without_claim(state, shape)
            if found is not None:
                return found
            first = first or state.queue.first(shape)
    return first


def next_without_claim(state: State, shape: Shape) -> TaskRecord | None:
    """The first task of the shape that has no claim of its own, and will have none."""
    return next((r for r in state.queue.each(shape) if not _has_claim(state, r.task.id)), None)


def _has_claim(state: State, task_id: int) -> bool:
    claim = state.claims.own(task_id)
    return claim is not None and claim.state in (ClaimState.LAUNCHING, ClaimState.OPEN)
