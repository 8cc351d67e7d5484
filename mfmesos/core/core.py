"""The core: events in, actions out. No clock, no randomness, no I/O; see docs/design.md."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from mfmesos.core import (
    claim_timers,
    claims,
    cluster_end,
    constraints,
    demand,
    events,
    filling,
    matching,
    outlook,
    planning,
    politeness,
    recovery,
    remaking,
    shortage,
    tasks,
    temporaries,
    usage,
    user_decisions,
)
from mfmesos.core.actions import AcceptInverseOffer, Action, Over, Reconcile
from mfmesos.core.model import Resources
from mfmesos.core.needs import Needs
from mfmesos.core.policies import registry
from mfmesos.core.policy import Policy
from mfmesos.core.reasons import explain_exit
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared.messages import core as m

UNREACHABLE_EVERY_S = 60.0


QUIET = frozenset({events.ClaimSynced, events.OutputsPublished, events.TaskSubmitted})
"""Frequent events: what they change is matched at once, the rest with the next Tick."""


class Core:
    """Owns the state. Call `handle` from one thread only, with a clock that never goes back.

    `clusters` are the names of the clusters whose offers the run uses, the first one first; one needs no name.
    """

    def __init__(self, policy: Policy, needs: Needs, clusters: Sequence[str] = ("",)) -> None:
        self.state = State(policy, needs, registry.chosen(policy), clusters)
        self._handlers: dict[type, Callable[..., None]] = {
            events.Restored: lambda e: recovery.restore(self.state, e),
            events.SharedFolders: lambda e: self.state.shared.update(e.markers),
            events.HistoryLoaded: self._history_loaded,
            events.TaskSubmitted: lambda e: tasks.submit(self.state, e),
            events.TaskRemembered: lambda e: remaking.remember(self.state, e.submitted),
            events.TemporariesUnneeded: lambda e: remaking.unneeded(self.state, e.names),
            events.TemporaryReceived: lambda e: temporaries.received(self.state, e.digest),
            events.TaskRefused: lambda e: tasks.refuse(self.state, e),
            events.TaskWithdrawn: lambda e: tasks.withdraw(self.state, e.task_id, m.TASK_CANCELLED()),
            events.NoneFollowsSoon: self._none_follows_soon,
            events.TaskSteered: lambda e: user_decisions.steer(self.state, e),
            events.TaskRetried: lambda e: user_decisions.retry(self.state, e),
            events.NoMoreTasks: self._no_more,
            events.NothingNew: self._nothing_new,
            events.StopRequested: lambda e: self._stop(e.reason),
            events.Registered: self._registered,
            events.Disconnected: self._disconnected,
            events.FrameworkEnded: self._framework_ended,
            events.OffersReceived: self._offers,
            events.OfferRescinded: self._rescinded,
            events.InverseOfferReceived: self._inverse_offer,
            events.ClaimUpdated: lambda e: claims.updated(self.state, e),
            events.LaunchDropped: self._launch_dropped,
            events.ExecutorExited: self._executor_exited,
            events.AgentFailed: lambda e: None,  # updates of its claims follow
            events.AgentsListed: self._agents_listed,
            events.UseListed: self._use_listed,
            events.ClaimSynced: lambda e: claims.synced(self.state, e),
            events.OutputsPublished: lambda e: tasks.outputs_published(self.state, e.attempt_id),
            events.OutputsRefused: lambda e: tasks.outputs_refused(self.state, e),
            events.Tick: lambda e: None,
        }

    def handle(self, event: events.Event, now: float) -> list[Action]:
        """The actions after `event` at time `now` (monotonic seconds), in order."""
        return self.handle_all((event,), now)

    def handle_all(self, batch: tuple[events.Event, ...], now: float) -> list[Action]:
        """The same for several simultaneous events: matched once, so claims are sized for all of them."""
        state = self.state
        state.now = max(state.now, now)
        for event in batch:
            self._handlers[type(event)](event)
        if not state.over:
            claim_timers.look_at_silence(state, claim_timers.due(state))
            remaking.refresh(state)
            politeness.look(state)
            loud = {type(event) for event in batch} - QUIET
            matching.match(state, everything=state.unfinished or bool(loud - {events.Tick}), later=bool(loud))
            self._look_at_changed()
            self._give_up_if_hopeless()
            self._reconcile_sometimes()
            self._end_if_done()
        out, state.out = state.out, []
        return out

    def _look_at_changed(self) -> None:
        state = self.state
        changed = state.claims.take_changed()
        claim_timers.let_go(state, changed)
        for claim in changed:
            claims.answer(state, claim)
            claim_timers.arm(state, claim)
            filling.note_room(state, claim)

    def wakeup(self) -> float | None:
        """The latest time for the next call, besides the Tick of every second; may be in the past."""
        state = self.state
        if state.unfinished:
            return state.now
        soon = state.soon.first()
        times = [] if soon is None else [soon]
        if state.policy.arrival_rate is not None and state.queue:
            times.append(planning.next_arrival(state))
        if state.wanted_since is not None:
            times.append(state.wanted_since + state.policy.batch_delay_s)
            offering = (agent for cluster in state.live() for agent in cluster.offering.values())
            times += [a.unlisted_until for a in offering if a.unlisted_until is not None]
        return min((at for at in times if at > state.now), default=None)

    def close(self) -> None:
        """No call follows; for those that keep a log of them."""

    def seconds_left(self) -> float | None:
        """Estimated seconds until all known tasks have ended; None if unknown."""
        return outlook.seconds_left(self.state)

    def _history_loaded(self, event: events.HistoryLoaded) -> None:
        tasks.remember(self.state, event.attempts)
        demand.renew_all(self.state)

    # --- the workflow ---------------------------------------------------------------------------
    def _none_follows_soon(self, _: events.NoneFollowsSoon) -> None:
        self.state.wanted_since = self.state.now - 2 * self.state.policy.batch_delay_s  # not one: floats are rounded

    def _no_more(self, _: events.NoMoreTasks) -> None:
        self.state.complete = True

    def _nothing_new(self, event: events.NothingNew) -> None:
        state = self.state
        state.nothing_new = event.reason
        state.complete = state.complete or not event.follow
        for record in list(state.queue):
            tasks.end(state, record, TaskState.WITHDRAWN, event.reason)

    def _stop(self, reason: str) -> None:
        state = self.state
        if state.stopping:
            return
        state.stopping, state.complete = reason, True
        for record in list(state.tasks.values()):
            if record.state is not TaskState.PUBLISHING:
                tasks.end(state, record, TaskState.WITHDRAWN, reason)
        for claim in list(state.claims.values()):
            claims.release(state, claim)

    # --- Mesos ----------------------------------------------------------------------------------
    def _registered(self, event: events.Registered) -> None:
        state, cluster = self.state, self.state.clusters[event.cluster]
        cluster.void_all_offers(state.now)
        cluster.connected, cluster.filtered = True, False  # offers stay suppressed, as SUBSCRIBE said
        cluster.manners.offered_at = state.now
        own = state.claims.of_cluster(cluster.name)
        for claim in own:
            claim.touch()  # what was due and needs a connection
        if own:
            state.emit(Reconcile(tuple((c.id, c.agent_id.agent) for c in own), cluster.name))
        state.emit(Reconcile(cluster=cluster.name))  # other tasks of this framework belong to nobody, and are killed
        cluster.reconciled_at = state.now

    def _disconnected(self, event: events.Disconnected) -> None:
        state, cluster = self.state, self.state.clusters[event.cluster]
        cluster.void_all_offers(state.now)
        why = event.reason
        runs = bool(state.claims.of_cluster(cluster.name))
        text = m.MASTER_UNREACHABLE_RUNNING(why=why) if runs else m.MASTER_UNREACHABLE(why=why)
        # Every disconnection is reported; a master that stays away is reported once a minute.
        state.note("warning", cluster.named(text), every_s=0.0 if cluster.connected else UNREACHABLE_EVERY_S)
        cluster.connected = False

    def _framework_ended(self, event: events.FrameworkEnded) -> None:
        cluster_end.framework_ended(self.state, self.state.clusters[event.cluster], event.reason)

    def _offers(self, event: events.OffersReceived) -> None:
        state, cluster = self.state, self.state.clusters[event.cluster]
        politeness.offered(state, cluster)
        for offer in event.offers:
            agent = cluster.agent(offer.agent_id, offer.hostname)
            agent.offered_at = agent.offered_at if agent.offers else state.now
            agent.offers[offer.id] = offer
            cluster.offer_use.came(offer, state.now)
            if offer.resources.gpus and agent.id not in state.gpu_agents:
                demand.has_gpus(state, agent.id)
            elif not offer.resources.gpus:
                demand.room_elsewhere(state)
            state.by_id.update(name for name, _ in offer.items)
            if agent.attributes != offer.attributes:
                agent.attributes = offer.attributes
                usage.count_again(state)
                for claim in state.claims.of_agent(agent.id):
                    state.rank_again(claim)
            cluster.offering[offer.agent_id] = agent
            if not cluster.known.is_listed(offer.agent_id):
                held = [c.resources + Resources(memory_mb=state.policy.executor_memory_mb)
                        for c in state.claims.of_agent(agent.id)]
                if cluster.known.saw(offer.agent_id, agent.hostname, sum(held, agent.offered())):
                    demand.agents_changed(state)

    def _rescinded(self, event: events.OfferRescinded) -> None:
        cluster, now = self.state.clusters[event.cluster], self.state.now
        cluster.offer_use.gone((event.offer_id,), now)
        for agent in list(cluster.offering.values()):
            if agent.offers.pop(event.offer_id, None) is not None and not agent.offers:
                cluster.void_offers(agent, now)

    def _inverse_offer(self, event: events.InverseOfferReceived) -> None:
        """Drain: no new work on that agent; running attempts may finish, then the claim is released."""
        state = self.state
        state.emit(AcceptInverseOffer(event.inverse_offer_id, event.cluster))
        for claim in state.claims.of_cluster(event.cluster):
            if event.agent_id in (None, claim.agent_id.agent) and claim.state is ClaimState.OPEN:
                claim.move(ClaimState.DRAINING)

    def _launch_dropped(self, event: events.LaunchDropped) -> None:
        claim = self.state.claims.get(event.claim_id)
        if claim is not None:
            self.state.note_alike(
                "dropped", "warning", m.EXECUTOR_NOT_LAUNCHED(agent=claim.hostname, why=event.reason))
            claims.ended(self.state, claim, event.reason)

    def _executor_exited(self, event: events.ExecutorExited) -> None:
        """The claim's update follows; only this event carries the exit status of the claim's command."""
        claim = self.state.claims.get(event.claim_id)
        if claim is not None:
            claim.exit_reason = explain_exit(event.status)

    def _agents_listed(self, event: events.AgentsListed) -> None:
        cluster = self.state.clusters[event.cluster]
        if cluster.known.take(event.agents, self.state.now):
            demand.agents_changed(self.state)
        for agent_id in map(cluster.id_of, cluster.known.with_gpus if cluster.known.gpus else ()):
            if agent_id not in self.state.gpu_agents:
                demand.has_gpus(self.state, agent_id)
        if constraints.listed(self.state, cluster, event.agents):
            usage.count_again(self.state)
        if event.holders is not None:
            shortage.listed(self.state, cluster, event.holders)

    def _use_listed(self, event: events.UseListed) -> None:
        politeness.listed(self.state, self.state.clusters[event.cluster], event)

    # --- timers ---------------------------------------------------------------------------------
    def _reconcile_sometimes(self) -> None:
        state = self.state
        for cluster in state.clusters.values():
            if cluster.connected and state.now - cluster.reconciled_at >= state.policy.reconcile_s:
                cluster.reconciled_at = state.now
                state.emit(Reconcile(cluster=cluster.name))

    def _give_up_if_hopeless(self) -> None:
        for cluster in self.state.live():
            why = cluster_end.hopeless(self.state, cluster)
            if why and not self.state.failure:
                cluster_end.give_up(self.state, cluster, why)

    def _end_if_done(self) -> None:
        state = self.state
        if not state.complete or state.tasks or state.over:
            state.ending = False
            return
        for claim in state.claims.take_changed() if state.ending else list(state.claims.values()):
            claims.release(state, claim)
            claims.answer(state, claim)
            claim_timers.arm(state, claim)
        state.ending = True
        if not state.claims:
            state.over = True
            self._sum_up_offers()
            state.emit(Over(state.failure))

    def _sum_up_offers(self) -> None:
        for cluster in self.state.clusters.values():
            use = cluster.offer_use
            if use.count:
                self.state.note("info", cluster.named(m.OFFERS_USED(
                    count=use.count, used=use.used, mean=1000 * use.kept_s / use.count, most=1000 * use.longest_s,
                    idle=use.idle_core_s)))

