"""Resources beside cpus, mem, disk and gpus: both clusters offer, list and count them by name, and so does our link."""
from __future__ import annotations

import getpass
import queue
import sys
import time
from collections.abc import Iterator

import pytest
from clusters import Cluster
from rawclient import EXECUTOR, Framework, resources
from support import wait_until

from mfmesos.core import events
from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Resources
from mfmesos.mesos.master_link import FrameworkSettings, MesosLink
from mfmesos.shared.resources import named

RESOURCES = "cpus:2;mem:4096;disk:20000;licences:3;ports:[31000-31009]"
AGENT = Resources(2, 4096, 20000, 0, named({"licences": 3, "ports": 10}))


class Linked:
    def __init__(self, master: str) -> None:
        self.events: queue.Queue[events.Event] = queue.Queue()
        self.link = MesosLink(master, FrameworkSettings("others", getpass.getuser(), "localhost"), self.events.put)
        self.link.start()

    def wait(self, kind, match=lambda e: True, timeout=20.0):
        deadline = time.monotonic() + timeout
        while True:
            event = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            if isinstance(event, kind) and match(event):
                return event


@pytest.fixture
def cluster(make_cluster) -> Cluster:
    return make_cluster(agents=1, resources=RESOURCES)


@pytest.fixture
def linked(cluster) -> Iterator[Linked]:
    found = Linked(cluster.master)
    yield found
    found.link.stop(teardown=True, timeout_s=5)
    wait_until(lambda: not cluster.processes(), 10, "the end of what ran")


def test_they_are_offered_listed_and_counted(cluster, linked):
    """By name in the offer and in the list; a claim takes two of three, the next offer has one, the list shows two in
    use; and when the claim has ended, the rest is offered again."""
    linked.wait(events.Registered)
    offer = linked.wait(events.OffersReceived).offers[0]
    assert offer.resources == AGENT
    linked.link.list_agents()
    assert [agent.resources for agent in linked.wait(events.AgentsListed).agents] == [AGENT]
    size = Resources(1, 500, 100, 0, named({"licences": 2}))
    linked.link.open_claim(OpenClaim("claim-1", (offer,), offer.agent_id, size, 64), archive_uri="", data=b"run",
                           command=f"exec {sys.executable} -S {EXECUTOR}", task_name="a claim")
    rest = linked.wait(events.OffersReceived).offers[0]
    assert rest.resources == Resources(1, 4096 - 564, 19900, 0, named({"licences": 1, "ports": 10}))
    linked.link.list_agents()
    used = linked.wait(events.AgentsListed).agents[0].used
    assert used == Resources(1, 564, 100, 0, named({"licences": 2}))
    running = linked.wait(events.ClaimUpdated, lambda e: e.state == "TASK_RUNNING")
    linked.link.acknowledge("claim-1", running.agent_id, running.uuid)
    linked.link.kill("claim-1", offer.agent_id, 2.0)
    held = rest.resources
    while held.others != AGENT.others:
        event = linked.wait((events.OffersReceived, events.ClaimUpdated))
        if isinstance(event, events.OffersReceived):
            held = sum((one.resources for one in event.offers), held)
        elif event.uuid:
            linked.link.acknowledge("claim-1", event.agent_id, event.uuid)


def test_more_than_the_offer_has_is_an_error(cluster):
    """The master refuses a task that names more of it than was offered, or another name."""
    with Framework(cluster.master) as f:
        for name, amount in (("licences", 4), ("license", 1)):
            other = {"name": name, "type": "SCALAR", "scalar": {"value": amount}, "allocation_info": {"role": "*"}}
            made = f.run(resources=[*resources(0.1, 32), other])
            assert f.state(made, "TASK_ERROR")["reason"] == "REASON_TASK_INVALID"
