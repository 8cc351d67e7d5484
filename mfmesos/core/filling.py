"""Starts waiting tasks in open claims: asks the planners for one decision after the other, and carries each out."""
from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import Callable

from mfmesos.core import demand, keeping_off, nearest, planning, rankings, spots
from mfmesos.core.applying import apply
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision
from mfmesos.core.room_index import least_of
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState

Phase = Callable[[State, Claim, int], Iterator[Decision]]
STARTS_AT_ONCE = 128
"""Tasks that are started in one call, and those that fill its last claim: the loop serves executors in between."""


def note_room(state: State, claim: Claim) -> None:
    """Keep the index of free room up to date with the claim."""
    if claim.state is ClaimState.OPEN and claim.solo_task is None and not state.policy.per_task_claims:
        if state.room.get(claim.id) == claim.free and all(claim.id in ranked for ranked in state.ranked.values()):
            return
        state.room.set(claim.id, claim.free)
        if state.ranked:
            rankings.note(state, claim)
    else:
        state.forget_room(claim)


def fill_claims(state: State) -> None:
    """Start what fits in the claims that have changed, and in the others what may fit now and did not before. After
    STARTS_AT_ONCE the rest is left for the next call, and the state is `unfinished`.
    """
    changed = [claim for claim in {**state.unfilled, **state.claims.changed}.values() if claim.state is ClaimState.OPEN]
    for claim in changed:
        if claim.solo_task is not None and state.queue:
            _carry_out(state, planning.alone(state, claim))
        note_room(state, claim)
    own = sorted((claim for claim in changed if claim.id in state.room), key=lambda c: state.room.place_of(c.id))
    state.unfilled = {claim.id: claim for claim in own}
    enough = state.running() + STARTS_AT_ONCE
    if not (_start(state, _preferred(state, own), enough) and _fill_in_order(state, own, enough)):
        state.unfinished = True
        return
    for claim in own:
        claim.portion = {}
    state.unfilled.clear()
    state.fresh.clear()
    state.try_all = False
    if state.recount:  # constraints that count: what has started may allow another start in a claim before this one
        state.recount, state.try_all, state.unfinished = False, True, True


def _preferred(state: State, own: list[Claim]) -> Iterator[Decision]:
    """What starts elsewhere than in the first claim with room."""
    by_arrival = state.policies.ordering.by_arrival
    if state.ranked:
        if by_arrival and (len(state.placements) > 1 or state.policies.placement.compares):
            return chain(spots.portions(state, own), spots.starts(state, own))
        return spots.starts(state, own) if by_arrival else _one_by_one(state, lambda: spots.starts(state, own))
    near = state.queue.large and by_arrival and state.policy.arrival_rate is None
    return nearest.starts(state, own) if near else iter(())


def _start(state: State, decisions: Iterator[Decision], enough: int) -> bool:
    """In several claims, until `enough` tasks run; returns whether these were all."""
    for decision in decisions:
        apply(state, decision)
        if isinstance(decision, Assignment):
            note_room(state, state.claims[decision.claim_id])
        if state.running() >= enough:
            break
    demand.follow_queue(state)
    return state.running() < enough


def _fill_in_order(state: State, own: list[Claim], enough: int) -> bool:
    """One claim after the other, until `enough` tasks run; returns whether these were all."""
    limited = state.policy.limits_starts
    fresh = state.waiting.least() if state.try_all or limited else least_of(
        state.waiting.needs_of(shape) for shape in state.fresh if shape in state.waiting)
    others = state.room.with_room(fresh) if not state.ranked else ()
    in_order = merge(own, map(state.claims.__getitem__, others), key=lambda c: state.room.place_of(c.id))
    for claim in keeping_off.last(state, in_order, attrgetter("agent_id")):
        if not state.queue or not planning.room_to_run(state):
            break
        if state.running() >= enough:
            return False
        for phase in (planning.in_free_room, planning.queued_ahead):
            _carry_out(state, _by_order(state, claim, phase))
            demand.follow_queue(state)
        note_room(state, claim)
        state.unfilled.pop(claim.id, None)
    return True


def _by_order(state: State, claim: Claim, phase: Phase) -> Iterator[Decision]:
    if state.policies.ordering.by_arrival and not state.policies.planned_starts.several:
        return phase(state, claim, 0)
    before = state.running()
    return _one_by_one(state, lambda: phase(state, claim, state.running() - before))


def _one_by_one(state: State, plan: Callable[[], Iterator[Decision]]) -> Iterator[Decision]:
    """Each start may change which task is next: the rank of its group, and the first task of its shape; and what is
    planned for those that it overtakes.
    """
    while (decision := next(plan(), None)) is not None:
        yield decision
        demand.follow_queue(state)


def _carry_out(state: State, decisions: Iterator[Decision]) -> None:
    """Each decision is made after the one before was carried out."""
    for decision in decisions:
        apply(state, decision)
