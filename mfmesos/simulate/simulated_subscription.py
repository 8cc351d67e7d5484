"""A run of ours as one master knows it: a subscriber there, with the executors on that cluster's agents."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Protocol

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Offer, Resources
from mfmesos.shared.slices import of_slice
from mfmesos.simulate.cluster_model import Cluster
from mfmesos.simulate.simulated_executor import SimExecutor
from mfmesos.simulate.simulated_master import SimAgent, SimMaster, SimOffer, Subscriber, amounts_of, resources_of
from mfmesos.simulate.virtual_time import VirtualTime


class Owner(Protocol):
    """The framework that receives the events."""

    name: str
    role: str

    def post(self, event: ev.Event) -> None: ...


class SimSubscription:
    def __init__(self, cluster: Cluster, master: SimMaster, time: VirtualTime, run: Owner) -> None:
        self.name, self.costs, self.master = master.name, cluster.costs, master
        self.executors: dict[str, SimExecutor] = {}
        """By claim."""
        self._losses, self._time, self._run = cluster.losses, time, run
        self.framework: Subscriber
        """From `subscribe` on."""
        self._subscribed = False
        self._lost: dict[str, SimAgent] = {}
        """Claims whose agents are gone."""

    def subscribe(self) -> None:
        self.framework, self._subscribed = self.master.subscribe(self._run.name, self._run.role, self, own=True), True
        self._run.post(ev.Registered(self._run.name, "simulated", cluster=self.name))

    def holds(self) -> Resources:
        """Of the cluster: claims and their executors; nothing before the run starts."""
        return resources_of(self.framework.holds) if self._subscribed else Resources()

    def leave(self) -> None:
        self.master.leave(self.framework)

    # --- what the core asks for ------------------------------------------------------------------
    def decline(self, action: act.DeclineOffers) -> None:
        for offer_id in action.offer_ids:
            if offer_id in self.master.offers:
                self.master.decline(self.master.offers[offer_id], action.refuse_s)

    def list_agents(self, action: act.ListAgents) -> None:
        holders = self.master.holders(self.framework) if action.holders else None
        self._run.post(ev.AgentsListed(self.master.listed(), holders, self.name))

    def list_use(self, _: act.ListUse) -> None:
        self._run.post(self.master.use(self.framework))

    def kill(self, action: act.KillClaim) -> None:
        claim_id, number = of_slice(action.claim_id) or ("", 0)
        if claim_id in self.executors:
            self.executors[claim_id].slice_killed(number)
            return
        executor = self.executors.get(action.claim_id)
        if executor is not None:
            self._time.after(self.costs.end_s, lambda: executor.end("TASK_KILLED"))

    def suppress(self, _: act.Suppress) -> None:
        self.master.suppress(self.framework)

    def revive(self, _: act.Revive) -> None:
        self.master.revive(self.framework)

    def launch(self, action: act.OpenClaim, start: Callable[[SimAgent], SimExecutor]) -> bool:
        """Returns whether its offers were still there."""
        offers = [self.master.offers.get(offer.id) for offer in action.offers]
        if None in offers:
            self._run.post(ev.LaunchDropped(action.claim_id, "an offer was rescinded"))
            return False
        for offer in offers:
            assert offer is not None
            self.master.take_back(offer)
            agent = offer.agent
        whole = action.resources + Resources(memory_mb=action.executor_memory_mb)
        self.master.hold(self.framework, agent, amounts_of(whole))
        self.executors[action.claim_id] = start(agent)
        return True

    def reconcile(self, action: act.Reconcile) -> None:
        for claim_id in [claim_id for claim_id, _ in action.claims] or list(self.executors):
            executor = self.executors.get(claim_id)
            if executor is not None:
                if executor.synced:
                    self._report(claim_id, "TASK_RUNNING")
            elif action.claims:
                gone = self._lost.get(claim_id)
                self._report(claim_id, "TASK_UNREACHABLE" if gone is not None and not gone.active else "TASK_GONE")

    def _report(self, claim_id: str, state: str) -> None:
        self._run.post(ev.ClaimUpdated(claim_id, state, "REASON_RECONCILIATION", cluster=self.name))

    # --- what executors do -----------------------------------------------------------------------
    def ended(self, executor: SimExecutor) -> None:
        del self.executors[executor.claim.claim_id]
        left = sum(executor.slices.values(), executor.own)
        self.let_go(executor, left + Resources(memory_mb=executor.claim.executor_memory_mb))

    def let_go(self, executor: SimExecutor, part: Resources) -> None:
        """Of its claim: free for others."""
        self.master.let_go(self.framework, executor.agent, amounts_of(part))

    # --- the master's side -----------------------------------------------------------------------
    def offered(self, offers: Sequence[SimOffer]) -> None:
        self._run.post(ev.OffersReceived(tuple(
            Offer(o.id, o.agent.id, o.agent.id, resources_of(o.amounts)) for o in offers), self.name))

    def rescinded(self, offer: SimOffer) -> None:
        self._run.post(ev.OfferRescinded(offer.id, self.name))

    def agent_lost(self, agent: SimAgent) -> None:
        for claim_id, executor in [(i, e) for i, e in self.executors.items() if e.agent is agent]:
            self._lost[claim_id] = agent
            executor.die()
            unreachable = ev.ClaimUpdated(
                claim_id, "TASK_UNREACHABLE", "REASON_SLAVE_REMOVED", agent_id=agent.id, cluster=self.name)
            self._time.after(
                self._losses.noticed_s, lambda e=unreachable: self._run.post(e))  # type: ignore[misc]

    def agent_back(self, agent: SimAgent) -> None:
        for claim_id in [i for i, where in self._lost.items() if where is agent]:
            del self._lost[claim_id]
            self._run.post(ev.ClaimUpdated(
                claim_id, "TASK_GONE", "REASON_SLAVE_REREGISTERED", agent_id=agent.id, cluster=self.name))
