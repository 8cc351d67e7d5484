"""Which framework is offered which agent: dominant resource fairness as Mesos's hierarchical allocator has it.

First among roles, then among the frameworks of the role; whole agents, in random order. Pure: time and randomness are
passed in. tests/contract holds the embedded cluster, and so this, against a real Mesos.
"""
from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from mfmesos.allocation.amounts import Amounts, total

INTERVAL_S = 1.0
"""--allocation_interval: resources that come free are offered again after at most this long."""
REFUSE_S = 5.0
"""How long a declined offer is refused if the framework says nothing else."""
MIN_CPUS, MIN_MEM = 0.01, 32.0
"""Smaller amounts are not offered: --min_allocatable_resources=cpus:0.01|mem:32."""


@dataclass
class Filter:
    """Resources of an agent that a framework refuses until then."""

    refused: Amounts
    until: float


@dataclass
class Filters:
    """What one framework refuses, by agent."""

    by_agent: dict[str, list[Filter]] = field(default_factory=dict)

    def add(self, agent_id: str, refused: Amounts, seconds: float, now: float, interval_s: float = INTERVAL_S) -> None:
        """Refuse as much or less of the agent for `seconds`, at least until the next allocation."""
        if seconds > 0 and refused:
            until = now + max(seconds, interval_s)
            self.by_agent.setdefault(agent_id, []).append(Filter(refused, until))

    def admit(self, agent_id: str, free: Amounts, now: float) -> bool:
        """Whether none of them refuses an offer of `free`."""
        filters = self.by_agent.get(agent_id)
        if not filters:
            return True
        filters[:] = [f for f in filters if f.until > now]
        return not any(f.refused.contains(free) for f in filters)

    def clear(self) -> None:
        self.by_agent.clear()


class Room(Protocol):
    """An agent: `free` is neither used nor offered."""

    @property
    def id(self) -> str: ...
    @property
    def active(self) -> bool: ...
    @property
    def total(self) -> Amounts: ...
    @property
    def free(self) -> Amounts: ...


class Claimant(Protocol):
    """A framework. An inactive or suppressed one gets no offers; what it has still counts for its role."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def active(self) -> bool: ...
    @property
    def suppressed(self) -> bool: ...
    @property
    def filters(self) -> Filters: ...

    def used(self) -> Amounts:
        """By its tasks and executors."""


ARoom = TypeVar("ARoom", bound=Room)
AClaimant = TypeVar("AClaimant", bound=Claimant)


def dominant_share(used: Amounts, everything: Amounts) -> float:
    """The largest fraction of any resource of the cluster that `used` holds."""
    return max((used.milli.get(k, 0) / v for k, v in everything.milli.items() if v), default=0.0)


class Allocator:
    """Remembers how often roles and frameworks were chosen: among equal shares the one that was chosen less often comes
    first, then the one whose name does.
    """

    def __init__(self, rng: random.Random) -> None:
        self.weights: dict[str, float] = {}
        """By role, if not 1: a role of weight 2 is due twice the share."""
        self._rng = rng
        self._chosen: Counter[str] = Counter()
        self._chosen_role: Counter[str] = Counter()

    def allocate(
            self, agents: Iterable[ARoom], frameworks: Iterable[AClaimant], offered: Mapping[str, Amounts],
            now: float) -> list[tuple[AClaimant, ARoom, Amounts]]:
        """New offers: all that each agent has free goes to the framework with the smallest share that does not refuse
        it. `offered` holds the outstanding offers of each framework (by id), which count as used.
        """
        known, every = list(agents), list(frameworks)
        if not any(f.active and not f.suppressed for f in every):
            return []
        round_ = _Round(self, every, offered, total(a.total for a in known))
        self._rng.shuffle(known)
        made = []
        for agent in known:
            if not agent.active:
                continue
            free = agent.free
            if free.get("cpus") < MIN_CPUS and free.get("mem") < MIN_MEM:
                continue
            taker = round_.taker(agent.id, free, now)
            if taker is not None:
                made.append((taker, agent, free))
        return made

    def rank(self, share: float, framework: Claimant) -> tuple[float, int, str]:
        """Of a framework in its role; the smallest is next."""
        return share, self._chosen[framework.id], framework.id

    def role_rank(self, share: float, role: str) -> tuple[float, int, str]:
        return share / self.weights.get(role, 1.0), self._chosen_role[role], role

    def chose(self, framework: Claimant) -> None:
        self._chosen[framework.id] += 1
        self._chosen_role[framework.role] += 1


class _Round(Generic[AClaimant]):
    """One allocation: who has what so far."""

    def __init__(
            self, allocator: Allocator, frameworks: list[AClaimant], offered: Mapping[str, Amounts],
            everything: Amounts) -> None:
        self._allocator, self._everything = allocator, everything
        self._used = {f.id: f.used() + offered.get(f.id, Amounts()) for f in frameworks}
        self._takers: defaultdict[str, list[AClaimant]] = defaultdict(list)
        self._of_role: dict[str, Amounts] = {}
        for framework in frameworks:
            role = framework.role
            self._of_role[role] = self._of_role.get(role, Amounts()) + self._used[framework.id]
            if framework.active and not framework.suppressed:
                self._takers[role].append(framework)

    def taker(self, agent_id: str, free: Amounts, now: float) -> AClaimant | None:
        """Who is offered that; it counts as used from now on."""
        ranked, everything = self._allocator, self._everything
        for role in sorted(self._takers, key=lambda r: ranked.role_rank(
                dominant_share(self._of_role[r], everything), r)):
            for framework in sorted(self._takers[role], key=lambda f: ranked.rank(
                    dominant_share(self._used[f.id], everything), f)):
                if framework.filters.admit(agent_id, free, now):
                    self._used[framework.id] = self._used[framework.id] + free
                    self._of_role[role] = self._of_role[role] + free
                    ranked.chose(framework)
                    return framework
        return None
