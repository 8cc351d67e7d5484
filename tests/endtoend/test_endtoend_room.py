"""What others leave of a cluster, and what the user reads while waiting for it: real runs on both clusters."""
from __future__ import annotations

import json
import os
import signal
import time

from flows import Flow, nothing_stays
from support import wait_until

EAT = "python3 -c 'x = b\"1\" * (45 << 20); import time; time.sleep(0.5)'"


def lines(flow: Flow, name: str, *tasks: dict[str, object]) -> None:
    flow.write(name, "".join(json.dumps(task) + "\n" for task in tasks))


def test_a_crumb_is_not_used_and_its_holder_is_named(make_cluster, tmp_path):
    """Another run holds all but 100 MB: tasks that declare nothing wait, the line names the holder, and none is tried
    twice (they used to get a few MB each and were killed)."""
    cluster = make_cluster(agents=1, resources="cpus:4;mem:3000;disk:8000")
    holder, waiter = Flow(tmp_path / "holder", cluster), Flow(tmp_path / "waiter", cluster)
    free = tmp_path / "free"
    lines(holder, "t.jsonl", {"command": f"until [ -e {free} ]; do sleep 0.1; done", "cores": 1, "memory": 2804})
    lines(waiter, "t.jsonl", *({"command": f"{EAT}; echo > o{i}", "outputs": [f"o{i}"]} for i in range(4)))
    with nothing_stays(cluster):
        first = holder.start("run", "--no-history", "--master", cluster.master, "t.jsonl")
        wait_until(lambda: "open_claim" in holder.log(), 20, "the other run's claim")
        second = waiter.start("run", "--no-history", "--plain", "--master", cluster.master, "t.jsonl")
        wait_until(lambda: "offers nothing large enough" in waiter.log(), 40, "the line")
        assert "open_claim" not in waiter.log()
        free.touch()
        done = waiter.end(second)
        assert holder.end(first).code == 0
    assert done.code == 0, done.out
    line = done.line_with("4 tasks wait: the cluster offers nothing large enough")
    assert "mfmesos holder holds 1 core and 2,900 MB memory" in line
    assert [task["attempts"] for task in waiter.report()] == [1] * 4


def test_what_is_reserved_for_another_role_is_named(make_real_mesos, tmp_path):
    """Nearly all memory of the agent is reserved: the tasks fail with that as the reason, and none is started."""
    cluster = make_real_mesos(agents=1, resources="cpus:4;mem:3000;disk:8000")
    cluster.call("RESERVE_RESOURCES", reserve_resources={
        "agent_id": {"value": cluster.agent_ids()[0]}, "resources": [{
            "name": "mem", "type": "SCALAR", "scalar": {"value": 2900},
            "reservations": [{"role": "other", "type": "DYNAMIC", "principal": "p"}]}]})
    flow = Flow(tmp_path / "flow", cluster)
    lines(flow, "t.jsonl", *({"command": f"{EAT}; echo > o{i}", "outputs": [f"o{i}"]} for i in range(2)))
    done = flow.run("--no-history", "-k", "t.jsonl")
    assert done.code == 1
    assert "2,900 of the 3,000 MB memory of agent" in done.line_with("task 1 failed", "reserved for role other")
    assert "open_claim" not in flow.log()


def test_a_stopped_executor_is_reported(embedded_mesos, tmp_path):
    """SIGSTOP to the executor: its host is named within 30 s, and again when it answers."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("Makeflow", "o:\n\tsleep 3; echo > o\n")
    run = flow.start(*flow.makeflow_argv())
    wait_until(lambda: "open_claim" in flow.log(), 30, "a claim")
    stopped = wait_until(embedded_mesos.executors, 30, "the executor")
    began = time.monotonic()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: "not been heard from" in flow.log() or "has not reported yet" in flow.log(), 35, "the line")
        took = time.monotonic() - began
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    done = flow.end(run)
    assert done.code == 0, done.out
    assert took <= 30
    done.line_with("the executor on localhost")
    done.line_with("answers again")
