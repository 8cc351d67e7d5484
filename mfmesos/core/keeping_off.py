"""Tasks without GPUs keep off agents with GPUs while others have room: GPU tasks would wait for their cores and memory.

A shape keeps off while an agent without GPUs is known that could hold it, for a moment; as long as offers in hand have
room for it, and for a while as long as claims are being launched for all its tasks elsewhere. This is looked at when
the shape comes, when agents or offers do, and every second. Whoever has several claims or agents to choose from takes
those without GPUs first.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, TypeVar

from mfmesos.core.model import AgentId
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.state import State

T = TypeVar("T")
KEEPS_S = 2.0
"""Offers of what is free elsewhere come within an allocation interval of Mesos, a second."""
LAUNCH_S = 30.0
"""A claim that is being launched elsewhere is waited for this long."""
HOLDS_S = 4.0
"""Offers of agents with GPUs are kept this long for tasks that may start there soon."""


def keeps(state: State, shape: Shape, agent_id: AgentId) -> bool:
    """Whether no task of the shape starts on the agent now."""
    return shape in state.kept_off and agent_id in state.gpu_agents


def look(state: State, shape: Shape) -> None:
    """Decide it for now."""
    if _should(state, shape):
        state.kept_off.add(shape)
    else:
        state.kept_off.discard(shape)


def _should(state: State, shape: Shape) -> bool:
    first = state.queue.first(shape)
    if shape.gpus or not state.gpu_agents or first is None or state.now - first.waiting_since >= LAUNCH_S:
        return False
    comes = state.now - first.waiting_since < KEEPS_S or state.queue.count(shape) <= state.claims.expected[shape]
    return (comes and _could_elsewhere(state, shape)) or _offered_elsewhere(state, shape)


def last(state: State, some: Iterable[T], agent_of: Callable[[T], AgentId]) -> Iterator[T]:
    """The same, those on agents with GPUs after all others."""
    if not state.gpu_agents:
        yield from some
        return
    with_gpus = []
    for one in some:
        if agent_of(one) in state.gpu_agents:
            with_gpus.append(one)
        else:
            yield one
    yield from with_gpus


def holds_offers(state: State, agent: AgentRecord) -> bool:
    """Whether its offers are kept for tasks that may start there in a moment."""
    return (agent.id in state.gpu_agents and state.wanted_since is not None and not state.stopping
            and state.now - agent.offered_at < HOLDS_S and any(not shape.at for shape in state.kept_off))


def _could_elsewhere(state: State, shape: Shape) -> bool:
    """Whether an agent without GPUs is known that could hold it when empty."""
    known = state.elsewhere.get(shape)
    if known is None:
        known = state.elsewhere[shape] = any(
            agent_id not in state.gpu_agents and (whole := state.whole(agent_id)) is not None
            and state.fits(state.need(shape), whole, agent_id)
            for cluster in state.live() for agent_id in cluster.present())
    return known


def _offered_elsewhere(state: State, shape: Shape) -> bool:
    for cluster in state.live():
        for agent in cluster.offering.values():
            if agent.id not in state.gpu_agents and agent.avoid_until <= state.now:
                offered = agent.offered()
                if state.allocation(shape, offered, agent.id).fits_in(offered):
                    return True
    return False
