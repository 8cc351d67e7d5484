"""Faults on demand of the embedded cluster: what frameworks and executors see of each."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from clusters import ClusterError
from rawclient import END, Framework
from support import wait_until

PARTITION = ("PARTITION_AWARE",)


@pytest.fixture
def cluster(make_embedded):
    return make_embedded(agents=1)


def framework(cluster, **settings):
    return Framework(cluster.master, failover_timeout=60, checkpoint=True, capabilities=PARTITION, **settings)


def test_agent_lost_and_back(cluster):
    """Its tasks are unreachable, FAILURE names it, its offers are rescinded; when it is back so are they."""
    with framework(cluster) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        f.offer()
        cluster.fault("lose_agent", agent=0)
        f.wait("RESCIND")
        assert f.state(made)["state"] == "TASK_UNREACHABLE"
        assert f.wait("FAILURE")["failure"] == {"agent_id": made["agent_id"]}
        f.reconcile(made)
        assert f.state(made)["state"] == "TASK_UNREACHABLE"
        assert cluster.processes()
        cluster.fault("return_agent", agent=0)
        assert f.state(made)["reason"] == "REASON_AGENT_REREGISTERED"
        f.kill(made)
        assert f.state(made)["state"] == "TASK_KILLED"


def test_agent_lost_without_partition_awareness(cluster):
    """A framework without PARTITION_AWARE is sent TASK_LOST."""
    with Framework(cluster.master) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        cluster.fault("lose_agent", agent=0)
        assert f.state(made)["state"] == "TASK_LOST"


def test_agent_gone(cluster):
    """Gone for ever: its executors end."""
    with framework(cluster) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        cluster.fault("mark_gone", agent=0)
        assert f.state(made)["state"] == "TASK_GONE_BY_OPERATOR"
        wait_until(lambda: not cluster.processes(), 20, "its executors to end")


def test_scheduler_dropped(cluster):
    """The stream ends; a framework that subscribes again in time continues."""
    with framework(cluster) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        assert cluster.fault("drop_scheduler") == {"done": 1}
        f.wait(END)
        f.subscribe()
        f.reconcile(made)
        assert f.state(made)["state"] == "TASK_RUNNING"


def test_executor_dropped(cluster):
    """The executor subscribes again and its task continues."""
    with framework(cluster) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        assert cluster.fault("drop_executor") == {"done": 1}
        stdout = cluster.sandboxes()[0] / "stdout"
        wait_until(lambda: stdout.read_text().count("SUBSCRIBED") == 2, 20, "it to subscribe again")
        f.kill(made)
        assert f.state(made)["state"] == "TASK_KILLED"


def test_master_fails_over(cluster):
    """A new master: streams end, the framework comes back with its id and finds its task, agents and updates."""
    with framework(cluster, auto_acknowledge=False) as f:
        made = f.run()
        status = f.state(made, "TASK_RUNNING")
        old = cluster.get("/state")["id"]
        cluster.fault("fail_over_master")
        f.wait(END)
        state = cluster.get("/state")
        assert state["id"] != old
        assert [x["recovered"] for x in state["frameworks"]] == [True]
        f.subscribe()
        assert f.seen[-1]["subscribed"]["framework_id"]["value"] == f.id
        again = f.state(made)
        assert again["uuid"] == status["uuid"]
        f.acknowledge(again)
        f.kill(made)
        assert f.state(made)["state"] == "TASK_KILLED"


def test_updates_held_back(cluster):
    """No update arrives until they are let go; then the first that is not acknowledged does."""
    with framework(cluster) as f:
        cluster.fault("hold_updates", hold=True)
        made = f.run("finish")
        f.nothing("UPDATE", seconds=0.7)
        cluster.fault("hold_updates", hold=False)
        assert f.state(made)["state"] == "TASK_RUNNING"
        assert f.state(made)["state"] == "TASK_FINISHED"


def test_faults_are_off_by_default(make_embedded, monkeypatch):
    """Without --faults the endpoint is not there; an unknown fault is refused with the list of those there are."""
    cluster = make_embedded(agents=1)
    with pytest.raises(ClusterError, match="lose_agent"):
        cluster.fault("nonsense")
    command = type(cluster).command
    monkeypatch.setattr(type(cluster), "command", lambda self, ready: [
        a for a in command(self, ready) if a != "--faults"])
    with pytest.raises(ClusterError, match="404"):
        make_embedded(agents=1).fault("drop_scheduler")
