"""The executor's driver: each hazard of pymesos's, and what the agent may do."""
from __future__ import annotations

import os
import threading
import uuid
from base64 import b64decode, b64encode

import pytest
from fake_mesos import FakeMesos
from pymesos.executor import MesosExecutorDriver
from support import wait_until

from mfmesos.mesos.executor_driver import ExecutorDriver, ExecutorEvents, ExecutorRefused
from mfmesos.mesos.stream import Timing

FAST = Timing(connect_s=0.4, reply_s=2, first_backoff_s=0.05, most_backoff_s=0.2, call_s=2)


class Log(ExecutorEvents):
    """Records the driver's callbacks; may fail on purpose."""

    def __init__(self, fail=False):
        self.said = []
        self.fail = fail

    def note(self, *what):
        self.said.append(what)
        if self.fail:
            raise OSError("a bug in the executor")

    def on_launch(self, task_id, data):
        self.note("launch", task_id, data)

    def on_kill(self, task_id, grace_s):
        self.note("kill", task_id, grace_s)

    def on_shutdown(self):
        self.note("shutdown")

    def on_connected(self):
        self.note("connected")

    def on_disconnected(self):
        self.note("disconnected")

    def on_lost(self, reason):
        self.note("lost", reason)

    def wait(self, *what, timeout=10):
        return wait_until(lambda: [s for s in self.said if s[:len(what)] == what], timeout, f"{what}")[0]


def environment(address, **more):
    return {"MESOS_AGENT_ENDPOINT": address, "MESOS_FRAMEWORK_ID": "F-1", "MESOS_EXECUTOR_ID": "c-1",
            "MESOS_CHECKPOINT": "1", **more}


@pytest.fixture
def drive():
    """Start a driver; it is stopped at the end."""
    drivers = []

    def start(address, fail=False, **more):
        log = Log(fail)
        driver = ExecutorDriver(log, environment(address, **more), timing=FAST)
        driver.start()
        drivers.append(driver)
        return driver, log

    yield start
    for driver in drivers:
        driver.stop()


def launch(task_id="c-1", data=b"\x01data"):
    return {"type": "LAUNCH", "launch": {"task": {
        "task_id": {"value": task_id}, "data": b64encode(data).decode()}}}


def acknowledge(update):
    status = update["status"]
    return {"type": "ACKNOWLEDGED", "acknowledged": {"task_id": status["task_id"], "uuid": status["uuid"]}}


def serve(*events, hold=True):
    def script(s):
        s.subscribed()
        for event in events:
            s.send(event)
        if hold:
            s.hold()
    return script


def states(agent):
    return [u["update"]["status"]["state"] for u in agent.of("UPDATE")]


def test_a_task_from_launch_to_the_last_acknowledgement(drive):
    """Data decoded; updates in order with what Mesos wants of them; wait_acknowledged waits for the agent's word."""
    with FakeMesos(serve(launch())) as agent:
        driver, log = drive(agent.address)
        assert log.wait("launch") == ("launch", "c-1", b"\x01data")
        driver.update("c-1", "TASK_STARTING")
        driver.update("c-1", "TASK_FAILED", message="why", reason="REASON_X", healthy=False)
        agent.await_call("UPDATE", 2)
        assert states(agent) == ["TASK_STARTING", "TASK_FAILED"]
        call = agent.of("UPDATE")[1]
        assert (call["executor_id"], call["framework_id"]) == ({"value": "c-1"}, {"value": "F-1"})
        status = call["update"]["status"]
        assert (status["message"], status["reason"], status["healthy"]) == ("why", "REASON_X", False)
        assert status["source"] == "SOURCE_EXECUTOR"
        assert uuid.UUID(bytes=b64decode(status["uuid"])).version == 4
        assert driver.wait_acknowledged(0.05) is False
        for update in agent.of("UPDATE"):
            agent.subscriptions[0].send(acknowledge(update["update"]))
        assert driver.wait_acknowledged(5)


def test_unacknowledged_updates_and_tasks_are_sent_again(drive):
    """SUBSCRIBE after a reconnect names them; what was acknowledged is not in it."""
    drop = threading.Event()

    def first(s):
        s.subscribed()
        s.send(launch())
        drop.wait(5)

    with FakeMesos(first, serve()) as agent:
        driver, log = drive(agent.address)
        log.wait("launch")
        driver.update("c-1", "TASK_STARTING")
        driver.update("c-1", "TASK_RUNNING")
        agent.await_call("UPDATE", 2)
        drop.set()
        again = agent.await_subscriptions(2).body["subscribe"]
        assert [u["status"]["state"] for u in again["unacknowledged_updates"]] == ["TASK_STARTING", "TASK_RUNNING"]
        assert [t["task_id"]["value"] for t in again["unacknowledged_tasks"]] == ["c-1"]
        log.wait("disconnected")
        for update in again["unacknowledged_updates"]:
            agent.subscriptions[1].send(acknowledge(update))
        assert driver.wait_acknowledged(5)
        assert len(agent.of("UPDATE")) == 2


def test_plain_pymesos_never_resends_and_loses_updates(monkeypatch):
    """The hazards are real: `updates` stays empty, sent or not; disconnected means an exception and no update."""
    for name, value in environment("127.0.0.1:1", MESOS_CHECKPOINT="0").items():
        monkeypatch.setenv(name, value)
    plain = MesosExecutorDriver(None)
    assert plain.checkpoint is True
    with pytest.raises(RuntimeError):
        plain.sendStatusUpdate({"task_id": {"value": "c-1"}, "state": "TASK_FINISHED"})
    monkeypatch.setattr(plain, "_send", lambda body: None)
    plain.sendStatusUpdate({"task_id": {"value": "c-1"}, "state": "TASK_FINISHED"})
    assert plain.updates == {}


def test_an_update_while_disconnected_is_kept(drive):
    """It is in the next SUBSCRIBE, and is not sent a second time."""
    back = threading.Event()
    with FakeMesos(serve(hold=False), lambda s: s.answer(503), serve()) as agent:
        agent.scripts[1] = lambda s: (back.wait(5), s.answer(503))
        driver, log = drive(agent.address)
        log.wait("disconnected")
        agent.await_subscriptions(2)
        driver.update("c-1", "TASK_FINISHED")
        back.set()
        again = agent.await_subscriptions(3).body["subscribe"]
        assert [u["status"]["state"] for u in again["unacknowledged_updates"]] == ["TASK_FINISHED"]
        wait_until(lambda: driver.connected)
        driver.update("c-1", "TASK_LOST")
        agent.await_call("UPDATE")
        assert states(agent) == ["TASK_LOST"]


def test_an_update_that_the_agent_could_not_take_is_sent_again(drive):
    """503, or no answer: sent again. 400: logged, and the next update is sent."""
    with FakeMesos(serve()) as agent:
        agent.answer = lambda call: {1: (503, ""), 2: None, 4: (400, "odd")}.get(len(agent.calls), (202, ""))
        driver, log = drive(agent.address)
        log.wait("connected")
        driver.update("c-1", "TASK_STARTING")
        driver.update("c-1", "TASK_RUNNING")
        driver.update("c-1", "TASK_FINISHED")
        agent.await_call("UPDATE", 5)
        assert states(agent) == ["TASK_STARTING"] * 3 + ["TASK_RUNNING", "TASK_FINISHED"]


@pytest.mark.parametrize("checkpoint", ["0", "", "false"])
def test_without_checkpointing_a_lost_agent_is_the_end(drive, checkpoint):
    """MESOS_CHECKPOINT=0 means no; the executor is notified, and nothing is killed by force."""
    with FakeMesos(serve(hold=False)) as agent:
        driver, log = drive(agent.address, MESOS_CHECKPOINT=checkpoint)
        assert "does not checkpoint" in log.wait("lost")[1]
        wait_until(lambda: driver.aborted)
        assert len(agent.subscriptions) == 1


def test_the_recovery_timeout_is_kept(drive):
    """With checkpointing: retries, then on_lost after MESOS_RECOVERY_TIMEOUT."""
    agent = FakeMesos(serve(hold=False))
    _, log = drive(agent.address, MESOS_RECOVERY_TIMEOUT="500ms")
    log.wait("disconnected")
    agent.close()
    assert "within 0.5 s" in log.wait("lost")[1]
    assert [s[0] for s in log.said].count("lost") == 1


def test_nothing_of_the_executor_is_killed_by_the_driver(drive, monkeypatch):
    """SHUTDOWN is passed on, and the driver continues, so that the last updates reach the agent; pymesos would send
    SIGKILL to the process group."""
    monkeypatch.setattr(os, "killpg", lambda *a: pytest.fail("killpg"))
    with FakeMesos(serve({"type": "SHUTDOWN"})) as agent:
        driver, log = drive(agent.address, MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="1ms")
        log.wait("shutdown")
        driver.update("c-1", "TASK_KILLED")
        agent.await_call("UPDATE")


def test_an_exception_in_the_executor_changes_nothing(drive):
    """Each event is still delivered, on the same connection."""
    with FakeMesos(serve(launch(), launch("c-2"), {"type": "SHUTDOWN"})) as agent:
        _, log = drive(agent.address, fail=True)
        log.wait("shutdown")
        assert [s[0] for s in log.said] == ["connected", "launch", "launch", "shutdown"]
        assert len(agent.subscriptions) == 1


def test_a_repeated_launch_is_ignored(drive):
    """The first one stands; pymesos fails an assertion."""
    with FakeMesos(serve(launch(), launch(), {"type": "SHUTDOWN"})) as agent:
        _, log = drive(agent.address)
        log.wait("shutdown")
        assert [s[0] for s in log.said].count("launch") == 1


def test_kill_brings_its_policy(drive):
    """The grace period in seconds, or None."""
    policy = {"grace_period": {"nanoseconds": 2_500_000_000}}
    kills = [{"type": "KILL", "kill": {"task_id": {"value": "c-1"}, **more}} for more in ({}, {"kill_policy": policy})]
    with FakeMesos(serve(*kills)) as agent:
        _, log = drive(agent.address)
        log.wait("kill", "c-1", 2.5)
        assert ("kill", "c-1", None) in log.said


def test_odd_events_and_errors_mean_no_end(drive):
    """MESSAGE, HEARTBEAT, unknown ones: ignored. ERROR: a new SUBSCRIBE."""
    odd = [{"type": "MESSAGE", "message": {"data": "eA=="}}, {"type": "HEARTBEAT"}, {"type": "NEW", "new": {}}, {}]
    error = {"type": "ERROR", "error": {"message": "odd mood"}}
    with FakeMesos(serve(*odd, error), serve(launch())) as agent:
        _, log = drive(agent.address)
        log.wait("launch")
        assert len(agent.subscriptions) == 2


@pytest.mark.parametrize(("more", "words"), [
    ({"MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "t"}, "--no-authenticate_http_executors"),
    ({"LIBPROCESS_SSL_ENABLED": "1"}, "LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true"),
    ({"MESOS_AGENT_ENDPOINT": ""}, "MESOS_AGENT_ENDPOINT not set"),
    ({"MESOS_AGENT_ENDPOINT": "agent"}, "HOST:PORT is expected")])
def test_what_we_cannot_do_is_refused_in_plain_words(more, words):
    """One line with the cure, before anything starts."""
    with pytest.raises(ExecutorRefused, match=words) as refused:
        ExecutorDriver(Log(), environment("127.0.0.1:1", **more))
    assert "\n" not in str(refused.value)


def test_https_with_downgrade_is_fine():
    """An agent that accepts plain http as well."""
    ExecutorDriver(Log(), environment("h:1", LIBPROCESS_SSL_ENABLED="1", LIBPROCESS_SSL_SUPPORT_DOWNGRADE="true"))


def test_stop_is_bounded_while_nobody_answers(drive):
    """An agent that never answers does not hold up the end."""
    with FakeMesos(lambda s: s.hold()) as agent:
        driver, _ = drive(agent.address)
        agent.await_subscriptions(1)
        driver.stop()
        assert driver.aborted
        assert not driver._io_thread.is_alive()


def test_a_restarted_agent_is_found_within_its_patience():
    """An agent waits 2 s for its executors by default: no pause is longer than half of that, however many failed."""
    asked = []
    driver = ExecutorDriver(Log(), environment("h:1", MESOS_SUBSCRIPTION_BACKOFF_MAX="2secs"),
                            uniform=lambda low, high: asked.append(high) or high)
    pauses = [driver._pauses.next() for _ in range(50)]
    assert max(pauses) == 1.0
