"""Starts waiting tasks in open claims: asks the planners for one decision after the other, and carries each out."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Callable

from mfmesos.core import demand, nearest, planning, spots
from mfmesos.core.applying import apply
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision
from mfmesos.core.room_index import least_of
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState


def note_room(state: State, claim: Claim) -> None:
    """Keep the index of free room up to date with the claim."""
    if claim.state is ClaimState.OPEN and claim.solo_task is None and not state.policy.per_task_claims:
        state.room.set(claim.id, claim.free)
    elif claim.id in state.room:
        state.room.remove(claim.id)


def fill_claims(state: State) -> None:
    """Start what fits in the claims that have changed, and in the others what may fit now and did not before."""
    changed = [claim for claim in state.claims.changed.values() if claim.state is ClaimState.OPEN]
    for claim in changed:
        if claim.solo_task is not None and state.queue:
            _carry_out(state, planning.alone(state, claim))
        note_room(state, claim)
    limited = state.policy.max_running is not None
    fresh = state.waiting.least() if state.try_all or limited else least_of(
        state.waiting.needs_of(shape) for shape in state.fresh if shape in state.waiting)
    own = sorted((claim for claim in changed if claim.id in state.room), key=lambda c: state.room.place_of(c.id))
    others = map(state.claims.__getitem__, state.room.with_room(fresh))
    if not state.policies.placement.indifferent:
        own = sorted({claim.id: claim for claim in (*own, *others)}.values(), key=lambda c: state.room.place_of(c.id))
        others = map(state.claims.__getitem__, ())
        _start(state, spots.starts(state, own))
    elif state.queue.large and state.policies.ordering.by_arrival:
        _start(state, nearest.starts(state, own))
    for claim in merge(own, others, key=lambda c: state.room.place_of(c.id)):
        if not state.queue or not planning.room_to_run(state):
            break
        for phase in (planning.in_free_room, planning.queued_ahead):
            if state.policies.ordering.by_arrival:
                _carry_out(state, phase(state, claim, 0))
                demand.follow_queue(state)
            else:
                _one_by_one(state, claim, phase)
        note_room(state, claim)
    state.fresh.clear()
    state.try_all = False


def _one_by_one(state: State, claim: Claim, phase: Callable[[State, Claim, int], Iterator[Decision]]) -> None:
    """Each start may change which task is next: the rank of its group, and the first task of its shape."""
    started = 0
    while (decision := next(phase(state, claim, started), None)) is not None:
        apply(state, decision)
        started += isinstance(decision, Assignment)
        demand.follow_queue(state)


def _start(state: State, decisions: Iterable[Decision]) -> None:
    """In several claims."""
    for claim_id in _carry_out(state, decisions):
        note_room(state, state.claims[claim_id])
    demand.follow_queue(state)


def _carry_out(state: State, decisions: Iterable[Decision]) -> list[str]:
    """Each decision is made after the one before was carried out. Returns the claims that got tasks."""
    filled: dict[str, None] = {}
    for decision in decisions:
        apply(state, decision)
        if isinstance(decision, Assignment):
            filled[decision.claim_id] = None
    return list(filled)
