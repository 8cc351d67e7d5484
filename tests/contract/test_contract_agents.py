"""What both clusters do with agents that leave, drain or are to be maintained."""
from __future__ import annotations

import time

import pytest
from clusters import ClusterError, RealMesos, authentication_flags, cgroup_flags
from rawclient import Framework, task
from support import wait_until

PARTITION = ("PARTITION_AWARE",)


def test_agent_marked_gone(make_cluster):
    """Its tasks are gone by the operator's word, its executors end, FAILURE names it."""
    cluster = make_cluster(agents=1)
    with Framework(cluster.master, capabilities=PARTITION) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        cluster.mark_agent_gone(made["agent_id"]["value"])
        seen = {}
        while len(seen) < 2:
            event = f.wait("UPDATE", "FAILURE")
            seen[event["type"]] = event
        status = seen["UPDATE"]["update"]["status"]
        assert (status["state"], status["reason"]) == ("TASK_GONE_BY_OPERATOR", "REASON_AGENT_REMOVED_BY_OPERATOR")
        assert seen["FAILURE"]["failure"] == {"agent_id": made["agent_id"]}
        asked = {"task_id": {"value": "another"}, "agent_id": made["agent_id"]}
        f.reconcile(asked)
        assert f.state(asked)["state"] == "TASK_GONE_BY_OPERATOR"


def test_drain(make_cluster):
    """A drained agent's tasks are killed for that reason; it makes no offers until it is active again."""
    cluster = make_cluster(agents=1)
    with Framework(cluster.master, capabilities=PARTITION) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        agent_id = made["agent_id"]["value"]
        cluster.drain_agent(agent_id, max_grace_s=1)
        status = f.state(made, "TASK_KILLED")
        assert status["reason"] == "REASON_AGENT_DRAINING"
        wait_until(lambda: cluster.get("/slaves")["slaves"][0].get("drain_info", {}).get("state") == "DRAINED", 15,
                   "the drain to be over")
        f.call("REVIVE")
        f.nothing("OFFERS", seconds=1.5)
        cluster.reactivate_agent(agent_id)
        f.wait("OFFERS", timeout=5)


def test_maintenance(make_cluster):
    """A planned maintenance shows in offers, and asks those who run something to leave by an inverse offer."""
    cluster = make_cluster(agents=1)
    with Framework(cluster.master, capabilities=PARTITION) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        start = time.time() + 600
        cluster.schedule_maintenance(start)
        seen = {}
        while len(seen) < 2:
            event = f.wait("INVERSE_OFFERS", "OFFERS")
            if event["type"] == "INVERSE_OFFERS":
                seen["inverse"] = event["inverse_offers"]["inverse_offers"][0]
            elif "unavailability" in event["offers"]["offers"][0]:
                seen["offer"] = event["offers"]["offers"][0]
        for one in seen.values():
            assert one["agent_id"] == made["agent_id"]
            assert one["unavailability"]["start"]["nanoseconds"] == int(start * 1e9)
        f.call("ACCEPT_INVERSE_OFFERS", accept_inverse_offers={"inverse_offer_ids": [seen["inverse"]["id"]]})
        cluster.clear_maintenance()


def test_operator_calls_that_are_wrong(cluster):
    """An unknown call, and one about an agent that is not there, are refused in words."""
    with pytest.raises(ClusterError, match="400"):
        cluster.call("NO_SUCH_CALL")
    with pytest.raises(ClusterError):
        cluster.drain_agent("nobody")


def test_memory_limit(make_cluster):
    """A container over its memory ends: TASK_FAILED, REASON_CONTAINER_LIMITATION_MEMORY and how much it was."""
    flags = cgroup_flags() if make_cluster.kind == "real" else {}
    cluster = make_cluster(agents=1, flags=flags)
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=1)
        eat = "python3 -c 'x = bytearray(150 << 20); import time; time.sleep(30)'"
        made = task(offer, f"shell {eat}", mem=64)
        f.launch([offer], [made])
        status = f.state(made, "TASK_FAILED")
        assert status["reason"] == "REASON_CONTAINER_LIMITATION_MEMORY"
        assert "Memory limit exceeded" in status["message"]
        wait_until(lambda: not cluster.processes(), 20, "the end of its processes")


def test_authentication(make_cluster, tmp_path):
    """With a credential asked for, a framework without it or with a wrong one is refused with 401."""
    if make_cluster.kind == "real":
        flags = authentication_flags(tmp_path, "someone", "s3cret")
    else:
        file = tmp_path / "secret"
        file.write_text("someone:s3cret\n")
        file.chmod(0o600)
        flags = {"secret-file": str(file)}
    cluster = make_cluster(agents=1, flags=flags)
    for wrong in (None, ("someone", "wrong")):
        with pytest.raises(ConnectionError, match="401"):
            Framework(cluster.master, credential=wrong)
    with Framework(cluster.master, credential=("someone", "s3cret")) as f:
        made = f.run("finish")
        assert f.state(made, "TASK_FINISHED")


def test_restart_of_a_real_cluster(make_real_mesos):
    """After SIGKILL of master and agent and a new start, a checkpointed executor and its task live on."""
    mesos = make_real_mesos(agents=1)
    assert isinstance(mesos, RealMesos)
    f = Framework(mesos.master, failover_timeout=3600, checkpoint=True, capabilities=PARTITION)
    made = f.run()
    f.state(made, "TASK_RUNNING")
    before = mesos.processes()
    mesos.restart()
    f.subscribe()
    f.reconcile(made)
    assert f.state(made, "TASK_RUNNING")["agent_id"] == made["agent_id"]
    assert set(before) <= set(mesos.processes())
    with f:
        f.kill(made)
        assert f.state(made, "TASK_KILLED")
