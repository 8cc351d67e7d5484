"""Our own link (hardened pymesos) and plain pymesos against both clusters."""
from __future__ import annotations

import getpass
import queue
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from rawclient import EXECUTOR
from support import wait_until

from mfmesos.core import events
from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Resources
from mfmesos.mesos.master_link import FrameworkSettings, MesosLink

COMMAND = f"exec {sys.executable} -S {EXECUTOR}"


class Linked:
    """A started link and what it posted."""

    def __init__(self, master, **settings):
        self.events = queue.Queue()
        self.link = MesosLink(
            master, FrameworkSettings("link test", getpass.getuser(), "localhost", **settings), self.events.put)
        self.link.start()

    def wait(self, kind, match=lambda e: True, timeout=15.0):
        deadline = time.monotonic() + timeout
        seen = []
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__} within {timeout:g} s, but {seen}") from None
            seen.append(event)
            if isinstance(event, kind) and match(event):
                return event

    def state(self, claim, *states):
        return self.wait(events.ClaimUpdated, lambda e: e.claim_id == claim and (not states or e.state in states))

    def open(self, archive, claim="claim-1", do="run"):
        offer = self.wait(events.OffersReceived).offers[0]
        action = OpenClaim(claim, (offer,), offer.agent_id, Resources(4.0, 64, 10), 64)
        self.link.open_claim(action, command=COMMAND, archive_uri=str(archive), data=do.encode(), task_name="a claim")
        return offer


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "inner").write_text("x")
    with tarfile.open(tmp_path / "executor-1.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "inner", "inner")
    return tmp_path / "executor-1.tar.gz"


@pytest.fixture
def linked(cluster):
    found = Linked(cluster.master)
    yield found
    found.link.stop(teardown=True, timeout_s=5)
    wait_until(lambda: not cluster.processes(), 10, "the end of what ran")


def test_claim_from_open_to_kill(linked, archive):
    """Registered, a claim of every core of an agent, RUNNING acknowledged, KILL, KILLED, the executor ends."""
    assert linked.wait(events.Registered).framework_id
    offer = linked.open(archive)
    running = linked.state("claim-1", "TASK_RUNNING")
    assert running.agent_id == offer.agent_id
    linked.link.acknowledge("claim-1", running.agent_id, running.uuid)
    linked.link.kill("claim-1", offer.agent_id, 2.0)
    killed = linked.state("claim-1", "TASK_KILLED")
    linked.link.acknowledge("claim-1", killed.agent_id, killed.uuid)
    linked.link.shutdown_executor("claim-1", offer.agent_id)
    assert linked.wait(events.ExecutorExited).claim_id == "claim-1"


def test_reconcile_and_agents(linked, archive, cluster):
    """Explicit and implicit reconciliation, the list of agents, and who holds what of them."""
    linked.wait(events.Registered)
    offer = linked.open(archive)
    linked.state("claim-1", "TASK_RUNNING")
    linked.link.reconcile([("claim-1", offer.agent_id), ("claim-9", None)])
    assert linked.state("claim-1").reason == "REASON_RECONCILIATION"
    assert linked.state("claim-9").state == "TASK_UNKNOWN"
    linked.link.reconcile()
    assert linked.state("claim-1").state == "TASK_RUNNING"
    linked.link.list_agents(holders=True)
    listed = linked.wait(events.AgentsListed)
    agents = listed.agents
    (own,) = [h for h in listed.holders if h.own]
    assert (own.used.cores >= offer.resources.cores, own.active) == (True, True)
    assert {a.id for a in agents} == set(cluster.agent_ids())
    assert {(a.resources.cores, a.resources.memory_mb, a.active) for a in agents} == {(4.0, 4096.0, True)}


def test_decline_suppress_revive(linked):
    """Declined and suppressed: nothing; revived: offers."""
    linked.wait(events.Registered)
    offers = linked.wait(events.OffersReceived).offers
    linked.link.decline([o.id for o in offers], 1000)
    linked.link.suppress()
    quiet_from = time.monotonic() + 1.5
    while (left := quiet_from + 1.5 - time.monotonic()) > 0:
        try:
            late = linked.wait(events.OffersReceived, timeout=left)
        except AssertionError:
            break
        assert time.monotonic() < quiet_from, "an offer though suppressed"
        linked.link.decline([o.id for o in late.offers], 1000)
    linked.link.revive()
    assert linked.wait(events.OffersReceived).offers


def test_too_large_a_claim(linked, archive):
    """A task larger than the offer never runs, and the reason is reported."""
    linked.wait(events.Registered)
    offer = linked.wait(events.OffersReceived).offers[0]
    action = OpenClaim("claim-2", (offer,), offer.agent_id, Resources(400.0, 64, 10), 64)
    linked.link.open_claim(action, command=COMMAND, archive_uri=str(archive), data=b"run", task_name="too large")
    assert linked.wait(events.LaunchDropped).claim_id == "claim-2"


def test_scheduler_comes_back(cluster, archive):
    """A link that goes without a teardown leaves its claim running; the next with the same id takes it up."""
    first = Linked(cluster.master)
    framework_id = first.wait(events.Registered).framework_id
    first.open(archive)
    running = first.state("claim-1", "TASK_RUNNING")
    first.link.acknowledge("claim-1", running.agent_id, running.uuid)
    first.link.stop(teardown=False, timeout_s=5)
    second = Linked(cluster.master, framework_id=framework_id)
    try:
        assert second.wait(events.Registered).framework_id == framework_id
        second.link.reconcile([("claim-1", running.agent_id)])
        assert second.state("claim-1").state == "TASK_RUNNING"
    finally:
        second.link.stop(teardown=True, timeout_s=5)
    third = Linked(cluster.master, framework_id=framework_id)
    assert "removed" in third.wait(events.FrameworkEnded).reason
    third.link.stop(teardown=False, timeout_s=5)


PLAIN = """
import sys, threading
from pymesos import MesosSchedulerDriver, Scheduler, encode_data
done = threading.Event()
class Sched(Scheduler):
    launched = False
    def resourceOffers(self, driver, offers):
        offer = offers[0]
        if self.launched:
            return driver.declineOffer([o['id'] for o in offers])
        self.launched = True
        def res(cpus, mem):
            return [dict(name=n, type='SCALAR', scalar=dict(value=v)) for n, v in (('cpus', cpus), ('mem', mem))]
        driver.launchTasks(offer['id'], [dict(
            task_id=dict(value='t1'), agent_id=offer['agent_id'], name='t', resources=res(1, 32), executor=dict(
                executor_id=dict(value='e'), framework_id=dict(value=driver.framework_id), resources=res(0.1, 32),
                command=dict(value=sys.argv[2])))])
    def statusUpdate(self, driver, update):
        print(update['state'], flush=True)
        if update['state'] == 'TASK_FINISHED':
            done.set()
    def frameworkMessage(self, driver, executor_id, agent_id, data):
        print('message', flush=True)
driver = MesosSchedulerDriver(Sched(), dict(user='root', name='plain'), sys.argv[1])
driver.start()
done.wait(20)
driver.stop()
driver.join()
"""
PLAIN_EXECUTOR = """
import threading
from pymesos import MesosExecutorDriver, Executor, encode_data
class Exec(Executor):
    def launchTask(self, driver, task):
        def work():
            for state in ('TASK_RUNNING', 'TASK_FINISHED'):
                driver.sendStatusUpdate(dict(task_id=task['task_id'], state=state))
            driver.sendFrameworkMessage(encode_data(b'hello'))
        threading.Thread(target=work).start()
MesosExecutorDriver(Exec()).run()
"""


def test_plain_pymesos(cluster, tmp_path):
    """pymesos as it comes, scheduler and executor, runs a task."""
    executor = Path(tmp_path / "executor.py")
    executor.write_text(PLAIN_EXECUTOR)
    done = subprocess.run([sys.executable, "-c", PLAIN, cluster.master, f"exec {sys.executable} {executor}"],
                          capture_output=True, text=True, timeout=30)
    states = [word for word in done.stdout.split() if word != "message"]
    assert states == ["TASK_RUNNING", "TASK_FINISHED"], done.stderr[-2000:]
    wait_until(lambda: not cluster.processes(), 15, "the end of its executor")
