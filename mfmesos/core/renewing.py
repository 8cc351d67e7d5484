"""Tasks wait that the open claims cannot hold: which claims end so that larger ones can be opened in their place.

Idle claims are released at once. Busy ones are drained after a moment where the agent's offers show that a larger claim
would fit, on as many agents as the tasks need; after a longer while on one agent after the other, whatever is offered.
"""
from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from mfmesos.core import claims, trust
from mfmesos.core.claim_table import Claim
from mfmesos.core.mix import LATELY_S
from mfmesos.core.model import Resources
from mfmesos.core.portions import Wanted
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.sizing import how_many_fit
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState

AFTER_S = 2.0
"""A task waits this long before busy claims are drained for it."""
MOST_SHAPES = 8
"""That many shapes are looked at in one call."""


class _Place(NamedTuple):
    """An agent with offers and open claims."""

    agent: AgentRecord
    own: list[Claim]
    total: Resources
    """What one claim could have there if these ended."""


def make_room(state: State, wanted: Wanted) -> None:
    """For tasks of these shapes, which no claim will take."""
    if state.policy.per_task_claims:
        return
    if state.has_offers and not state.policy.whole_agent_claims:
        _beside_offers(state, wanted)
    large = next((shape for shape, _ in wanted if not _has_claim(state, shape)), None)
    if large is not None:
        _for_one(state, large)


def _beside_offers(state: State, wanted: Wanted) -> None:
    places = _places(state)
    if not places:
        return
    least = functools.reduce(Resources.at_most, (claim.resources for place in places for claim in place.own))
    large = [(s, n) for s, n in wanted if not s.solo and not state.fits(state.need(s), least)]
    for shape, count in large[:MOST_SHAPES]:
        missing = count - _coming(state, shape)
        for place in places:
            if missing > 0 and not trust.shunned(state, shape, place.agent.id):
                missing -= _renew_at(state, shape, place)


def _has_claim(state: State, shape: Shape) -> bool:
    """Whether an open or launching claim could hold such a task if it were empty; a suspect takes turns with others."""
    need = state.need(shape)
    return any(state.fits(need, claim.resources, claim.agent_id)
               for claim in state.claims.each_in(ClaimState.OPEN, ClaimState.LAUNCHING)
               if (claim.solo_task is not None) == shape.solo)


def _for_one(state: State, shape: Shape) -> None:
    """The idle claims of all agents go, and the busy ones of the first agent that could hold such a task."""
    _give_up(state, state.claims_in(ClaimState.OPEN), busy=False)
    first = state.queue.first(shape)
    late = first is not None and state.now - first.waiting_since > state.policy.drain_after_s
    if not late or state.claims_in(ClaimState.DRAINING):
        return
    for agent in (agent for cluster in state.live() for agent in cluster.agents.values()):
        own = [c for c in state.claims.of_agent(agent.id) if c.state is ClaimState.OPEN]
        if own and not trust.shunned(state, shape, agent.id) and (
                state.fits(state.need(shape), _without(agent, own, state), agent.id)):
            _give_up(state, own, busy=True)
            return


def _give_up(state: State, own: Iterable[Claim], busy: bool) -> None:
    """Release those that are idle, and drain the others if `busy`. What is opened there next is no smaller."""
    for claim in own:
        idle = not claim.attempts and state.now - claim.idle_since > state.policy.batch_delay_s
        if not idle and not busy:
            continue
        agent = state.agent(claim.agent_id)
        agent.had, agent.had_until = claim.resources, state.now + LATELY_S
        if idle:
            claims.release_when_sent(state, claim)
        else:
            claim.move(ClaimState.DRAINING)


def _places(state: State) -> list[_Place]:
    found = []
    for cluster in state.live():
        for agent in cluster.offering.values():
            own = [c for c in state.claims.of_agent(agent.id) if c.state is ClaimState.OPEN and c.solo_task is None]
            if own:
                found.append(_Place(agent, own, _without(agent, own, state)))
    return found


def _without(agent: AgentRecord, own: Iterable[Claim], state: State) -> Resources:
    """What one claim could have on the agent if these ended: offers and claims, less an executor."""
    share = Resources(memory_mb=state.policy.executor_memory_mb)
    total = sum((claim.resources + share for claim in own), agent.offered())
    return (total - share).at_least_zero()


def _coming(state: State, shape: Shape) -> int:
    """The number of such tasks that agents will hold whose claims are ending."""
    agents = {claim.agent_id for claim in state.claims.each_in(ClaimState.DRAINING, ClaimState.RELEASING)}
    return sum(how_many_fit(state.allocation(shape, whole, agent), whole, len(state.queue))
               for agent in agents if (whole := state.whole(agent)) is not None)


def _renew_at(state: State, shape: Shape, place: _Place) -> int:
    """The number of such tasks that claims there are given up for, or would be if the tasks had waited for longer."""
    agent_id, need, first = place.agent.id, state.need(shape), state.queue.first(shape)
    own = [claim for claim in place.own if claim.state is ClaimState.OPEN]
    if first is None or not own or any(state.fits(need, claim.resources, agent_id) for claim in own):
        return 0
    if not state.fits(need, place.total, agent_id):
        return 0
    _give_up(state, own, busy=state.now - first.waiting_since >= AFTER_S)
    return how_many_fit(state.allocation(shape, place.total, agent_id), place.total, len(state.queue))
