"""What both clusters do with frameworks and offers; where they differ, the embedded one is wrong."""
from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest
from rawclient import END, Framework, amount, executor, resources, task
from support import wait_until


@pytest.fixture(autouse=True)
def agents_are_free(request: pytest.FixtureRequest) -> None:
    """Executors of earlier tests have ended: the first offers hold each agent as a whole."""
    if "cluster" in request.fixturenames:
        cluster = request.getfixturevalue("cluster")
        wait_until(lambda: not any(s["used_resources"].get("cpus") for s in cluster.get("/slaves")["slaves"]),
                   what="the agents to be free")


def test_subscribed_and_offers(cluster):
    """SUBSCRIBED names the framework, the heartbeat and the master; every agent is offered as a whole."""
    with Framework(cluster.master) as f:
        subscribed = f.seen[0]["subscribed"]
        assert subscribed["heartbeat_interval_seconds"] == 15.0
        assert subscribed["master_info"]["version"] == "1.11.0"
        assert str(subscribed["master_info"]["address"]["port"]) == cluster.master.split(":")[1]
        assert f.stream_id
        offers = f.wait("OFFERS")["offers"]["offers"]
        assert {o["agent_id"]["value"] for o in offers} == set(cluster.agent_ids())
        for offer in offers:
            assert [amount(offer, n) for n in ("cpus", "mem", "disk")] == [4.0, 4096.0, 20000.0]
            assert offer["hostname"] == "localhost"
            assert offer["framework_id"]["value"] == f.id
            assert {r["allocation_info"]["role"] for r in offer["resources"]} == {"*"}


def test_framework_of_one_role(cluster):
    """Who does not announce MULTI_ROLE sees offers without allocations, and launches without them."""
    with Framework(cluster.master, multi_role=False) as f:
        offer = f.offer(cpus=4)
        assert "allocation_info" not in offer
        assert not any("allocation_info" in r for r in offer["resources"])
        assert {r["role"] for r in offer["resources"]} == {"*"}
        made = task(offer, "finish")
        for one in (made, made["executor"]):
            for resource in one["resources"]:
                del resource["allocation_info"]
        f.launch([offer], [made])
        assert f.state(made, "TASK_FINISHED")


def test_role_of_its_own(cluster):
    """A framework of a role is allocated to it; the resources stay unreserved."""
    with Framework(cluster.master, role="science") as f:
        offer = f.offer(cpus=4)
        assert offer["allocation_info"] == {"role": "science"}
        assert {(r["role"], r["allocation_info"]["role"]) for r in offer["resources"]} == {("*", "science")}
        made = task(offer, "finish", role="science")
        f.launch([offer], [made])
        assert f.state(made, "TASK_FINISHED")


def test_heartbeat_follows_subscribed(cluster):
    """The first HEARTBEAT comes at once."""
    with Framework(cluster.master) as f:
        f.wait("HEARTBEAT", timeout=8)


def test_declined_offer_returns_after_filter(cluster):
    """A declined agent is offered again when refuse_seconds are over, not before."""
    with Framework(cluster.master) as f:
        for offer in f.wait("OFFERS")["offers"]["offers"]:
            f.decline(offer, 4.0)
        f.nothing("OFFERS", seconds=1.5)
        assert f.wait("OFFERS", timeout=15)["offers"]["offers"]


def test_revive_clears_filters(cluster):
    """After REVIVE a declined agent is offered at once."""
    with Framework(cluster.master) as f:
        for offer in f.wait("OFFERS")["offers"]["offers"]:
            f.decline(offer, 1000)
        f.nothing("OFFERS", seconds=1.3)
        f.call("REVIVE")
        assert f.wait("OFFERS", timeout=15)["offers"]["offers"]


def test_suppress_until_revive(cluster):
    """A suppressed framework gets no offers, whatever comes free, until REVIVE."""
    with Framework(cluster.master) as f:
        offers = f.wait("OFFERS")["offers"]["offers"]
        f.call("SUPPRESS")
        for offer in offers:
            f.decline(offer, 0)
        f.nothing("OFFERS", seconds=2.2)
        f.call("REVIVE")
        f.wait("OFFERS", timeout=15)


def test_rest_of_an_offer_comes_back(cluster):
    """What a launch leaves of an offer is offered again, with the executor named."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=4)
        made = task(offer, "run", cpus=1)
        f.launch([offer], [made])
        f.state(made, "TASK_RUNNING")
        while True:
            rest = f.offer()
            if rest["agent_id"] == offer["agent_id"]:
                break
            f.decline(rest, 100)
        assert amount(rest, "cpus") == pytest.approx(4 - 1 - 0.05)
        assert made["executor"]["executor_id"] in rest["executor_ids"]


def test_two_offers_of_one_agent(cluster):
    """Several offers of one agent can be accepted together; offers of two agents cannot."""
    with Framework(cluster.master, capabilities=("PARTITION_AWARE",)) as f:
        offers = f.wait("OFFERS")["offers"]["offers"]
        while len(offers) < 2:
            offers += f.wait("OFFERS")["offers"]["offers"]
        made = task(offers[0])
        f.launch(offers, [made])
        status = f.state(made)
        assert (status["state"], status["reason"]) == ("TASK_DROPPED", "REASON_INVALID_OFFERS")
        assert "one single" in status["message"]


def test_offers_are_shared_between_frameworks(cluster):
    """The framework that has less is offered first: dominant resource fairness."""
    with Framework(cluster.master) as big:
        offer = big.offer(cpus=4)
        big.call("SUPPRESS")
        made = task(offer, cpus=3.5, mem=3000)
        big.launch([offer], [made], refuse_s=0)
        big.state(made, "TASK_RUNNING")
        big.decline_others()
        with Framework(cluster.master) as small:
            agents = set()
            deadline = time.monotonic() + 10
            while len(agents) < 2 and time.monotonic() < deadline:
                for one in small.wait("OFFERS")["offers"]["offers"]:
                    agents.add(one["agent_id"]["value"])
                    small.decline(one, 100)
            assert agents == set(cluster.agent_ids())


def test_invalid_offer_drops_the_task(cluster):
    """A launch on an offer that is no more: TASK_DROPPED, and TASK_LOST for those who know only that."""
    for capabilities, state in ((("PARTITION_AWARE",), "TASK_DROPPED"), ((), "TASK_LOST")):
        with Framework(cluster.master, capabilities=capabilities) as f:
            offer = f.offer(cpus=1)
            f.decline(offer, 0)
            made = task(offer)
            f.launch([offer], [made])
            status = f.state(made)
            assert (status["state"], status["reason"], status["source"]) == (
                state, "REASON_INVALID_OFFERS", "SOURCE_MASTER")
            assert "no longer valid" in status["message"]
            assert "uuid" not in status


@pytest.mark.parametrize(("change", "message"), [
    ({"resources": resources(99, 32)}, "more than available"),
    ({"resources": []}, "no resources"),
    ({"executor": None}, "CommandInfo or ExecutorInfo"),
    ({"task_id": {"value": "a/b"}}, "invalid characters"),
    ({"agent_id": {"value": "nowhere"}}, "invalid agent nowhere"),
])
def test_invalid_task(cluster, change, message):
    """An invalid task: TASK_ERROR with REASON_TASK_INVALID and why; nothing starts, and the offer comes back."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=4)
        made = {k: v for k, v in {**task(offer), **change}.items() if v is not None}
        f.launch([offer], [made])
        status = f.state(made)
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        assert message in status["message"]
        assert "uuid" not in status
        assert f.offer(cpus=4)


def test_duplicate_task_id(cluster):
    """The id of a task that runs cannot be used again."""
    with Framework(cluster.master) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        offer = f.offer(cpus=1)
        f.launch([offer], [task(offer, id=made["task_id"]["value"])])
        assert "duplicate ID" in f.state(made, "TASK_ERROR")["message"]


def test_executor_that_differs(cluster):
    """A second task for an executor's id has to describe the executor the same way."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=4)
        one = task(offer, executor_info=executor("shared"))
        other = task(offer, executor_info=executor("shared", mem=48))
        third = task(offer, executor_info=executor("shared"))
        f.launch([offer], [one, other, third])
        states = {}
        while len(states) < 3:
            status = f.wait("UPDATE")["update"]["status"]
            states[status["task_id"]["value"]] = status["state"]
        assert [states[t["task_id"]["value"]] for t in (one, other, third)] == [
            "TASK_RUNNING", "TASK_ERROR", "TASK_RUNNING"]


@pytest.mark.parametrize(("body", "message"), [
    ({"type": "NOPE"}, "'type'"), ({"type": "REVIVE"}, "'framework_id'"),
    ({"type": "REVIVE", "framework_id": {"value": "nobody"}}, "Framework cannot be found"),
    ({"type": "KILL", "framework_id": {"value": "nobody"}}, "'kill'"),
])
def test_malformed_calls(cluster, body, message):
    """400, with what is missing."""
    with Framework(cluster.master) as f:
        status, text = f.raw_call(body)
        assert status == 400
        assert message in text


def test_stream_id_is_checked(cluster):
    """A call with another stream's id is refused: a scheduler that was replaced cannot continue."""
    with Framework(cluster.master) as f:
        status, text = f.raw_call({"type": "REVIVE", "framework_id": {"value": f.id}}, {"Mesos-Stream-Id": "other"})
        assert status == 400
        assert "stream ID" in text


def test_wrong_content_and_methods(cluster):
    """415 for another content type, 405 for a GET, 404 for another path."""
    with Framework(cluster.master) as f:
        assert f.raw_call({}, {"Content-Type": "text/plain"})[0] == 415
    assert cluster.request(cluster.master, "/api/v1/scheduler")[0] == 405
    assert cluster.request(cluster.master, "/nope")[0] == 404


def test_failover_of_the_scheduler(cluster):
    """A scheduler that subscribes with the same id takes over: tasks live on, the old stream gets an error and ends,
    and updates are sent again."""
    old = Framework(cluster.master, failover_timeout=60, checkpoint=True, auto_acknowledge=False)
    made = old.run()
    status = old.state(made, "TASK_RUNNING")
    with Framework(cluster.master, framework_id=old.id, failover_timeout=60, checkpoint=True) as new:
        assert old.wait("ERROR")["error"]["message"] == "Framework failed over"
        old.wait(END)
        again = new.state(made, "TASK_RUNNING", timeout=8)
        assert again["uuid"] == status["uuid"]
        new.kill(made)
        new.state(made, "TASK_KILLED")


def test_failover_timeout(cluster):
    """A framework that stays away longer than its failover_timeout is removed, with its executors."""
    f = Framework(cluster.master, failover_timeout=0.5)
    made = f.run()
    f.state(made, "TASK_RUNNING")
    f.drop()
    f.wait(END)
    wait_until(lambda: f.id not in [x["id"] for x in cluster.get("/state")["frameworks"]], 10, "its removal")
    with pytest.raises(ConnectionError, match="Framework has been removed"):
        Framework(cluster.master, framework_id=f.id)


def test_returns_within_failover_timeout(cluster):
    """A framework that comes back in time finds its task, and offers."""
    f = Framework(cluster.master, failover_timeout=60)
    made = f.run()
    f.state(made, "TASK_RUNNING")
    f.drop()
    f.wait(END)
    wait_until(lambda: [x["active"] for x in cluster.get("/state")["frameworks"] if x["id"] == f.id] == [False])
    with f:
        f.subscribe()
        f.wait("OFFERS")
        f.reconcile()
        assert f.state(made)["state"] == "TASK_RUNNING"


def test_teardown(cluster):
    """TEARDOWN ends executors, and the framework's id is not welcome again."""
    with Framework(cluster.master, failover_timeout=60) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        f.teardown()
        f.wait(END)
    with pytest.raises(ConnectionError, match="Framework has been removed"):
        Framework(cluster.master, framework_id=f.id)
    wait_until(lambda: not cluster.processes(), 10, "the end of the executor")
    assert f.id in [x["id"] for x in cluster.get("/state")["completed_frameworks"]]


def test_teardown_by_the_operator(cluster):
    """The operator's TEARDOWN ends the framework's stream."""
    with Framework(cluster.master, failover_timeout=60) as f:
        cluster.teardown(f.id)
        f.wait(END)


def test_unknown_framework_id_is_welcome(cluster):
    """An id that the master does not know is taken as it is (after a failover of the master there is no other way)."""
    with Framework(cluster.master, framework_id="made-up-0001") as f:
        assert f.id == "made-up-0001"
        f.wait("OFFERS")


def test_empty_role(cluster):
    """An invalid role: ERROR, and the stream ends."""
    with pytest.raises(ConnectionError, match="empty string"):
        Framework(cluster.master, role="")


def test_state_and_slaves(cluster):
    """/state and /slaves have what tools read of them."""
    with Framework(cluster.master, name="who am I") as f:
        made = f.run(cpus=0.5)
        f.state(made, "TASK_RUNNING")
        state = cluster.get("/state")
        one = next(x for x in state["frameworks"] if x["id"] == f.id)
        assert one["name"] == "who am I"
        assert one["active"] is True
        assert one["tasks"][0]["id"] == made["task_id"]["value"]
        assert one["tasks"][0]["state"] == "TASK_RUNNING"
        assert one["tasks"][0]["slave_id"] == made["agent_id"]["value"]
        assert one["used_resources"]["cpus"] == pytest.approx(0.55)
        slaves = {s["id"]: s for s in cluster.get("/slaves")["slaves"]}
        used = slaves[made["agent_id"]["value"]]
        assert used["used_resources"]["cpus"] == pytest.approx(0.55)
        assert used["resources"]["mem"] == 4096.0
        assert used["active"] is True
        assert used["hostname"] == "localhost"
        keys = {"id", "pid", "version", "leader", "activated_slaves", "completed_frameworks", "slaves", "start_time"}
        assert keys <= set(state)
        assert cluster.get("/version")["version"] == "1.11.0"
        assert cluster.request(cluster.master, "/health")[0] == 200
        f.kill(made)
        f.state(made, "TASK_KILLED")
        wait_until(lambda: f"{made['task_id']['value']}" in [
            t["id"] for x in cluster.get("/state")["frameworks"] if x["id"] == f.id for t in x["completed_tasks"]], 5)


def test_redirect(cluster):
    """/redirect points to the leader."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(f"http://{cluster.master}/redirect", timeout=5)
    with caught.value as answer:
        assert answer.code == 307
        assert answer.headers["Location"].endswith(":" + cluster.master.split(":")[1])
