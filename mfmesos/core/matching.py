"""Matching: assigns waiting tasks first to open claims, then to new claims on offers; declines useless offers.

First fit: claims and offers in the order they came, tasks in the order they were submitted; later tasks may overtake a
task that fits nowhere. Large tasks do not starve: after `drain_after_s` claims are drained for them.
"""
from __future__ import annotations

from mfmesos.core import (
    constraints,
    demand,
    holding,
    impossible,
    keeping_off,
    opening,
    politeness,
    renewing,
    sharing,
    shortage,
    tasks,
    trust,
)
from mfmesos.core.actions import DeclineOffers, ListAgents, Revive, Suppress
from mfmesos.core.applying import apply_offer
from mfmesos.core.cluster_state import REVIVE_AT_LEAST_S
from mfmesos.core.filling import fill_claims
from mfmesos.core.model import Resources
from mfmesos.core.planning import room_to_run
from mfmesos.core.portions import Wanted
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.sizing import allocation, how_many_fit
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared.messages import core as m

AGENTS_EVERY_S = 30.0
LOOK_AGAIN_S, LOOK_SHAPE_S = 0.2, 0.001
"""What waits although all offers and claims were tried is counted again after this and, for each shape, this much more:
it costs as much as there are shapes, and a timer of one of a thousand claims is due at any moment (docs/performance.md,
Core)."""
AT_ONCE = 16
"""Claims that are opened in one call: a thousand take longer than executors should wait for their answers."""


def match(state: State, everything: bool, later: bool = False) -> None:
    """Match tasks with claims and offers as far as possible. What fits nowhere is looked at again when something has
    changed that could let it start; `everything`: also count the waiting tasks against all claims and offers; `later`:
    the same, unless that was done a moment ago and found no room.
    """
    state.unfinished = False
    demand.refresh(state)
    new = bool(state.fresh) or (state.queue.take_grown() and state.wanted_since is None)
    if state.stopping or state.now < state.paused_until:
        state.try_all = True
    else:
        holding.follow(state)
        politeness.give_way(state)
        fill_claims(state)
        if state.unfinished:
            return
        if not state.queue:
            _nothing_waits(state)
        elif (everything or state.has_offers or state.claims.moves != state.moves_seen
              or ((new or later) and _is_time(state))):
            state.moves_seen, state.looked_at = state.claims.moves, state.now
            _match_offers(state)
    _settle_offers(state)


def _is_time(state: State) -> bool:
    """Whether waiting tasks may have got something new to be tried with since they were last counted."""
    if state.wanted_since is None or state.now - state.looked_at >= LOOK_AGAIN_S + LOOK_SHAPE_S * len(state.needed):
        return True
    return state.looked_at < state.wanted_since + state.policy.batch_delay_s


def _match_offers(state: State) -> None:
    wanted = _unmet(state)
    if not wanted:
        _nothing_waits(state)
        return
    if state.wanted_since is None:
        state.wanted_since = state.now
    if state.now - state.wanted_since >= state.policy.batch_delay_s:
        opened = state.claim_number
        _open_claims(state, wanted)
        if state.unfinished:
            return
        _look_further(state, wanted if state.claim_number == opened else _unmet(state))
        shortage.look(state, [shape for shape, _, _ in state.queue.shapes()])


def _nothing_waits(state: State) -> None:
    """Every waiting task, if there is any, has a claim that will take it."""
    state.wanted_since = None
    state.unsatisfiable_since.clear()
    state.sharing_since.clear()
    for cluster in state.clusters.values():
        cluster.revive_pause = REVIVE_AT_LEAST_S
        cluster.shortage.clear()


def _unmet(state: State) -> Wanted:
    """The waiting tasks that fit neither the open claims nor the claims that are being launched."""
    room = room_to_run(state) - sum(state.claims.expected.values())
    earlier = [c for c in state.claims.each_in(ClaimState.LAUNCHING) if c.restored]
    restored = [[c, c.free] for c in earlier if c.solo_task is None]
    alone = {c.solo_task for c in earlier}
    wanted: Wanted = []
    counters: dict[str, float] = {}
    for shape, count, _ in state.queue.shapes():
        if shape.at:
            continue  # it waits for its temporary inputs, or for room where they are
        if shape.where:
            count = min(count, constraints.left_in_run(state, shape, counters))
        count -= state.claims.expected[shape]
        if alone and (shape.solo or state.policy.per_task_claims):
            count -= sum(r.task.id in alone for r in state.queue.of(shape))
        if restored and not shape.solo and not state.policy.per_task_claims:
            count -= _absorb(state, shape, count, restored)
        count = min(count, room)
        if count > 0:
            room -= count
            wanted.append((shape, count))
    return wanted


def _absorb(state: State, shape: Shape, count: int, free: list[list]) -> int:  # type: ignore[type-arg]
    absorbed = 0
    for entry in free:
        claim, left = entry
        if trust.shunned(state, shape, claim.agent_id):
            continue
        need = state.allocation(shape, claim.resources, claim.agent_id)
        n = how_many_fit(need, left, count - absorbed)
        entry[1] = left - need * n
        absorbed += n
    return absorbed


def _open_claims(state: State, wanted: Wanted) -> None:
    """At most AT_ONCE in one call: the rest of the agents keep their offers until the next."""
    opened = state.claim_number
    for decision in opening.openings(state, wanted):
        if state.claim_number - opened >= AT_ONCE:
            state.unfinished = True
            return
        apply_offer(state, decision)


def _look_further(state: State, wanted: Wanted) -> None:
    """For the remaining tasks: request more offers, drain claims, or report that no agent could ever hold them."""
    if not wanted:
        return
    for cluster in state.live():
        held_back = (cluster.suppressed or cluster.filtered) and state.policies.offers.revives(state, cluster)
        if held_back or cluster.freed:
            apply_offer(state, Revive(cluster.name))
    sharing.look(state, wanted)
    impossible.look(state, wanted)
    _find_unsatisfiable(state, [(shape, count) for shape, count in wanted if state.queue.first(shape) is not None])
    renewing.make_room(state, wanted)


def _find_unsatisfiable(state: State, wanted: Wanted) -> None:
    known = state.largest_agents()
    away = state.agents_away()
    unfit = [s for s, _ in wanted if (known or away) and not any(state.fits(s, agent) for agent in known)]
    hopeless = [s for s in unfit if not _waits_for_one_away(state, s, away)]
    for shape in set(state.unsatisfiable_since) - set(hopeless):
        del state.unsatisfiable_since[shape]
    for shape in hopeless:
        since = state.unsatisfiable_since.setdefault(shape, state.now)
        if state.listed_since(since) and state.now - since >= state.policy.unsatisfiable_s:
            _fail_hopeless(state, shape)
    for cluster in state.live():
        stale = state.now - cluster.asked_agents_at > AGENTS_EVERY_S
        newly = any(since > cluster.asked_agents_at for since in state.unsatisfiable_since.values())
        if cluster.connected and (stale or newly or sharing.waits_for_list(state, cluster)
                                  or impossible.waits_for_list(state, cluster.asked_agents_at)):
            cluster.asked_agents_at = state.now
            state.emit(ListAgents(cluster=cluster.name))


def _waits_for_one_away(state: State, shape: Shape, away: list[tuple[str, Resources]]) -> bool:
    """Whether an agent that is away could hold it; the user is then notified."""
    hosts = [host for host, resources in away if state.fits(shape, resources)]
    if hosts:
        state.note("warning", m.WAITING_FOR_AGENT(agent=hosts[0]),
                   every_s=state.policy.away_s)
    return bool(hosts)


def _fail_hopeless(state: State, shape: Shape) -> None:
    largest = state.largest_agent() or Resources()
    need = allocation(shape, largest, largest, state.policy.defaults)
    short = [name for name in need.names() if need.of(name) > largest.of(name)]
    unknown = [name for name in short if name not in largest.names()]
    if need.gpus and not state.policy.gpus:
        reason = m.GPUS_NOT_OFFERED(gpus=need.gpus)
    elif unknown:
        known = ", ".join(name for name, _ in largest.others)
        reason = m.RESOURCE_UNKNOWN(name=unknown[0], known=known or m.NO_OTHER_RESOURCES(),
                                    reserved=state.reserved(unknown))
    else:
        has = tuple(one for one in largest.others if need.of(one[0]))
        reason = m.TASK_TOO_LARGE(need=need, largest=largest._replace(others=has), reserved=state.reserved(short))
    for record in state.queue.of(shape):
        tasks.end(state, record, TaskState.FAILED, reason)


def _settle_offers(state: State) -> None:
    """Decline useless offers; suppress offers when no task needs any."""
    if state.unfinished:
        return
    waiting_for_more = state.wanted_since is not None and (
        state.now - state.wanted_since < state.policy.batch_delay_s) and not state.stopping
    if waiting_for_more:
        return
    policy = state.policies.offers
    for cluster in state.clusters.values():
        useless: dict[bool, list[AgentRecord]] = {True: [], False: []}
        for agent in cluster.offering.values():
            if not policy.keeps(state, cluster, agent) and not keeping_off.holds_offers(state, agent):
                useless[opening.is_empty(opening.offered_to_claim(state, agent))].append(agent)
        for empty, agents in useless.items():
            if agents:
                ids = tuple(offer_id for agent in agents for offer_id in agent.offers)
                refuse_s = state.policy.refuse_s if empty else policy.refuse_s(state, cluster, agents)
                apply_offer(state, DeclineOffers(ids, refuse_s, cluster.name), empty=empty)
        unwanted = cluster.ended or not state.queue or cluster.manners.rests_until > state.now
        if cluster.freed and cluster.manners.rests_until > state.now and cluster.connected:
            apply_offer(state, Revive(cluster.name))  # for the others; the run itself suppresses again
        if unwanted and not cluster.suppressed and cluster.connected:
            apply_offer(state, Suppress(cluster.name))
