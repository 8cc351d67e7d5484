"""Tasks wait that claims were not sized for: which claims end so that larger ones can be opened in their place."""
from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from mfmesos.core import claims, trust
from mfmesos.core.claim_table import Claim
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


def renew(state: State, wanted: Wanted) -> None:
    """On agents that could hold such a task if their claims ended, release idle claims at once, and drain busy ones
    after a moment: on as many agents as the tasks need.
    """
    if state.policy.whole_agent_claims or state.policy.per_task_claims or not state.has_offers:
        return
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


def _places(state: State) -> list[_Place]:
    found = []
    for cluster in state.live():
        for agent in cluster.offering.values():
            own = [c for c in state.claims.of_agent(agent.id) if c.state is ClaimState.OPEN and c.solo_task is None]
            if own:
                found.append(_Place(agent, own, without(state, agent, own)))
    return found


def without(state: State, agent: AgentRecord, own: Iterable[Claim]) -> Resources:
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
    for claim in own:
        if not claim.attempts and state.now - claim.idle_since > state.policy.batch_delay_s:
            claims.release_when_sent(state, claim)
        elif state.now - first.waiting_since >= AFTER_S:
            claim.move(ClaimState.DRAINING)
    return how_many_fit(state.allocation(shape, place.total, agent_id), place.total, len(state.queue))
