"""What /roles and /metrics/snapshot of a real master mean."""
from __future__ import annotations

from mfmesos.core.model import Resources, Rival, RoleUse
from mfmesos.mesos import use_pages

ROLES = {"roles": [
    {"name": "*", "weight": 1.0, "resources": {"cpus": 8.0, "disk": 2088.0, "mem": 1216.0}, "frameworks": ["f-1"]},
    {"name": "science", "weight": 2.5, "resources": {}, "frameworks": ["f-2"]}, {"name": "idle", "weight": 3.0}]}
OF = "master/frameworks/marathon%20%2F%20x/f-2/"
METRICS = {
    "master/cpus_total": 8.0, "master/mem_total": 8192.0, "master/disk_total": 40000.0, "master/cpus_used": 8.0,
    "master/frameworks_active": 2.0,
    "master/frameworks/mfmesos%20b/f-1/subscribed": 1.0, "master/frameworks/mfmesos%20b/f-1/roles/*/suppressed": 0.0,
    OF + "subscribed": 1.0, OF + "offers/accepted": 3.0, OF + "offers/declined": 20.0, OF + "calls": 99.0,
    OF + "roles/science/suppressed": 0.0, OF + "roles/a%2Fb/suppressed": 1.0, OF + "tasks/active/task_running": 2.0,
    "master/frameworks/gone/f-3/subscribed": 0.0, "master/frameworks/gone/f-3/roles/*/suppressed": 0.0}


def test_roles():
    """Each role with its weight and what it holds; the run's own is marked; who is a member of any."""
    roles = use_pages.roles(ROLES, "*")
    assert roles.use == (RoleUse("*", 1.0, Resources(8, 1216, 2088), True), RoleUse("science", 2.5, Resources()),
                         RoleUse("idle", 3.0, Resources()))
    assert roles.others("f-1")
    assert not use_pages.roles({"roles": ROLES["roles"][:1]}, "*").others("f-1")


def test_rivals():
    """Other connected frameworks, once for each of their roles; names are decoded."""
    assert use_pages.total(METRICS) == Resources(8, 8192, 40000)
    assert use_pages.rivals(METRICS, "f-1") == (
        Rival("f-2", "science", True, True, 3, 20), Rival("f-2", "a/b", False, True, 3, 20))


def test_no_metrics_of_frameworks():
    """A master that is told not to publish them does not show who waits."""
    assert use_pages.rivals({"master/cpus_total": 8.0}, "f-1") is None
