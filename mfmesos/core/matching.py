"""Matching: assigns waiting tasks first to open claims, then to new claims on offers; declines useless offers.

First fit: claims and offers in the order they came, tasks in the order they were submitted; later tasks may overtake a
task that fits nowhere. Large tasks do not starve: after `drain_after_s` claims are drained for them.
"""
from __future__ import annotations

from mfmesos.core import claims, demand, holding, sharing, shortage, spots, tasks, temporaries, trust
from mfmesos.core.actions import DeclineOffers, ListAgents, OpenClaim, Revive, SaveClaim, Suppress
from mfmesos.core.claim_table import Claim
from mfmesos.core.cluster_state import REVIVE_AT_LEAST_S, ClusterState
from mfmesos.core.filling import fill_claims
from mfmesos.core.model import Resources
from mfmesos.core.planning import is_short, next_without_claim, room_to_run
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.sizing import allocation, how_many_fit, is_crumb, size_claim
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared.messages import core as m

Wanted = list[tuple[Shape, int]]
REVIVE_AT_MOST_S = 60.0
"""After a revive the master offers again what was declined: useful when the need is new, rarely later."""
AGENTS_EVERY_S = 30.0
AT_ONCE = 16
"""Claims that are opened in one call: a thousand take longer than executors should wait for their answers."""


def match(state: State, everything: bool) -> None:
    """Match tasks with claims and offers as far as possible. What fits nowhere is looked at again when something has
    changed that could let it start; `everything`: also count the waiting tasks against all claims and offers.
    """
    state.unfinished = False
    demand.refresh(state)
    new = len(state.fresh) > len(state.retried) or (state.queue.take_grown() and state.wanted_since is None)
    if state.stopping or state.now < state.paused_until:
        state.try_all = True
    else:
        holding.follow(state)
        fill_claims(state)
        if not state.queue:
            _nothing_waits(state)
        elif everything or new or state.has_offers or state.claims.moves != state.moves_seen:
            state.moves_seen = state.claims.moves
            _match_offers(state)
    _settle_offers(state)


def _match_offers(state: State) -> None:
    wanted = _unmet(state)
    if not wanted:
        _nothing_waits(state)
        return
    if state.wanted_since is None:
        state.wanted_since = state.now
    if state.now - state.wanted_since >= state.policy.batch_delay_s:
        _open_claims(state, wanted)
        if state.unfinished:
            return
        _look_further(state, _unmet(state))
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
    for shape, count, _ in state.queue.shapes():
        if shape.at:
            continue  # it waits for its temporary inputs, or for room where they are
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
    for agent in spots.agents(state):
        if state.claim_number - opened >= AT_ONCE:
            state.unfinished = True
            return
        cluster = state.clusters[agent.id.cluster]
        if agent.avoid_until > state.now or _leaving(agent) or _list_first(state, cluster, agent):
            continue
        wanted = _open_one(state, cluster, agent, wanted)
        if not wanted:
            return


def _leaving(agent: AgentRecord) -> bool:
    """Whether maintenance of the agent is planned: no new work there."""
    return any(o.unavailable_from is not None for o in agent.offers.values())


def _list_first(state: State, cluster: ClusterState, agent: AgentRecord) -> bool:
    """Whether the agent's offer may be a crumb, and its total will be known in a moment."""
    if cluster.known.is_listed(agent.id.agent) or not is_crumb(_room(state, agent), state.policy.defaults):
        return False
    if agent.unlisted_until is None:
        agent.unlisted_until = state.now + state.policy.list_wait_s
        if state.now - cluster.asked_agents_at >= state.policy.list_wait_s:
            cluster.asked_agents_at = state.now
            state.emit(ListAgents(cluster=cluster.name))
    return state.now < agent.unlisted_until


def _room(state: State, agent: AgentRecord) -> Resources:
    """The agent's offers, less the claim's executor, as far as the run's bounds allow."""
    room = agent.offered() - Resources(memory_mb=state.policy.executor_memory_mb)
    return room.at_least_zero().bounded(*state.left_to_claim())


def _open_one(state: State, cluster: ClusterState, agent: AgentRecord, wanted: Wanted) -> Wanted:
    """Open one claim on all offers of the agent, if any task fits; returns the remaining tasks."""
    room = _room(state, agent)
    if room.memory_mb <= 0 or room.cores <= 0:
        return wanted
    mine = [(i, s) for i, (s, _) in enumerate(wanted) if not trust.shunned(state, s, agent.id)]
    alone = [(i, s) for i, s in mine if s.solo or state.policy.per_task_claims]
    shared = [(i, s) for i, s in mine if not (s.solo or state.policy.per_task_claims)]
    solo_task = None
    counts = [0] * len(wanted)
    whole = state.whole(agent.id) or room
    size, taken = size_claim(
        [(state.need(s), wanted[i][1]) for i, s in shared], room, whole, state.policy.defaults,
        spare=state.policy.max_memory_mb is None)
    if not any(taken) or _alone_first(state, alone):
        found = next(((i, s) for i, s in alone if state.allocation(s, room, agent.id).fits_in(room)
                      and _next_solo(state, s) is not None), None)
        if found is not None:
            size, solo_task = state.allocation(found[1], room, agent.id), _next_solo(state, found[1])
            taken = [0] * len(shared)
            counts[found[0]] = 1
        elif not any(taken):
            return wanted
    for (i, _), n in zip(shared, taken):
        counts[i] = n
    expects = {shape: n for (shape, _), n in zip(wanted, counts) if n}
    offers = tuple(agent.offers.values())
    cluster.void_offers(agent)
    state.claim_number += 1
    claim = Claim(f"{state.policy.run_id}-{state.claim_number}", agent.id, agent.hostname, size, state.now, solo_task,
                  expects=expects)
    state.claims.add(claim)
    state.emit(SaveClaim(claim.saved()))
    state.emit(OpenClaim(
        claim.id, offers, agent.id.agent, size, state.policy.executor_memory_mb, cluster.name))
    return [(s, n - c) for (s, n), c in zip(wanted, counts) if n > c]


def _alone_first(state: State, alone: list[tuple[int, Shape]]) -> bool:
    """Whether a task that must run alone precedes tasks that share: while no claim for such tasks is being launched,
    and for short ones only while none is open, since they can take turns in one.
    """
    solo = [c for c in state.claims_in(ClaimState.LAUNCHING, ClaimState.OPEN) if c.solo_task is not None]
    if any(c.state is ClaimState.LAUNCHING for c in solo):
        return False
    return any(not (solo and is_short(state, shape)) for _, shape in alone)


def _next_solo(state: State, shape: Shape) -> int | None:
    """The first task of the shape that has no claim of its own."""
    found = next_without_claim(state, shape)
    return found.task.id if found is not None else None


def _look_further(state: State, wanted: Wanted) -> None:
    """For the remaining tasks: request more offers, drain claims, or report that no agent could ever hold them."""
    if not wanted:
        return
    for cluster in state.live():
        if (cluster.suppressed or cluster.filtered) and state.now >= cluster.revive_after:
            state.emit(Revive(cluster.name))
            cluster.suppressed = cluster.filtered = False
            cluster.revive_after = state.now + cluster.revive_pause
            cluster.revive_pause = min(cluster.revive_pause * 2, REVIVE_AT_MOST_S)
    sharing.look(state, wanted)
    _find_unsatisfiable(state, [(shape, count) for shape, count in wanted if state.queue.first(shape) is not None])
    _make_room(state, wanted)


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
        if cluster.connected and (stale or newly or sharing.waits_for_list(state, cluster)):
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
        has = ", ".join(name for name, _ in largest.others)
        reason = m.RESOURCE_UNKNOWN(name=unknown[0], known=has or m.NO_OTHER_RESOURCES(),
                                    reserved=state.reserved(unknown))
    else:
        reason = m.TASK_TOO_LARGE(need=need, largest=largest, reserved=state.reserved(short))
    for record in state.queue.of(shape):
        tasks.end(state, record, TaskState.FAILED, reason)


def _make_room(state: State, wanted: Wanted) -> None:
    """For a task that is too large for every claim, or a suspect that cannot take turns with another: release idle
    claims at once, drain busy ones after a while.
    """
    for shape, _ in wanted:
        if state.policy.per_task_claims:
            continue
        need = state.need(shape)
        if any(state.fits(need, c.resources, c.agent_id)
               for c in state.claims.each_in(ClaimState.OPEN, ClaimState.LAUNCHING)
               if (c.solo_task is not None) == shape.solo):
            continue
        for claim in state.claims_in(ClaimState.OPEN):
            if not claim.attempts and state.now - claim.idle_since > state.policy.batch_delay_s and (
                    not temporaries.hold_back(state, claim)):
                claims.release(state, claim)
        first = state.queue.first(shape)
        late = first is not None and state.now - first.waiting_since > state.policy.drain_after_s
        if late and not state.claims_in(ClaimState.DRAINING):
            _drain_for(state, shape)
        return


def _drain_for(state: State, shape: Shape) -> None:
    share = Resources(memory_mb=state.policy.executor_memory_mb)
    for agent in (agent for cluster in state.live() for agent in cluster.agents.values()):
        if trust.shunned(state, shape, agent.id):
            continue
        own = [c for c in state.claims.of_agent(agent.id) if c.state is ClaimState.OPEN]
        total = agent.offered()
        for claim in own:
            total = total + claim.resources + share
        if own and state.fits(state.need(shape), (total - share).at_least_zero(), agent.id):
            for claim in own:
                claim.move(ClaimState.DRAINING)
            return


def _kept(state: State, cluster: ClusterState, agent: AgentRecord) -> bool:
    until = agent.unlisted_until
    return (until is not None and state.now < until and state.wanted_since is not None and not state.stopping
            and not cluster.ended and not cluster.known.is_listed(agent.id.agent))


def _settle_offers(state: State) -> None:
    """Decline useless offers; suppress offers when no task needs any."""
    if state.unfinished:
        return
    waiting_for_more = state.wanted_since is not None and (
        state.now - state.wanted_since < state.policy.batch_delay_s) and not state.stopping
    if waiting_for_more:
        return
    for cluster in state.clusters.values():
        useless = [agent for agent in cluster.offering.values() if not _kept(state, cluster, agent)]
        if useless:
            wanted = state.wanted_since is not None or any(a.avoid_until > state.now for a in useless)
            ids = tuple(offer_id for agent in useless for offer_id in agent.offers)
            refuse_s = state.policy.refuse_wanted_s if wanted and not cluster.ended else state.policy.refuse_s
            state.emit(DeclineOffers(ids, refuse_s, cluster.name))
            cluster.filtered = True
            for agent in useless:
                cluster.void_offers(agent)
        if (cluster.ended or not state.queue) and not cluster.suppressed and cluster.connected:
            cluster.suppressed = True
            state.emit(Suppress(cluster.name))
