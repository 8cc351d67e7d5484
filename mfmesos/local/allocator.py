"""Decides which framework gets which offer: dominant resource fairness between frameworks (by role), whole agents."""
from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping

from mfmesos.local.amounts import Amounts, total
from mfmesos.local.cluster_records import AgentRecord, Framework

MIN_CPUS, MIN_MEM = 0.01, 32.0
"""Smaller amounts are not offered: --min_allocatable_resources=cpus:0.01|mem:32."""


def dominant_share(used: Amounts, everything: Amounts) -> float:
    """The largest fraction of any resource of the cluster that `used` holds."""
    return max((used.milli.get(k, 0) / v for k, v in everything.milli.items() if v), default=0.0)


def allocate(
        agents: Iterable[AgentRecord], frameworks: Iterable[Framework], offered: Mapping[str, Amounts],
        now: float, rng: random.Random) -> list[tuple[Framework, AgentRecord, Amounts]]:
    """New offers: the free resources of each agent go to the framework with the smallest share that does not refuse
    them.

    The order of agents is random, as in Mesos, so that no agent is always offered last. `offered` holds the outstanding
    offers of each framework (by id), which count as used.
    """
    usable = [a for a in agents if a.active]
    rng.shuffle(usable)
    everything = total(a.agent.total for a in usable)
    takers = [f for f in frameworks if f.active and not f.suppressed]
    if not takers:
        return []
    used = {f.id: f.used() + offered.get(f.id, Amounts()) for f in takers}
    roles: defaultdict[str, list[Framework]] = defaultdict(list)
    for framework in takers:
        roles[framework.role].append(framework)
    made = []
    for record in usable:
        free = record.free
        if free.get("cpus") < MIN_CPUS and free.get("mem") < MIN_MEM:
            continue
        taker = _choose(roles, used, everything, record.id, free, now)
        if taker is not None:
            used[taker.id] = used[taker.id] + free
            made.append((taker, record, free))
    return made


def _choose(
        roles: Mapping[str, list[Framework]], used: Mapping[str, Amounts], everything: Amounts, agent_id: str,
        free: Amounts, now: float) -> Framework | None:
    def role_share(role: str) -> float:
        return dominant_share(total(used[f.id] for f in roles[role]), everything)

    for role in sorted(roles, key=lambda r: (role_share(r), r)):
        for framework in sorted(roles[role], key=lambda f: (dominant_share(used[f.id], everything), f.id)):
            if framework.wants(agent_id, free, now):
                return framework
    return None
