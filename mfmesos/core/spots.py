"""Where tasks start by the run's placement: which agents get claims first, which of several claims takes a task."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Reason
from mfmesos.core.holding import delayed_by, is_held
from mfmesos.core.model import Resources
from mfmesos.core.planning import room_to_run, unsuited
from mfmesos.core.policies.protocols import Spot
from mfmesos.core.records import AgentRecord, Shape, TaskRecord
from mfmesos.core.room_index import NOTHING
from mfmesos.core.state import State


def agents(state: State) -> list[AgentRecord]:
    """Agents with offers, the preferred ones first, otherwise by cluster and as they came."""
    placement = state.policies.placement
    offering = [agent for cluster in state.live() for agent in cluster.offering.values()]
    if placement.indifferent:
        return offering
    return sorted(offering, key=lambda agent: placement.rank(
        Spot(agent.hostname, agent.attributes, agent.offered(), agent.offered())))


def starts(state: State, claims: Sequence[Claim]) -> Iterator[Decision]:
    """Start tasks in these claims, in the order of the tasks, each where the placement prefers it."""
    room = [_most(claims)]
    for shape in state.waiting.fitting(lambda: room[0]):
        usable = list(claims)
        while room_to_run(state):
            first = state.queue.first(shape)
            found = _best(state, shape, first, usable) if first is not None else None
            if first is None or found is None:
                break
            yield from state.policies.planned_starts.plan(state, first)
            claim, need = found
            if is_held(state, claim) and delayed_by(state, first, shape):
                usable.remove(claim)
                continue
            yield Assignment(first.task.id, claim.id, need, Reason.FIRST)
            room[0] = _most(claims)


def _most(claims: Sequence[Claim]) -> Resources:
    """The most of each resource that any of them has free."""
    most = NOTHING
    for claim in claims:
        most = most.at_least(claim.free)
    return most


def _best(state: State, shape: Shape, first: TaskRecord, claims: list[Claim]) -> tuple[Claim, Resources] | None:
    """Of the claims with room for the first task of the shape the preferred one, and what the task is given there."""
    found: list[tuple[float, int, int, Claim, Resources]] = []
    for number, claim in enumerate(claims):
        need = state.allocation(shape, claim.resources, claim.agent_id)
        if claim.free.cores > 0 and need.fits_in(claim.free) and unsuited(state, shape, claim) is None:
            bytes_there = state.near.bytes_at(first.large, claim.id)
            found.append((_rank(state, claim), -bytes_there, number, claim, need))
    return min(found, key=lambda one: one[:3])[3:] if found else None


def _rank(state: State, claim: Claim) -> float:
    agent = state.agent(claim.agent_id)
    return state.policies.placement.rank(Spot(claim.hostname, agent.attributes, claim.free, claim.resources))
