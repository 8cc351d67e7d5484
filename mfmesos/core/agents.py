"""The agents as a whole: what each could offer to tasks, and what is reserved for other roles.

The master's list is the best source. An agent that is not in the list is known by the most that was offered of it and
held by claims at one time.
"""
from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mfmesos.core.model import Agent, Resources
from mfmesos.core.sizing import NO_BOUND, Bound
from mfmesos.shared.messages import core as m

UNITS = {"cores": "cores", "memory_mb": "MB memory", "disk_mb": "MB disk", "gpus": "GPUs"}


@dataclass
class _Known:
    agent: Agent
    active_at: float
    """Time of the master's last list with this agent active."""


@dataclass
class KnownAgents:
    """`executor_mb` is the memory of each claim's executor. An agent that is away (restarting, unreachable, inactive)
    is remembered for `away_s`. Without `gpus` the run is offered no GPUs.
    """

    executor_mb: float
    away_s: float
    gpus: bool = True
    most_of_one: Bound = NO_BOUND
    """No claim may have more, whatever the agent has."""
    latest: tuple[Agent, ...] | None = None
    """The newest list; None: not known yet."""
    listed_at: float = -1e9
    with_gpus: frozenset[str] = frozenset()
    """Agents that have GPUs, whether or not the run is offered any."""
    _known: dict[str, _Known] = field(default_factory=dict)
    _seen: dict[str, Agent] = field(default_factory=dict)
    """Agents in no list, with the most that was seen of them."""
    _wholes: dict[str, Resources] = field(default_factory=dict)
    """Cached results of `whole`."""
    _here: list[Resources] | None = None
    """Cached result of `here`."""
    _least_cores: float | None = None
    """Of any of them."""

    def take(self, agents: Sequence[Agent], now: float) -> bool:
        """The master's list has arrived; returns whether what is known of the agents has changed."""
        totals = self._totals()
        self.with_gpus = frozenset(a.id for a in agents if a.resources.gpus)
        if not self.gpus:
            agents = [replace(a, resources=a.resources._replace(gpus=0.0)) for a in agents]
        self.latest, self.listed_at = tuple(agents), now
        named = {a.id for a in agents}
        for old in self._known.values():
            if old.agent.id not in named:
                old.agent = replace(old.agent, active=False)
        for seen in self._seen.values():
            if seen.id not in named:
                self._known.setdefault(seen.id, _Known(replace(seen, active=False), now))
        self._seen.clear()
        for agent in agents:
            before = self._known.get(agent.id)
            active_at = now if agent.active or before is None else before.active_at
            if before is not None and agent.resources == Resources():
                agent = replace(agent, resources=before.agent.resources, reserved=before.agent.reserved)
            self._known[agent.id] = _Known(agent, active_at)
        self._known = {i: k for i, k in self._known.items() if i in named or now - k.active_at <= self.away_s}
        self._wholes.clear()
        self._here = None
        return self._totals() != totals

    def _totals(self) -> dict[str, tuple[Resources, bool]]:
        return {**{i: (a.resources, a.active) for i, a in self._seen.items()},
                **{i: (k.agent.resources, k.agent.active) for i, k in self._known.items()}}

    def is_listed(self, agent_id: str) -> bool:
        return agent_id in self._known

    def saw(self, agent_id: str, hostname: str, total: Resources) -> bool:
        """An unlisted agent has at least that much: offered, or held by own claims. Returns whether that is news."""
        known = self._seen.get(agent_id)
        seen = known.resources if known is not None else Resources()
        if total.fits_in(seen):
            return False
        self._seen[agent_id] = Agent(agent_id, hostname, seen.at_least(total))
        self._wholes.pop(agent_id, None)
        self._here = None
        return True

    def whole(self, agent_id: str) -> Resources | None:
        """What the empty agent could offer to the tasks of one claim; None: unknown."""
        found = self._wholes.get(agent_id)
        if found is None:
            known = self._known.get(agent_id)
            agent = known.agent if known is not None else self._seen.get(agent_id)
            if agent is None:
                return None
            found = self._wholes[agent_id] = self._for_tasks(agent.resources)
        return found

    def here(self) -> list[Resources]:
        """What each present agent could offer to tasks of one claim when empty."""
        if self._here is None:
            agents = [a for a in self.latest if a.active] if self.latest is not None else self._seen.values()
            self._least_cores = None
            self._here = [self._for_tasks(agent.resources) for agent in agents]
        return self._here

    def all_have(self, cores: float) -> bool:
        """Whether every present agent has that many cores, and any is known."""
        here = self.here()
        if self._least_cores is None:
            self._least_cores = min((r.cores for r in here), default=0.0)
        return self._least_cores >= cores

    def away(self) -> list[tuple[str, Resources]]:
        """The same for agents that are away, with their host names."""
        return [(k.agent.hostname or k.agent.id, self._for_tasks(k.agent.resources))
                for k in self._known.values()
                if not k.agent.active and self.listed_at - k.active_at <= self.away_s]

    def most(self) -> Resources | None:
        """The maximum of each resource on any agent, including agents that are away; None: no agent is known."""
        return most_of((*self.here(), *(r for _, r in self.away())))

    def ever_listed(self) -> Iterable[Agent]:
        """The agents of the master's lists that are there, or away."""
        return (known.agent for known in self._known.values())

    def _for_tasks(self, total: Resources) -> Resources:
        return (total - Resources(memory_mb=self.executor_mb)).at_least_zero().bounded(*self.most_of_one)


def most_of(amounts: Iterable[Resources]) -> Resources | None:
    """The maximum of each resource alone; None if there is none."""
    return functools.reduce(lambda one, other: other if one is None else one.at_least(other), amounts, None)


def reserved_of(clusters: Sequence[KnownAgents], fields: Iterable[str]) -> str:
    """For each resource in `fields`: what other roles have reserved on the agent that would otherwise have most of
    it: "; 2,900 of the 3,000 MB memory of agent a1 are reserved for role other", or empty.
    """
    return "".join(_reserved_of(clusters, name) for name in fields)


def _reserved_of(clusters: Sequence[KnownAgents], name: str) -> str:
    best, whole = None, 0.0
    for agent in (agent for known in clusters for agent in known.ever_listed()):
        total = agent.resources.of(name) + sum(r.of(name) for _, r in agent.reserved)
        if total > whole:
            best, whole = agent, total
    kept = [(role, r.of(name)) for role, r in best.reserved if r.of(name) > 0] if best else []
    if best is None or not kept:
        return ""
    roles = ", ".join(role for role, _ in kept)
    amount, host = sum(much for _, much in kept), best.hostname or best.id
    if len(kept) > 1:
        return m.RESERVED_FOR_ROLES(kept=amount, whole=whole, unit=UNITS.get(name, name), agent=host, roles=roles)
    return m.RESERVED(kept=amount, whole=whole, unit=UNITS.get(name, name), agent=host, role=roles)
