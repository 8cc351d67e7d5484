"""A Mesos master in virtual time: agents, offers, and the allocator that the embedded cluster has."""
from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mfmesos.allocation.allocator import INTERVAL_S, Allocator, Filters
from mfmesos.allocation.amounts import Amounts, total
from mfmesos.core.events import UseListed
from mfmesos.core.model import Agent, Holder, Resources, Rival, RoleUse
from mfmesos.simulate.cluster_model import Cluster
from mfmesos.simulate.virtual_time import VirtualTime


def amounts_of(resources: Resources) -> Amounts:
    milli = {"cpus": resources.cores, "mem": resources.memory_mb, "disk": resources.disk_mb, "gpus": resources.gpus,
             **dict(resources.others)}
    return Amounts({name: round(value * 1000) for name, value in milli.items() if round(value * 1000)})


def resources_of(amounts: Amounts) -> Resources:
    milli = amounts.milli
    others = tuple(sorted((n, v / 1000) for n, v in milli.items() if n not in ("cpus", "mem", "disk", "gpus")))
    return Resources(milli.get("cpus", 0) / 1000, milli.get("mem", 0) / 1000, milli.get("disk", 0) / 1000,
                     milli.get("gpus", 0) / 1000, others)


@dataclass
class SimAgent:
    id: str
    total: Amounts
    free: Amounts
    active: bool = True


@dataclass
class SimOffer:
    id: str
    framework: Subscriber
    agent: SimAgent
    amounts: Amounts


class Scheduler(Protocol):
    """The scheduler of a framework, as the master knows it."""

    def offered(self, offers: Sequence[SimOffer]) -> None: ...
    def rescinded(self, offer: SimOffer) -> None: ...
    def agent_lost(self, agent: SimAgent) -> None:
        """All that ran there has ended; the master has not noticed yet."""
    def agent_back(self, agent: SimAgent) -> None: ...


@dataclass
class Subscriber:
    """A framework as the allocator sees it."""

    id: str
    role: str
    scheduler: Scheduler
    own: bool = False
    """Whether it is a run of ours, which others know to suppress offers that it does not need."""
    active: bool = True
    suppressed: bool = False
    filters: Filters = field(default_factory=Filters)
    holds: Amounts = field(default_factory=Amounts)
    offered: Amounts = field(default_factory=Amounts)
    accepted: int = 0
    """Tasks that it has launched."""
    declined: int = 0
    """Offers."""

    def used(self) -> Amounts:
        return self.holds


class SimMaster:
    """Frameworks call it, and it calls them back in later events."""

    def __init__(self, cluster: Cluster, time: VirtualTime, rng: random.Random, name: str = "") -> None:
        """`name`: of the cluster, for runs that use several."""
        self.name = name
        self.time, self._rng, self._losses = time, rng, cluster.losses
        self.allocator = Allocator(rng)
        self.allocator.weights.update(cluster.weights)
        sizes = [amounts_of(group.resources) for group in cluster.agents for _ in range(group.count)]
        self.agents = {f"S{n}": SimAgent(f"S{n}", size, size) for n, size in enumerate(sizes)}
        self.everything = total(sizes)
        self.frameworks: list[Subscriber] = []
        self.offers: dict[str, SimOffer] = {}
        self.losses = 0
        self._number = 0
        self._soon = False
        time.every(INTERVAL_S, self._allocate)
        if self._losses.every_s > 0:
            self._lose_later()

    # --- frameworks ------------------------------------------------------------------------------
    def subscribe(self, name: str, role: str, scheduler: Scheduler, own: bool = False) -> Subscriber:
        made = Subscriber(name, role, scheduler, own)
        self.frameworks.append(made)
        self._allocate_soon()
        return made

    def leave(self, framework: Subscriber) -> None:
        """It has ended: nothing of it is left."""
        for offer in [o for o in self.offers.values() if o.framework is framework]:
            self.take_back(offer)
        self.frameworks.remove(framework)

    def weight(self, role: str) -> float:
        return self.allocator.weights.get(role, 1.0)

    def suppress(self, framework: Subscriber) -> None:
        framework.suppressed = True

    def revive(self, framework: Subscriber) -> None:
        framework.suppressed = False
        framework.filters.clear()
        self._allocate_soon()

    def take_back(self, offer: SimOffer) -> bool:
        """The offer is answered or void; False if it was already."""
        if self.offers.pop(offer.id, None) is None:
            return False
        offer.framework.offered = offer.framework.offered - offer.amounts
        offer.agent.free = offer.agent.free + offer.amounts
        return True

    def decline(self, offer: SimOffer, refuse_s: float) -> None:
        if self.take_back(offer):
            offer.framework.declined += 1
            offer.framework.filters.add(offer.agent.id, offer.amounts, refuse_s, self.time.now)

    def hold(self, framework: Subscriber, agent: SimAgent, amounts: Amounts) -> None:
        """A task starts, on offers that were taken back just now."""
        framework.accepted += 1
        framework.holds = framework.holds + amounts
        agent.free = agent.free - amounts

    def let_go(self, framework: Subscriber, agent: SimAgent, amounts: Amounts) -> None:
        """A task has ended; the next allocation offers its resources."""
        framework.holds = framework.holds - amounts
        agent.free = agent.free + amounts

    def listed(self) -> tuple[Agent, ...]:
        return tuple(Agent(a.id, a.id, resources_of(a.total), a.active, resources_of(a.total - a.free))
                     for a in self.agents.values())

    def holders(self, own: Subscriber) -> tuple[Holder, ...]:
        return tuple(Holder(f.id, f.id, resources_of(f.holds + f.offered), f.active, f is own)
                     for f in self.frameworks)

    def use(self, own: Subscriber) -> UseListed:
        """Who uses the cluster, for one of the frameworks."""
        held: dict[str, Amounts] = {}
        for f in self.frameworks:
            held[f.role] = held.get(f.role, Amounts()) + f.holds + f.offered
        roles = tuple(RoleUse(role, self.weight(role), resources_of(amounts), role == own.role)
                      for role, amounts in held.items())
        rivals = tuple(Rival(f.id, f.role, f.active and not f.suppressed, bool(f.holds), f.accepted, f.declined,
                             f.own)
                       for f in self.frameworks if f is not own)
        return UseListed(resources_of(self.everything) if rivals else Resources(), roles, rivals, self.name)

    # --- offers ----------------------------------------------------------------------------------
    def _allocate_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self.time.after(0.0, self._allocate)

    def _allocate(self) -> None:
        self._soon = False
        made = self.allocator.allocate(
            self.agents.values(), self.frameworks, {f.id: f.offered for f in self.frameworks}, self.time.now)
        found: dict[str, list[SimOffer]] = {}
        for framework, agent, amounts in made:
            self._number += 1
            offer = SimOffer(f"O{self._number}", framework, agent, amounts)
            self.offers[offer.id] = offer
            framework.offered = framework.offered + amounts
            agent.free = agent.free - amounts
            found.setdefault(framework.id, []).append(offer)
        for offers in found.values():
            offers[0].framework.scheduler.offered(offers)

    # --- losses ----------------------------------------------------------------------------------
    def _lose_later(self) -> None:
        self.time.after(self._rng.expovariate(1.0 / self._losses.every_s), self._lose)

    def _lose(self) -> None:
        self._lose_later()
        there = [a for a in self.agents.values() if a.active]
        if not there:
            return
        agent = self._rng.choice(there)
        agent.active = False
        self.losses += 1
        for offer in [o for o in self.offers.values() if o.agent is agent]:
            self.take_back(offer)
            offer.framework.scheduler.rescinded(offer)
        for framework in list(self.frameworks):
            framework.scheduler.agent_lost(agent)
        self.time.after(self._losses.away_s, lambda: self._back(agent))

    def _back(self, agent: SimAgent) -> None:
        agent.active = True
        for framework in list(self.frameworks):
            framework.scheduler.agent_back(agent)
        self._allocate_soon()
