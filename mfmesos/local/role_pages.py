"""/roles and /metrics/snapshot of the master, in the formats of Mesos 1.11, as far as they show who uses what."""
from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from mfmesos.allocation.amounts import Json, total
from mfmesos.local.cluster_records import Framework
from mfmesos.local.master import Master
from mfmesos.local.task_status import TERMINAL

ACTIVE = ("task_staging", "task_starting", "task_running", "task_killing", "task_unknown", "task_unreachable")
SUMMED = ("cpus", "mem", "disk", "gpus")


def roles(master: Master) -> Json:
    """The roles with frameworks, and what their frameworks hold."""
    found: dict[str, list[Framework]] = {}
    for framework in master.frameworks.values():
        found.setdefault(framework.role, []).append(framework)
    return {"roles": [_role(name, found[name], master) for name in sorted(found)]}


def _role(name: str, frameworks: list[Framework], master: Master) -> Json:
    ids = {f.id for f in frameworks}
    used = total(f.used() for f in frameworks)
    offered = total(o.amounts for o in master.offers.values() if o.framework_id in ids)
    return {"name": name, "weight": 1.0, "resources": (used + offered).view(), "allocated": used.view(),
            "offered": offered.view(), "reserved": {}, "frameworks": sorted(ids)}


def metrics(master: Master) -> Json:
    """Gauges and counters."""
    everything = total(a.agent.total for a in master.agents.values() if a.active)
    used = total(f.used() for f in master.frameworks.values())
    found = {
        "master/elected": 1.0, "master/slaves_active": float(len(master.agents)),
        "master/frameworks_active": float(sum(f.active for f in master.frameworks.values())),
        **{f"master/{name}_total": everything.get(name) for name in SUMMED},
        **{f"master/{name}_used": used.get(name) for name in SUMMED}}
    for framework in master.frameworks.values():
        found.update(_framework(framework))
    return found


def _framework(one: Framework) -> dict[str, float]:
    prefix = f"master/frameworks/{quote(str(one.info.get('name', '')), safe='')}/{one.id}/"
    states = Counter(task.state.lower() for task in one.tasks.values() if task.state not in TERMINAL)
    found = {
        "subscribed": one.active, f"roles/{quote(one.role, safe='*')}/suppressed": one.suppressed,
        "offers/sent": one.offers_sent, "offers/accepted": one.offers_accepted, "offers/declined": one.offers_declined,
        **{f"tasks/active/{state}": states[state] for state in ACTIVE}}
    return {prefix + name: float(value) for name, value in found.items()}
