"""Who uses the cluster, and who may wait: what both masters' pages show of it, read by our own link."""
from __future__ import annotations

import pytest
from rawclient import Framework, task
from support import wait_until
from test_contract_link import Linked

from mfmesos.core import events


@pytest.fixture
def linked(cluster):
    wait_until(lambda: not any(r["frameworks"] for r in cluster.get("/roles")["roles"]), what="frameworks to be gone")
    found = Linked(cluster.master)
    found.wait(events.Registered)
    offers = found.wait(events.OffersReceived).offers
    found.link.suppress()
    found.link.decline([o.id for o in offers], 1000)
    yield found
    found.link.stop(teardown=True, timeout_s=5)


def use(linked):
    """The master's answer now."""
    linked.link.list_use()
    return linked.wait(events.UseListed, timeout=60)


def test_alone(linked):
    """Without another framework only the roles are read, and no rival is found."""
    found = use(linked)
    assert found.rivals == ()
    assert [(r.name, r.weight, r.own) for r in found.roles] == [("*", 1.0, True)]


def test_a_rival_that_asks_and_one_that_suppresses(linked, cluster):
    """A framework asks until it suppresses; what it declined is counted. Another role is shown apart."""
    with Framework(cluster.master, name="some thing/else", role="science") as rival:
        rival.decline(rival.offer(cpus=1), 1000)
        wait_until(lambda: [(r.id, r.role, r.asks, r.busy, r.declined > 0) for r in use(linked).rivals]
                   == [(rival.id, "science", True, False, True)], what="a rival that asks")
        assert [(r.name, r.own) for r in use(linked).roles if r.own or r.name == "science"] == [
            ("*", True), ("science", False)]
        rival.call("SUPPRESS")
        wait_until(lambda: [r.asks for r in use(linked).rivals] == [False], what="a rival that does not ask")
        assert use(linked).total.cores == 4.0 * len(cluster.agent_ids())
    wait_until(lambda: use(linked).rivals == (), what="no rival")


def test_a_busy_rival(linked, cluster):
    """A framework with a task is busy, has accepted an offer, and its role holds what the task has."""
    with Framework(cluster.master) as rival:
        offer = rival.offer(cpus=2)
        made = task(offer, "run", cpus=2)
        rival.launch([offer], [made])
        rival.state(made, "TASK_RUNNING")
        rival.call("SUPPRESS")
        wait_until(lambda: [(r.busy, r.accepted) for r in use(linked).rivals] == [(True, 1)], what="a busy rival")
        (role,) = use(linked).roles
        assert role.held.cores >= 2
