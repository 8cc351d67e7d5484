"""Where tasks start by the run's placement: which agents get claims first, which of several claims takes a task.

Claims with room are kept by their rank (State.ranked), so a task looks at a few of them, however many there are.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Reason
from mfmesos.core.holding import delayed_by, is_held
from mfmesos.core.model import AgentId, Resources
from mfmesos.core.planning import room_to_run, unsuited
from mfmesos.core.policies.protocols import Spot
from mfmesos.core.records import AgentRecord, Shape, TaskRecord
from mfmesos.core.room_index import NOTHING, ZonedRoom
from mfmesos.core.state import State

MOST_COMPARED = 16
"""That many claims with room for a task are compared, the first ones by rank."""


def offered(state: State, agent: AgentRecord) -> Spot:
    """What the agent offers."""
    total = agent.offered()
    whole = state.whole(agent.id) or total
    return Spot(agent.hostname, agent.attributes, total, total, (whole - total).at_least_zero(), whole,
                tasks_at(state, agent.id), state.taken.get(agent.id, {}))


def spot(state: State, claim: Claim) -> Spot:
    used = Resources()
    for one in state.claims.of_agent(claim.agent_id):
        used = used + one.resources - one.free
    return Spot(claim.hostname, state.agent(claim.agent_id).attributes, claim.free, claim.resources, used,
                state.whole(claim.agent_id) or claim.resources, tasks_at(state, claim.agent_id),
                state.taken.get(claim.agent_id, {}))


def tasks_at(state: State, agent_id: AgentId) -> int:
    """Tasks that run on the agent."""
    return sum(len(claim.attempts) for claim in state.claims.of_agent(agent_id))


def portions(state: State, changed: Sequence[Claim]) -> Iterator[Decision]:
    """Start in claims that have just opened what they were opened for: claims open one by one, and the first would
    otherwise get tasks for which there is no such room elsewhere.
    """
    for claim in changed:
        for shape, count in claim.portion.items():
            for _ in range(count):
                first = state.queue.first(shape)
                need = _given(state, shape, first, claim.id) if first is not None and room_to_run(state) else None
                if first is None or need is None:
                    break
                yield from state.policies.planned_starts.plan(state, first)
                if is_held(state, claim):
                    break
                yield Assignment(first.task.id, claim.id, need, Reason.FIRST)


def starts(state: State, changed: Sequence[Claim]) -> Iterator[Decision]:
    """Start tasks in the order of the tasks, each where the placement prefers it: any that may fit in the changed
    claims, and in all others those that did not fit there before.
    """
    open_ones = list(changed)
    room = [_most(open_ones)]
    for shape in _shapes(state, room):
        while room_to_run(state):
            first = state.queue.first(shape)
            found = _best(state, shape, first) if first is not None else None
            if first is None or found is None:
                break
            yield from state.policies.planned_starts.plan(state, first)
            if is_held(state, found[0]):  # it may be held since this moment
                found = _best(state, shape, first)
            if found is None:
                break
            yield Assignment(first.task.id, found[0].id, found[1], Reason.FIRST)
            room[0] = _most(open_ones)


def _shapes(state: State, room: Sequence[Resources]) -> Iterator[Shape]:
    """The shapes to look at, by rank, while `room` is what the changed claims have."""
    waiting = state.waiting
    if state.try_all or state.policy.limits_starts:
        yield from waiting.fitting(_any(state).most)
        return
    most = _any(state).most()
    fresh = [shape for shape in state.fresh if shape in waiting and waiting.needs_of(shape).fits_in(most)]
    fresh.sort(key=waiting.rank_of)
    last = None
    for shape in merge(waiting.fitting(lambda: room[0]), fresh, key=waiting.rank_of):
        if shape != last:  # one that has both comes twice in a row
            yield shape
        last = shape


def _any(state: State) -> ZonedRoom[str]:
    """All rankings have the same claims."""
    return next(iter(state.ranked.values()))


def _most(claims: list[Claim]) -> Resources:
    """The most of each resource that any of them has free; those that are full are left out from now on."""
    claims[:] = [claim for claim in claims if claim.free.cores > 0]
    most = NOTHING
    for claim in claims:
        most = most.at_least(claim.free)
    return most


def _best(state: State, shape: Shape, first: TaskRecord) -> tuple[Claim, Resources] | None:
    """Of the claims with room for the first task of the shape the preferred one, and what the task is given there."""
    placement, found = state.placement(shape), []
    for number, (claim, need) in enumerate(_candidates(state, shape, first)):
        bytes_there = state.near.bytes_at(first.large, claim.id)
        beside_gpus = not shape.gpus and claim.agent_id in state.gpu_agents
        found.append((beside_gpus, placement.cost(spot(state, claim), need), -bytes_there, number, claim, need))
    return min(found, key=lambda one: one[:4])[4:] if found else None


def _candidates(state: State, shape: Shape, first: TaskRecord) -> Iterator[tuple[Claim, Resources]]:
    """The first ones by rank, and those that have some of the task's inputs."""
    by_rank = state.ranked[shape.placement].with_room(state.waiting.needs_of(shape))
    fitting = ((claim_id, need) for claim_id in ([shape.at] if shape.at else by_rank)
               if (need := _given(state, shape, first, claim_id)) is not None)
    seen = set()
    for claim_id, need in islice(fitting, MOST_COMPARED if state.placement(shape).compares else 1):
        seen.add(claim_id)
        yield state.claims[claim_id], need
    for claim_id in dict.fromkeys(state.near.claims(first.large)) if first.large else ():
        given = _given(state, shape, first, claim_id) if claim_id not in seen else None
        if given is not None:
            yield state.claims[claim_id], given


def _given(state: State, shape: Shape, first: TaskRecord, claim_id: str) -> Resources | None:
    """What the first task of the shape is given in the claim; None: it may not start there now."""
    claim = state.claims.get(claim_id)
    if claim is None or claim_id not in _any(state) or claim.free.cores <= 0:
        return None
    need = state.allocation(shape, claim.resources, claim.agent_id)
    if not need.fits_in(claim.free) or unsuited(state, shape, claim) is not None:
        return None
    return None if is_held(state, claim) and delayed_by(state, first, shape, claim, need) else need
