"""Decides which claims are opened on which offers, in the order of the placement.

The planner only reads the state. Each decision is made for the state as it is when the planner is asked for it: apply
it, ask again.
"""
from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from mfmesos.core import constraints, gpu_ids, keeping_off, politeness, portions, rankings, spots, trust
from mfmesos.core.decisions import AgentRefusal, Opening, Wait, WhyNot
from mfmesos.core.model import Resources
from mfmesos.core.planning import is_short, next_without_claim
from mfmesos.core.policies.protocols import Placement
from mfmesos.core.portions import Wanted
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.sizing import ALL, NO_SPARE, PerCore, is_crumb, size_claim
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.slices import cut


def openings(state: State, wanted: Wanted) -> Iterator[Opening | Wait | AgentRefusal]:
    """For each agent with offers: the claim that is opened there, or why none is; one placement after the other."""
    if len(state.placements) == 1:
        yield from _placed(state, state.policies.placement, wanted)
        return
    for name, placement in state.placements.items():
        if some := [(shape, n) for shape, n in wanted if shape.placement == name]:
            yield from _placed(state, placement, some)


def _agents(state: State, placement: Placement) -> list[AgentRecord]:
    """Agents with offers, the preferred ones first, otherwise by cluster and as they came; those with GPUs last."""
    offering = [agent for cluster in state.live() for agent in cluster.offering.values()]
    if placement.indifferent:
        return list(keeping_off.last(state, offering, attrgetter("id")))
    in_order = sorted(offering, key=lambda agent: rankings.order_of(
        state, placement, agent.id, spots.offered(state, agent)))
    return list(keeping_off.last(state, in_order, attrgetter("id")))


def _placed(state: State, placement: Placement, wanted: Wanted) -> Iterator[Opening | Wait | AgentRefusal]:
    agents = _agents(state, placement)
    if (placement.even or placement.compares) and not state.policy.per_task_claims:
        opened = False
        for agent, portion in portions.of_agents(state, placement, agents, wanted):
            decision = decide(state, agent, portion, wanted)
            yield decision
            opened = opened or isinstance(decision, Opening)
        if opened:
            return  # what is left over is placed when the rest has its claims
    for agent in agents:
        if not wanted:
            return
        decision = decide(state, agent, wanted)
        yield decision
        if isinstance(decision, Opening):
            wanted = _less(wanted, decision)


def _less(wanted: Wanted, opening: Opening) -> Wanted:
    """What is still wanted after that claim."""
    taken = dict(opening.expects)
    return [(shape, n - taken.get(shape, 0)) for shape, n in wanted if n > taken.get(shape, 0)]


def decide(
    state: State, agent: AgentRecord, wanted: Wanted, waiting: Wanted | None = None,
) -> Opening | Wait | AgentRefusal:
    """What happens with the agent's offers for these tasks; `waiting`: all that may run in the claim after them, if
    others wait as well.
    """
    cluster = state.clusters[agent.id.cluster]
    if agent.avoid_until > state.now:
        return AgentRefusal(agent.id, WhyNot.AVOIDED)
    if any(offer.unavailable_from is not None for offer in agent.offers.values()):
        return AgentRefusal(agent.id, WhyNot.LEAVING)
    if politeness.holds_back(state, cluster):
        return AgentRefusal(agent.id, WhyNot.RESTING)
    offered = offered_to_claim(state, agent)
    room = offered.bounded(*state.left_to_claim())  # as far as the run's bounds allow
    if not cluster.known.is_listed(agent.id.agent) and is_crumb(room, state.policy.defaults):
        if agent.unlisted_until is None:
            ask = state.now - cluster.asked_agents_at >= state.policy.list_wait_s
            return Wait(agent.id, state.now + state.policy.list_wait_s, ask)
        if state.now < agent.unlisted_until:
            return AgentRefusal(agent.id, WhyNot.UNLISTED)
    if room.memory_mb <= 0 or room.cores <= 0:
        return AgentRefusal(agent.id, WhyNot.EMPTY if is_empty(offered) else WhyNot.BOUND)
    chosen = _choose(state, agent, _shared(state, agent, room, wanted), wanted, waiting)
    if chosen is None:
        return AgentRefusal(agent.id, WhyNot.SMALL)
    return Opening(agent.id, tuple(agent.offers.values()), chosen.size, chosen.solo_task, chosen.expects,
                   _slices(state, agent, chosen))


def offered_to_claim(state: State, agent: AgentRecord) -> Resources:
    """What a claim could have of the agent's offers, beside its executor."""
    offered = (agent.offered() - Resources(memory_mb=state.policy.executor_memory_mb)).at_least_zero()
    return gpu_ids.bounded(state, agent, offered)


def is_empty(offered: Resources) -> bool:
    """Whether that is of no use to any task."""
    return offered.memory_mb <= 0 or offered.cores <= 0


def _shared(state: State, agent: AgentRecord, room: Resources, wanted: Wanted) -> Resources:
    """The part of the room that the run takes: while other frameworks wait its share, or room for one task."""
    cores = politeness.most_cores(state, state.clusters[agent.id.cluster])
    if cores >= room.cores or not wanted:
        return room
    one = state.allocation(wanted[0][0], room, agent.id)
    return (room * (cores / room.cores)).at_least(one).at_most(room)


def _slices(state: State, agent: AgentRecord, chosen: _Choice) -> tuple[Resources, ...]:
    """For the tasks of which most are expected."""
    if chosen.solo_task is not None or not chosen.expects:
        return ()
    shape, _ = max(chosen.expects, key=lambda expected: expected[1])
    return cut(chosen.size, state.allocation(shape, chosen.size, agent.id).cores)


class _Choice(NamedTuple):
    size: Resources
    solo_task: int | None
    expects: tuple[tuple[Shape, int], ...]


def _choose(
    state: State, agent: AgentRecord, room: Resources, wanted: Wanted, waiting: Wanted | None,
) -> _Choice | None:
    """The claim for the wanted tasks that share one, or for one that runs alone; None: no task fits."""
    mine = _startable(state, agent, wanted)
    alone = [s for s, _ in mine if s.solo or state.policy.per_task_claims]
    shared = [(s, n) for s, n in mine if not (s.solo or state.policy.per_task_claims)]
    later = shared if waiting is None else [(s, n) for s, n in _startable(state, agent, waiting) if not s.solo]
    size, taken = size_claim([(state.need(s), n) for s, n in shared], room, state.whole(agent.id) or room,
                             state.policy.defaults, _spare(state, agent, room, later))
    if not any(taken) or _alone_first(state, alone):
        for shape in alone:
            need, task_id = state.allocation(shape, room, agent.id), _next_solo(state, shape)
            if need.fits_in(room) and task_id is not None:
                return _Choice(need, task_id, ((shape, 1),))
    if not any(taken):
        return None
    if state.now < agent.had_until and state.policy.max_memory_mb is None and state.policy.max_cores is None:
        size = size.at_least(agent.had.at_most(room))
    return _Choice(size, None, tuple((s, n) for (s, _), n in zip(shared, taken) if n))


def _startable(state: State, agent: AgentRecord, wanted: Wanted) -> Wanted:
    """Those that may start on the agent, and how many."""
    able = ((s, int(min(n, constraints.left_to_open(state, s, agent.id)))) for s, n in wanted
            if not trust.shunned(state, s, agent.id) and not gpu_ids.splits(state, s))
    return [(s, n) for s, n in able if n > 0]


def _spare(state: State, agent: AgentRecord, room: Resources, shared: Wanted) -> PerCore:
    """What other tasks may need that run in the claim after the first ones."""
    if state.policy.max_memory_mb is not None:
        return NO_SPARE
    if state.policy.whole_agent_claims or any(_is_unknown(state, shape) for shape, _ in shared):
        return ALL
    waiting = (state.mix.per_core(state.allocation(s, room, agent.id), s.memory_mb, s.disk_mb) for s, _ in shared)
    return state.mix.most(waiting, state.now)


def _is_unknown(state: State, shape: Shape) -> bool:
    """Whether tasks of the shape are given the default memory until their first results, which may show any other
    amount: a claim with too little for its cores would leave some of them idle for the rest of its life.
    """
    return shape.kind is not None and state.need(shape).memory_mb is None


def _alone_first(state: State, alone: list[Shape]) -> bool:
    """Whether a task that must run alone precedes tasks that share: while no claim for such tasks is being launched,
    and for short ones only while none is open, since they can take turns in one.
    """
    if not alone:
        return False
    solo = [c for c in state.claims_in(ClaimState.LAUNCHING, ClaimState.OPEN) if c.solo_task is not None]
    if any(c.state is ClaimState.LAUNCHING for c in solo):
        return False
    return any(not (solo and is_short(state, shape)) for shape in alone)


def _next_solo(state: State, shape: Shape) -> int | None:
    """The first task of the shape that has no claim of its own."""
    found = next_without_claim(state, shape)
    return found.task.id if found is not None else None
