"""The link's calls to the master, and how it handles the master's answers: the checklist of a good framework."""
from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace

import pytest
from fake_mesos import FakeMesos, offer, offers, scalar
from pymesos.scheduler import MesosSchedulerDriver
from support import free_port, wait_until

from mfmesos.core import events
from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Resources, Rival
from mfmesos.mesos import open_claim, translate
from mfmesos.mesos.scheduler_driver import speaks_tls
from mfmesos.mesos.stream import Timing
from mfmesos.shared.resources import named

RUN = {"command": "run me", "archive_uri": "http://h/x.tar.gz", "data": b"\x00data", "task_name": "claim"}


def claim(*raw, cores=1.0, memory_mb=100.0, disk_mb=10.0, executor_mb=64.0, role="*"):
    made = tuple(translate.offer(o, role) for o in raw)
    return OpenClaim("c-1", made, "A-1", Resources(cores, memory_mb, disk_mb), executor_mb)


def accept(action, role="*", user=""):
    return open_claim.accept(action, role=role, user=user, framework_id="F-1", grace_s=5, **RUN)


def task_of(accepted):
    return accepted["operations"][0]["launch"]["task_infos"][0]


# --- registration ---
def test_first_subscribe_says_who_we_are(connect):
    """failover_timeout of a week, checkpoint, role, PARTITION_AWARE; no id."""
    with FakeMesos() as mesos:
        connect(mesos.address, role="science", webui_url="http://h:1/", principal="p")
        body = mesos.await_subscriptions(1).body
    info = body["subscribe"]["framework_info"]
    assert info["failover_timeout"] == 604800
    assert info["checkpoint"] is True
    assert (info["role"], info["webui_url"], info["principal"]) == ("science", "http://h:1/", "p")
    assert {"type": "PARTITION_AWARE"} in info["capabilities"]
    assert "id" not in info
    assert "framework_id" not in body


@pytest.mark.parametrize("given", [None, "F-1"])
def test_the_framework_id_is_reused(connect, given):
    """One given at the start, or one that the master gave, goes with every further SUBSCRIBE."""
    with FakeMesos(lambda s: s.subscribed(), lambda s: (s.subscribed(), s.hold())) as mesos:
        link, seen = connect(mesos.address, framework_id=given)
        body = mesos.await_subscriptions(2).body
        assert body["framework_id"] == body["subscribe"]["framework_info"]["id"] == {"value": "F-1"}
        if given:
            assert mesos.subscriptions[0].body["framework_id"] == {"value": given}
        again = seen.wait(events.Registered, 2)
        assert (again.framework_id, again.master, link.framework_id) == ("F-1", mesos.address, "F-1")


def test_the_heartbeat_interval_is_passed_on(connect):
    with FakeMesos(lambda s: (s.subscribed(7.5), s.hold())) as mesos:
        _, seen = connect(mesos.address)
        assert seen.wait(events.Registered).heartbeat_s == 7.5


test_the_heartbeat_interval_is_passed_on.__doc__ = "As the master states it."


def test_suppressed_stays_suppressed_over_a_reconnect(connect):
    """SUBSCRIBE names the suppressed role; after revive it does not."""
    drop = threading.Event()
    with FakeMesos(lambda s: (s.subscribed(), drop.wait(5))) as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.suppress()
        mesos.await_call("SUPPRESS")
        drop.set()
        assert mesos.await_subscriptions(2).body["subscribe"]["suppressed_roles"] == ["*"]
        link.revive()
        count = len(mesos.subscriptions)
        assert "suppressed_roles" not in mesos.await_subscriptions(count + 2).body["subscribe"]


def test_a_revive_during_a_reconnect_is_not_lost(connect):
    """SUBSCRIBE is under way with the suppressed role, when there is a task again: REVIVE follows."""
    made = []

    def again(s):
        made[0].revive()
        s.subscribed()
        s.hold()

    drop = threading.Event()
    with FakeMesos(lambda s: (s.subscribed(), drop.wait(5)), again) as mesos:
        link, seen = connect(mesos.address)
        made.append(link)
        seen.wait(events.Registered)
        link.suppress()
        mesos.await_call("SUPPRESS")
        drop.set()
        assert mesos.await_subscriptions(2).body["subscribe"]["suppressed_roles"] == ["*"]
        mesos.await_call("REVIVE")


@pytest.mark.parametrize("kind", ["REVIVE", "SUPPRESS"])
def test_the_latest_wish_for_offers_gets_through(connect, kind):
    """The master refuses the first call of each kind: the last wish is repeated, the one before is not."""
    refused = set()

    def answer(call):
        first = call["type"] not in refused
        refused.add(call["type"])
        return (503, "") if first else (202, "")

    with FakeMesos(lambda s: (s.subscribed(), s.hold())) as mesos:
        mesos.answer = answer
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        wishes = [link.revive, link.suppress] if kind == "SUPPRESS" else [link.suppress, link.revive]
        for wish in wishes:
            wish()
        mesos.await_call(kind, 2)
        assert [b["type"] for b, _ in mesos.calls][-1] == kind


# --- finding the master ---
def test_a_redirect_leads_to_the_leader(connect):
    """At once, and Registered names the leader."""
    with FakeMesos() as leader, FakeMesos(
            lambda s: s.answer(307, f"Location: //{leader.address}/api/v1/scheduler\r\n")) as other:
        _, seen = connect(other.address)
        assert seen.wait(events.Registered).master == leader.address


def test_masters_that_redirect_to_each_other_are_not_stormed(connect):
    """After three redirects in a row, pauses."""
    with FakeMesos() as mesos:
        mesos.scripts = [lambda s: s.answer(307, f"Location: http://{mesos.address}/x\r\n")]
        connect(mesos.address)
        mesos.await_subscriptions(6)
        assert mesos.times[5] - mesos.times[3] > 0.05 + 0.1


def test_each_master_of_a_list_is_tried(connect):
    """The first two are down; the third leads. Later the third is gone, and the list is tried again."""
    with FakeMesos(lambda s: s.subscribed(), lambda s: (s.subscribed(), s.hold())) as mesos:
        dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        _, seen = connect(",".join([*dead, mesos.address]))
        seen.wait(events.Registered, 2)
        reasons = [d.reason for d in seen.of(events.Disconnected)]
        assert "refused" in reasons[0]


# --- calls ---
def test_calls_go_out_in_order_with_stream_id(connect):
    """One keep-alive connection, the stream's id on each call, the framework's id in each."""
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.revive()
        link.kill("c-1", "A-1", 2.5)
        link.acknowledge("c-1", "A-1", "dXVpZA==")
        link.reconcile([("c-1", "A-1"), ("c-2", None)])
        link.reconcile()
        link.accept_inverse_offer("I-1")
        link.shutdown_executor("c-1", "A-1")
        link.suppress()
        mesos.await_call("SUPPRESS")
        assert [b["type"] for b, _ in mesos.calls] == [
            "REVIVE", "KILL", "ACKNOWLEDGE", "RECONCILE", "RECONCILE", "ACCEPT_INVERSE_OFFERS", "SHUTDOWN", "SUPPRESS"]
        assert all(h["Mesos-Stream-Id"] == "s-1" and b["framework_id"] == {"value": "F-1"} for b, h in mesos.calls)
        assert mesos.of("KILL")[0]["kill"] == {
            "task_id": {"value": "c-1"}, "agent_id": {"value": "A-1"},
            "kill_policy": {"grace_period": {"nanoseconds": 2_500_000_000}}}
        assert mesos.of("RECONCILE")[0]["reconcile"]["tasks"] == [
            {"task_id": {"value": "c-1"}, "agent_id": {"value": "A-1"}}, {"task_id": {"value": "c-2"}}]
        assert mesos.of("RECONCILE")[1]["reconcile"]["tasks"] == []
        assert mesos.of("SHUTDOWN")[0]["shutdown"] == {
            "executor_id": {"value": "c-1"}, "agent_id": {"value": "A-1"}}


def test_plain_pymesos_drops_agent_ids_and_calls(monkeypatch):
    """The hazards are real: reconcile forgets the agent, kill has no policy, and disconnected means dropped."""
    sent = []
    plain = MesosSchedulerDriver(None, {"id": {"value": "F-1"}}, "h:1")
    monkeypatch.setattr(plain, "_send", sent.append)
    plain.killTask({"value": "c-1"})
    assert sent == []
    plain.stream_id = "s"
    plain.killTask({"value": "c-1"})
    plain.reconcileTasks([{"task_id": {"value": "c"}, "agent_id": {"value": "A"}}])
    assert sent[0]["kill"] == {"task_id": {"value": "c-1"}}
    assert sent[1]["reconcile"]["tasks"] == [{"task_id": {"value": "c"}}]


def test_declines_are_merged(connect):
    """Those that wait one behind the other with the same refuse_s go out as one call."""
    release = threading.Event()
    with FakeMesos() as mesos:
        mesos.answer = lambda call: (release.wait(5) and 202, "")
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.revive()
        for n in range(6):
            link.decline([f"O-{n}"], 5.0 if n < 4 else 60.0)
        link.decline([], 5.0)
        release.set()
        mesos.await_call("DECLINE", 2)
        first, second = mesos.of("DECLINE")
        assert [len(d["decline"]["offer_ids"]) for d in (first, second)] == [4, 2]
        assert second["decline"]["filters"] == {"refuse_seconds": 60.0}


def test_updates_are_acknowledged_only_on_request(connect):
    """An update is posted whole; no ACKNOWLEDGE goes out by itself."""
    status = {"task_id": {"value": "c-1"}, "state": "TASK_RUNNING", "agent_id": {"value": "A-1"}, "uuid": "dQ==",
              "source": "SOURCE_EXECUTOR", "message": "m", "reason": "REASON_X"}

    def update(s):
        s.subscribed()
        s.send({"type": "UPDATE", "update": {"status": status}})
        s.hold()

    with FakeMesos(update) as mesos:
        link, seen = connect(mesos.address)
        assert seen.wait(events.ClaimUpdated) == events.ClaimUpdated(
            "c-1", "TASK_RUNNING", "REASON_X", "m", "A-1", "dQ==", "SOURCE_EXECUTOR")
        link.revive()
        mesos.await_call("REVIVE")
        assert mesos.of("ACKNOWLEDGE") == []
        link.acknowledge("c-1", "A-1", "dQ==")
        assert mesos.await_call("ACKNOWLEDGE")["acknowledge"] == {
            "agent_id": {"value": "A-1"}, "task_id": {"value": "c-1"}, "uuid": "dQ=="}


def test_every_other_event_is_translated(connect):
    """RESCIND, FAILURE of an executor and of an agent, INVERSE_OFFERS with and without an agent."""
    def talk(s):
        s.subscribed()
        window = {"start": {"nanoseconds": 5_000_000_000}}
        for kind, content in [
                ("rescind", {"offer_id": {"value": "O-1"}}),
                ("failure", {"agent_id": {"value": "A"}, "executor_id": {"value": "c-1"}, "status": 9}),
                ("failure", {"agent_id": {"value": "A"}}),
                ("inverse_offers", {"inverse_offers": [
                    {"id": {"value": "I-1"}, "agent_id": {"value": "A"}, "unavailability": window},
                    {"id": {"value": "I-2"}, "unavailability": window}]})]:
            s.send({"type": kind.upper(), kind: content})
        s.hold()

    with FakeMesos(talk) as mesos:
        _, seen = connect(mesos.address)
        seen.wait(events.InverseOfferReceived, 2)
        assert seen[1:] == [
            events.OfferRescinded("O-1"), events.ExecutorExited("c-1", "A", 9), events.AgentFailed("A"),
            events.InverseOfferReceived("I-1", "A", 5.0), events.InverseOfferReceived("I-2", None, 5.0)]


def test_agents_are_listed(connect):
    """What our role can have of each, active or not, and what is reserved for others; agents that a new master does
    not list yet are away."""
    slaves = {"slaves": [{
        "id": "A-1", "hostname": "n", "active": False, "resources": {"cpus": 9, "mem": 9, "disk": 9, "gpus": 1},
        "unreserved_resources": {"cpus": 4, "mem": 100, "disk": 10, "gpus": 1, "ports": "[1-2]",
                                 "licences": 3, "licences_revocable": 9, "tags": "{a, b}", "a\tb": 1},
        "reserved_resources": {"r": {"cpus": 2}, "other": {"cpus": 3}}}],
        "recovered_slaves": [{"id": "A-2", "hostname": "m", "port": 5051}]}
    with FakeMesos() as mesos:
        mesos.pages["/slaves"] = json.dumps(slaves).encode()
        link, seen = connect(mesos.address, role="r")
        seen.wait(events.Registered)
        link.list_agents()
        agent, away = seen.wait(events.AgentsListed).agents
        assert (away.id, away.active) == ("A-2", False)
        assert agent.reserved == (("other", Resources(3)),)
        assert (agent.id, agent.active, agent.resources) == (
            "A-1", False, Resources(6, 100, 10, 1, named({"licences": 3, "ports": 2, "tags": 2})))


@pytest.mark.parametrize("refuses", [False, True])
def test_the_use_of_the_cluster_is_listed(connect, refuses):
    """By the call for metrics, whose number per second is not limited; a master that refuses the call is asked for the
    page, and not called again."""
    metrics = {"master/cpus_total": 8.0, "master/frameworks/b/F-2/subscribed": 1.0,
               "master/frameworks/b/F-2/roles/*/suppressed": 0.0}
    by_call = {"get_metrics": {"metrics": [{"name": name, "value": value} for name, value in metrics.items()]}}
    with FakeMesos() as mesos:
        mesos.answer = lambda call: (202, "") if call["type"] != "GET_METRICS" else (
            (403, "") if refuses else (200, json.dumps(by_call)))
        mesos.pages["/roles"] = json.dumps({"roles": [
            {"name": "*", "resources": {"cpus": 3}, "frameworks": ["F-1", "F-2"]}]}).encode()
        mesos.pages["/metrics/snapshot"] = json.dumps(metrics if refuses else {}).encode()
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        for count in (1, 2):
            link.list_use()
            found = seen.wait(events.UseListed, count)
            assert found.rivals == (Rival("F-2", "*", True, False, 0, 0),)
            assert found.total.cores == 8
        assert len(mesos.of("GET_METRICS")) == (1 if refuses else 2)


# --- calls that cannot be sent, or are not answered ---
def test_a_launch_while_disconnected_is_reported(connect):
    """LaunchDropped; pymesos reports nothing."""
    link, seen = connect(f"127.0.0.1:{free_port()}")
    link.open_claim(claim(offer()), **RUN)
    assert seen.wait(events.LaunchDropped).claim_id == "c-1"


def test_a_kill_while_disconnected_waits(connect):
    """It goes out after the next SUBSCRIBED, before anything newer; what is void by then does not."""
    ready = threading.Event()

    def later(s):
        assert ready.wait(5)
        s.subscribed()
        s.hold()

    with FakeMesos(later) as mesos:
        link, _seen = connect(mesos.address, timing=Timing(reply_s=8))
        link.kill("c-1", "A-1", 1)
        link.decline(["O-1"], 5)
        link.shutdown_executor("c-2", "A-1")
        wait_until(lambda: not link._queue)
        ready.set()
        mesos.await_call("SHUTDOWN")
        assert [b["type"] for b, _ in mesos.calls] == ["KILL", "SHUTDOWN"]


def test_a_refused_launch_is_reported_and_the_stream_renewed(connect):
    """HTTP 403 to ACCEPT: the master does not know us; no claim came of it, and we subscribe again."""
    with FakeMesos() as mesos:
        mesos.answer = lambda call: (403, "Framework is not subscribed")
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.open_claim(claim(offer()), **RUN)
        assert "not subscribed" in seen.wait(events.LaunchDropped).reason
        mesos.await_subscriptions(2)


def test_an_unanswered_launch_is_neither_repeated_nor_given_up(connect):
    """Nobody knows whether it arrived: reconciliation finds out. A kill in the same place is repeated."""
    with FakeMesos() as mesos:
        mesos.answer = lambda call: None if len(mesos.calls) in (1, 2) else (202, "")
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.open_claim(claim(offer()), **RUN)
        link.kill("c-1", "A-1", 1)
        mesos.await_call("KILL")
        link.revive()
        mesos.await_call("REVIVE")
        assert len(mesos.of("ACCEPT")) == 1
        assert seen.of(events.LaunchDropped) == []
        link.stop(False, 8)
        assert len(mesos.of("KILL")) == 2


def test_an_idle_connection_that_was_closed_costs_nothing(connect):
    """A master may close the keep-alive connection of the calls between two calls: the next launch goes through."""
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.revive()
        mesos.await_call("REVIVE")
        mesos._socks[-1].shutdown(2)
        wait_until(lambda: link._driver._caller._stale())
        link.open_claim(claim(offer()), **RUN)
        mesos.await_call("ACCEPT")


def test_more_than_the_offers_hold_is_reported(connect):
    """A claim that does not fit its offers is dropped, and the offers go back."""
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.open_claim(claim(offer(), memory_mb=4096), **RUN)
        assert "lack 64 of mem" in seen.wait(events.LaunchDropped).reason
        assert mesos.await_call("DECLINE")["decline"]["offer_ids"] == [{"value": "O-1"}]


# --- offers and launches, pure ---
def test_only_usable_resources_are_counted():
    """Ours and nobody's; not others', revocable ones, volumes, shared ones, or those of a resource provider."""
    raw = [scalar("cpus", 1), scalar("cpus", 2, role="r"), scalar("cpus", 4, role="other"),
           scalar("cpus", 8, revocable={}), scalar("disk", 100),
           scalar("disk", 200, disk={"source": {"type": "MOUNT"}}),
           scalar("disk", 400, shared={}), scalar("mem", 10, reservations=[{"role": "r"}]),
           scalar("mem", 20, reservations=[{"role": "other"}]), scalar("mem", 40, provider_id={"value": "x"}),
           scalar("bandwidth", 5), scalar("bandwidth", 1, role="r"), scalar("bandwidth", 7, revocable={}),
           scalar("a\x1b[1mb", 5), scalar("memory_mb", 5),
           {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}},
           {"name": "ids", "type": "SET", "set": {"item": ["x"]}}]
    assert translate.sum_usable(raw, "r") == Resources(3, 10, 100, 0, named({"bandwidth": 6, "ports": 9, "ids": 1}))
    assert translate.sum_usable(raw, "*") == Resources(1, 0, 100, 0, named({"bandwidth": 5, "ports": 9, "ids": 1}))


def items(name, *some, **more):
    return {"name": name, "type": "SET", "set": {"item": list(some)}, "role": "*", **more}


def test_sets_and_ranges_are_accepted_by_id():
    """The items that the claim was given, each piece with its own role and reservation; what is reserved for us comes
    first, and what is no id is not counted."""
    ports = {"name": "ports", "type": "RANGES", "role": "*", "ranges": {"range": [
        {"begin": 1, "end": 3}, {"begin": 9, "end": 9}]}}
    mine = {**ports, "ranges": {"range": [{"begin": 5, "end": 6}]}, "reservations": [{"role": "r", "type": "STATIC"}]}
    raw = [scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 100), ports, mine,
           items("fpgas", "f1", "f0", "a,b"), items("fpgas", "f9", reservations=[{"role": "r"}]),
           items("fpgas", "x", reservations=[{"role": "other"}])]
    made = claim(offer(resources=raw), role="r")
    assert made.offers[0].items == (("ports", ((5, 6), (1, 3), (9, 9))), ("fpgas", ("f9", "f0", "f1")))
    assert dict(made.offers[0].resources.others) == {"ports": 6, "fpgas": 3}
    ids = (("ports", ("5", "6", "1", "2", "9")), ("fpgas", ("f9", "f0")))
    others = named({"ports": 5, "fpgas": 2})
    taken = task_of(accept(replace(made, resources=made.resources._replace(others=others), ids=ids),
                           role="r"))["resources"]
    assert [r for r in taken if r["name"] == "ports"] == [
        {**mine, "ranges": {"range": [{"begin": 5, "end": 6}]}},
        {**ports, "ranges": {"range": [{"begin": 1, "end": 2}, {"begin": 9, "end": 9}]}}]
    assert [(r.get("reservations"), r["set"]["item"]) for r in taken if r["name"] == "fpgas"] == [
        ([{"role": "r"}], ["f9"]), (None, ["f0"])]
    with pytest.raises(ValueError, match="lack 1 of fpgas"):
        accept(replace(made, ids=(("fpgas", ("x", "f0")),)), role="r")


def test_other_scalars_are_accepted_by_name():
    """As many as the claim holds, with their roles: what is reserved for us first."""
    raw = [scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 100), scalar("licences", 2),
           scalar("licences", 1, role="r"), scalar("bandwidth", 10)]
    made = claim(offer(resources=raw), role="r")
    assert made.offers[0].resources.others == named({"licences": 3, "bandwidth": 10})
    action = replace(made, resources=made.resources._replace(others=named({"licences": 2})))
    taken = task_of(accept(action, role="r"))["resources"]
    assert [(r["role"], r["scalar"]["value"]) for r in taken if r["name"] == "licences"] == [("r", 1), ("*", 1)]
    assert not [r for r in taken if r["name"] == "bandwidth"]
    with pytest.raises(ValueError, match="lack 1 of licences"):
        accept(replace(made, resources=made.resources._replace(others=named({"licences": 4}))), role="r")


def test_attributes_and_maintenance_are_read():
    """Text, scalars, ranges and sets; the beginning of the window in seconds."""
    read = translate.offer(offer(
        unavailability={"start": {"nanoseconds": 1_500_000_000}},
        attributes=[{"name": "a", "type": "TEXT", "text": {"value": "x"}},
                    {"name": "b", "type": "SCALAR", "scalar": {"value": 2.5}},
                    {"name": "c", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}},
                    {"name": "d", "type": "SET", "set": {"item": ["p", "q"]}}]), "*")
    assert read.attributes == {"a": "x", "b": "2.5", "c": "1-2", "d": "p,q"}
    assert read.unavailable_from == 1.5
    assert read.resources == Resources(4, 4096, 10000, 0, named({"ports": 9}))
    assert read.items == (("ports", ((1, 9),)),)


def test_several_offers_of_one_agent_are_accepted_together():
    """All are named, and their resources add up, whatever the share of each."""
    accepted = accept(claim(offer(1), offer(2), cores=7.5, memory_mb=5000))
    assert accepted["offer_ids"] == [{"value": "O-1"}, {"value": "O-2"}]
    task = task_of(accepted)
    total = translate.sum_usable(task["resources"] + task["executor"]["resources"], "*")
    assert total == Resources(7.5, 5064, 10)


def test_reservations_and_allocation_are_kept():
    """What was reserved for us is taken first, and named as it was offered."""
    mine = scalar("cpus", 2, role="r", allocation_info={"role": "r"}, reservation={"principal": "p"})
    raw = offer(resources=[scalar("cpus", 2, allocation_info={"role": "r"}), mine, scalar("mem", 500)])
    task = task_of(accept(claim(raw, cores=3, disk_mb=0, role="r"), role="r"))
    assert [r for r in task["resources"] if r["name"] == "cpus"] == [
        mine, scalar("cpus", 1.0, allocation_info={"role": "r"})]


def test_the_task_is_as_mesos_wants_it():
    """Ids, data, the archive, grace periods; the executor asks for memory only, so that all cores are for tasks."""
    accepted = accept(claim(offer(), cores=4), user="me")
    task = task_of(accepted)
    assert task["task_id"] == task["executor"]["executor_id"] == {"value": "c-1"}
    assert task["data"] == "AGRhdGE="
    assert task["kill_policy"]["grace_period"]["nanoseconds"] == 5e9
    assert task["executor"]["shutdown_grace_period"]["nanoseconds"] == 5e9
    assert task["executor"]["command"] == {
        "value": "run me", "shell": True, "user": "me",
        "uris": [{"value": "http://h/x.tar.gz", "extract": True, "cache": True}]}
    assert [r["name"] for r in task["executor"]["resources"]] == ["mem"]


def test_zookeeper_leads_to_the_master(connect):
    """No leader: Disconnected with that reason. A leader: Registered. Another: a new connection to that one."""
    from mfmesos.mesos.master_link import FrameworkSettings, MesosLink

    tell = []

    class Watch:
        def __init__(self, masters, found):
            tell.append(found)

        def start(self):
            pass

        def stop(self):
            pass

    seen = []
    with FakeMesos() as one, FakeMesos() as two:
        link = MesosLink("zk://a/m", FrameworkSettings("n", "u", "h"), seen.append, watch=Watch)
        link.start()
        tell[0](None, "nobody leads")
        assert "nobody leads" in seen[0].reason
        tell[0](one.address, "")
        wait_until(lambda: seen[-1] == events.Registered("F-1", one.address))
        tell[0](two.address, "")
        wait_until(lambda: seen[-1] == events.Registered("F-1", two.address))
        tell[0](None, "nobody leads")
        wait_until(lambda: not link.connected)
        link.stop(False, 1)


def test_events_arrive_while_a_call_waits_for_its_answer(connect):
    """A slow master holds up the calls, not the events; pymesos holds one lock for both. And stop stays bounded."""
    release, called = threading.Event(), threading.Event()

    def talk(s):
        s.subscribed()
        called.wait(5)
        s.send(offers(offer(1)))
        s.hold()

    def slow(call):
        called.set()
        release.wait(10)
        return (202, "")

    with FakeMesos(talk) as mesos:
        mesos.answer = slow
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.revive()
        seen.wait(events.OffersReceived)
        began = time.monotonic()
        link.stop(True, 0.3)
        assert time.monotonic() - began < 9
        release.set()


@pytest.mark.parametrize(("answer", "tls"), [
    (b"\x15\x03\x03\x00\x02\x02\x28", True), (b"HTTP/1.1 400 Bad\r\n\r\n", False), (b"", False)])
def test_tls_is_told_from_http(answer, tls):
    """From the peer's answer to a TLS greeting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            sock, _ = listener.accept()
            with sock:
                sock.recv(4096)
                sock.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert speaks_tls(listener.getsockname()[:2], 2.0) is tls
        thread.join(5)
