"""What both clusters do with tasks and executors; where they differ, the embedded one is wrong."""
from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import sys
import tarfile
from pathlib import Path

import pytest
from rawclient import EXECUTOR, Framework, amount, executor, task
from support import wait_until

PARTITION = ("PARTITION_AWARE",)


def sandbox_of(cluster, framework, made):
    executor_id = made["executor"]["executor_id"]["value"]
    found = [p for p in cluster.sandboxes() if f"/frameworks/{framework.id}/executors/{executor_id}/runs/" in str(p)]
    assert len(found) == 1
    return found[0]


def test_task_finishes(cluster):
    """RUNNING and FINISHED arrive in this order with the executor's message, data, agent and a uuid."""
    with Framework(cluster.master) as f:
        made = f.run("finish")
        running = f.state(made)
        assert (running["state"], running["message"], running["source"]) == (
            "TASK_RUNNING", "here we go", "SOURCE_EXECUTOR")
        assert running["agent_id"] == made["agent_id"]
        assert len(base64.b64decode(running["uuid"])) == 16
        assert running["container_status"]["container_id"]["value"]
        finished = f.state(made)
        assert finished["state"] == "TASK_FINISHED"
        assert base64.b64decode(finished["data"]) == b"result"


def test_next_update_waits_for_the_acknowledgement(cluster):
    """The second update of a task is held back until the first is acknowledged."""
    with Framework(cluster.master, auto_acknowledge=False) as f:
        made = f.run("finish")
        running = f.state(made)
        assert running["state"] == "TASK_RUNNING"
        f.nothing("UPDATE", seconds=1.0)
        f.acknowledge(running)
        assert f.state(made, timeout=8)["state"] == "TASK_FINISHED"


def test_unacknowledged_update_is_sent_again(cluster):
    """An update that is not acknowledged comes again after about 10 s, the same."""
    with Framework(cluster.master, auto_acknowledge=False) as f:
        made = f.run()
        first = f.state(made)
        again = f.state(made, timeout=14)
        assert (first["uuid"], first["state"]) == (again["uuid"], again["state"])
        f.acknowledge(again)
        f.kill(made)
        assert f.state(made)["state"] == "TASK_KILLED"


def test_resources_return(cluster):
    """A finished task's resources are offered again while its executor lives; the executor's with its end."""
    with Framework(cluster.master) as f:
        made = f.run("finish", cpus=2)
        f.state(made, "TASK_FINISHED")
        f.call("SHUTDOWN", shutdown={"agent_id": made["agent_id"], "executor_id": made["executor"]["executor_id"]})
        f.wait("FAILURE")
        for event in f.seen:
            for offer in event.get("offers", {}).get("offers", ()):
                f.decline(offer, 0)
        while True:
            offer = f.offer(cpus=4)
            if offer["agent_id"] == made["agent_id"]:
                return
            f.decline(offer, 100)


def test_kill(cluster):
    """KILL reaches the executor with its policy."""
    with Framework(cluster.master) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        f.kill(made, kill_policy={"grace_period": {"nanoseconds": 2000000000}})
        status = f.state(made)
        assert status["state"] == "TASK_KILLED"
        assert "2000000000" in status["message"]


def test_kill_of_an_unknown_task(cluster):
    """It is answered as a reconciliation of that task."""
    with Framework(cluster.master, capabilities=PARTITION) as f:
        offer = f.offer(cpus=1)
        unknown = {"task_id": {"value": "unknown"}, "agent_id": offer["agent_id"]}
        f.kill(unknown)
        status = f.state(unknown)
        assert (status["state"], status["reason"]) == ("TASK_GONE", "REASON_RECONCILIATION")


def test_kill_while_the_executor_starts(cluster):
    """A task that its executor never saw is killed by the agent."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=1)
        made = task(offer)
        made["executor"]["command"]["value"] = "exec sleep 30"
        f.launch([offer], [made])
        wait_until(lambda: any(t["id"] == made["task_id"]["value"] for x in cluster.get("/state")["frameworks"]
                               for t in x["tasks"]), 5, "the task")
        wait_until(cluster.processes, 20, "the executor")
        f.kill(made)
        status = f.state(made)
        assert (status["state"], status["source"]) == ("TASK_KILLED", "SOURCE_AGENT")
        assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
    wait_until(lambda: not cluster.processes(), 12, "the end of the executor")


def test_one_of_two_tasks_is_killed_while_their_executor_starts(cluster, tmp_path):
    """Its room is offered at once, and the executor runs the other when it has started."""
    gate = tmp_path / "go"
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=4)
        info = executor("of-two")
        info["command"]["value"] = f"until [ -e {gate} ]; do sleep 0.05; done; {info['command']['value']}"
        stays, leaves = (task(offer, cpus=cpus, executor_info=info) for cpus in (1, 2))
        f.launch([offer], [stays, leaves])
        wait_until(cluster.processes, 20, "the executor")
        f.kill(leaves)
        status = f.state(leaves)
        assert (status["state"], status["reason"]) == ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH")
        f.call("REVIVE")
        while (found := f.offer(cpus=2))["agent_id"] != offer["agent_id"]:
            f.decline(found, 100)
        gate.touch()
        f.state(stays, "TASK_RUNNING")
        f.kill(stays)
        assert f.state(stays)["state"] == "TASK_KILLED"


@pytest.mark.parametrize(("do", "wait_status"), [("exit 3", 3 << 8), ("die", None)])
def test_executor_ends_with_a_running_task(cluster, do, wait_status):
    """FAILURE names the executor and how it ended; its task is TASK_FAILED, REASON_EXECUTOR_TERMINATED."""
    with Framework(cluster.master) as f:
        made = f.run(do)
        f.state(made, "TASK_RUNNING")
        failure = f.wait("FAILURE")["failure"]
        assert failure["executor_id"] == made["executor"]["executor_id"]
        assert failure["agent_id"] == made["agent_id"]
        assert failure["status"] == wait_status if wait_status else failure["status"] != 0
        status = f.state(made)
        assert (status["state"], status["reason"], status["source"]) == (
            "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "SOURCE_AGENT")
        assert status["uuid"]


def test_command_that_is_not_there(cluster):
    """An executor that cannot start fails its task."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=1)
        made = task(offer)
        made["executor"]["command"]["value"] = "/nonexistent/executor"
        f.launch([offer], [made])
        status = f.state(made)
        assert (status["state"], status["reason"]) == ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED")


def test_uri_that_is_not_there(cluster):
    """A URI that cannot be fetched fails the task, with the reason."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=1)
        made = task(offer)
        made["executor"]["command"]["uris"] = [{"value": "/nonexistent/file"}]
        f.launch([offer], [made])
        status = f.state(made)
        assert (status["state"], status["reason"]) == ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED")
        assert "Failed to fetch all URIs" in status["message"]


def tell(framework, made):
    message = framework.wait("MESSAGE")["message"]
    assert message["executor_id"] == made["executor"]["executor_id"]
    assert message["agent_id"] == made["agent_id"]
    return json.loads(base64.b64decode(message["data"]))


def test_environment_and_sandbox(cluster):
    """An executor runs in its sandbox, in a session of its own, with the variables of Mesos; files are as requested."""
    with Framework(cluster.master, checkpoint=True) as f:
        offer = f.offer(cpus=1)
        made = task(offer, "tell")
        made["executor"]["command"]["environment"] = {"variables": [{"name": "EXTRA", "value": "a b"}]}
        f.launch([offer], [made])
        told = tell(f, made)
        env = told["env"]
        sandbox = sandbox_of(cluster, f, made)
        assert Path(told["cwd"]) == sandbox
        assert env["MESOS_SANDBOX"] == env["MESOS_DIRECTORY"] == env["PWD"] == str(sandbox)
        assert env["MESOS_FRAMEWORK_ID"] == f.id
        assert env["MESOS_EXECUTOR_ID"] == made["executor"]["executor_id"]["value"]
        assert env["MESOS_SLAVE_ID"] == made["agent_id"]["value"]
        assert env["MESOS_AGENT_ENDPOINT"] in cluster.agents
        assert env["MESOS_CHECKPOINT"] == "1"
        assert env["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "5secs"
        assert "secs" in env["MESOS_RECOVERY_TIMEOUT"] or "mins" in env["MESOS_RECOVERY_TIMEOUT"]
        assert env["EXTRA"] == "a b"
        assert {"PATH", "LIBPROCESS_PORT", "MESOS_SLAVE_PID", "MESOS_SUBSCRIPTION_BACKOFF_MAX"} <= set(env)
        assert told["files"] == ["stderr", "stdout"]
        assert told["sid"] != os.getsid(0)
        assert told["sid"] == told["pgid"]


def test_non_shell_command(cluster):
    """Without a shell the arguments are passed as they are."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=1)
        made = task(offer, "tell")
        made["executor"]["command"] = {"shell": False, "value": sys.executable,
                                       "arguments": [sys.executable, "-S", str(EXECUTOR), "$HOME *"]}
        f.launch([offer], [made])
        told = tell(f, made)
        assert Path(f"/proc/{told['pid']}/cmdline").read_bytes().split(b"\0")[-2] == b"$HOME *"


def test_uris(cluster, tmp_path):
    """Archives are unpacked, executables can be executed, output_file names the file; from the cache as well."""
    (tmp_path / "inner.txt").write_text("in the archive")
    archive = tmp_path / "things.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "inner.txt", "folder/inner.txt")
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\necho ran\n")
    with Framework(cluster.master) as f:
        for cache in (False, True, True):
            offer = f.offer(cpus=1)
            made = task(offer, "tell")
            made["executor"]["command"]["uris"] = [
                {"value": str(archive), "cache": cache}, {"value": f"file://{script}", "executable": True,
                                                          "cache": cache},
                {"value": str(tmp_path / "inner.txt"), "output_file": "renamed.txt", "cache": cache},
                {"value": str(archive), "extract": False, "cache": cache, "output_file": "kept.tar.gz"}]
            f.launch([offer], [made])
            files = set(tell(f, made)["files"])
            assert {"folder", "script.sh", "renamed.txt", "kept.tar.gz", "stdout", "stderr"} <= files
            sandbox = sandbox_of(cluster, f, made)
            assert (sandbox / "folder" / "inner.txt").read_text() == "in the archive"
            assert os.access(sandbox / "script.sh", os.X_OK)
            assert not os.access(sandbox / "renamed.txt", os.X_OK)


def test_messages_both_ways(cluster):
    """A message reaches the executor, and its answer the framework."""
    with Framework(cluster.master) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        f.call("MESSAGE", message={"agent_id": made["agent_id"], "executor_id": made["executor"]["executor_id"],
                                   "data": base64.b64encode(b"hello").decode()})
        message = f.wait("MESSAGE")["message"]
        assert base64.b64decode(message["data"]) == b"echo:hello"


def test_shutdown_of_an_executor(cluster):
    """SHUTDOWN lets the executor report how its tasks end, and its end is reported."""
    with Framework(cluster.master) as f:
        made = f.run()
        f.state(made, "TASK_RUNNING")
        f.call("SHUTDOWN", shutdown={"agent_id": made["agent_id"], "executor_id": made["executor"]["executor_id"]})
        assert f.state(made)["state"] == "TASK_KILLED"
        failure = f.wait("FAILURE")["failure"]
        assert failure["status"] == 0


def test_stubborn_executor_is_killed(cluster):
    """After SHUTDOWN and the grace period of 5 s, SIGKILL ends the executor with all that it started."""
    with Framework(cluster.master) as f:
        made = f.run("stubborn")
        f.state(made, "TASK_RUNNING")
        f.call("SHUTDOWN", shutdown={"agent_id": made["agent_id"], "executor_id": made["executor"]["executor_id"]})
        f.nothing("FAILURE", seconds=3.5)
        failure = f.wait("FAILURE", timeout=8)["failure"]
        assert failure["status"] != 0
        assert f.state(made)["reason"] == "REASON_EXECUTOR_TERMINATED"


def test_nothing_of_an_executor_is_left(cluster):
    """Background children, in the executor's session or out of it by setsid, die with the executor."""
    with Framework(cluster.master) as f:
        made = f.run("shell sleep 300 & setsid sleep 301 & sleep 302")
        f.state(made, "TASK_RUNNING")
        wait_until(lambda: len(cluster.processes()) >= 4, 20, "all processes")
        f.call("SHUTDOWN", shutdown={"agent_id": made["agent_id"], "executor_id": made["executor"]["executor_id"]})
        wait_until(lambda: not cluster.processes(), 12, "their end")


def test_explicit_reconciliation(cluster):
    """Each task asked about is answered: its state, or what an unknown one must be."""
    with Framework(cluster.master, capabilities=PARTITION) as f:
        made = f.run()
        running = f.state(made, "TASK_RUNNING")
        asked = [made, {"task_id": {"value": "no-agent"}},
                 {"task_id": {"value": "this-agent"}, "agent_id": made["agent_id"]},
                 {"task_id": {"value": "other-agent"}, "agent_id": {"value": "never-was"}}]
        f.reconcile(*asked)
        found = [f.state(one) for one in asked]
        assert [s["state"] for s in found] == ["TASK_RUNNING", "TASK_UNKNOWN", "TASK_GONE", "TASK_UNKNOWN"]
        assert {s["reason"] for s in found} == {"REASON_RECONCILIATION"}
        assert {s["source"] for s in found} == {"SOURCE_MASTER"}
        assert not any("uuid" in s for s in found)
        assert found[0]["container_status"]["container_id"] == running["container_status"]["container_id"]


def test_reconciliation_without_partition_awareness(cluster):
    """A framework without PARTITION_AWARE is sent TASK_LOST."""
    with Framework(cluster.master) as f:
        unknown = {"task_id": {"value": "gone"}}
        f.reconcile(unknown)
        assert f.state(unknown)["state"] == "TASK_LOST"


def test_implicit_reconciliation(cluster):
    """With no task named, the state of every task that has not ended is sent."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=2)
        shared = executor("both")
        tasks = [task(offer, executor_info=shared), task(offer, executor_info=shared)]
        f.launch([offer], tasks)
        done = f.run("finish")
        f.state(done, "TASK_FINISHED")
        wait_until(lambda: done["task_id"]["value"] in [
            t["id"] for x in cluster.get("/state")["frameworks"] for t in x["completed_tasks"]], 5)
        f.reconcile()
        told = set()
        while len(told) < 2:
            status = f.wait("UPDATE")["update"]["status"]
            if status.get("reason") == "REASON_RECONCILIATION":
                assert status["state"] == "TASK_RUNNING"
                told.add(status["task_id"]["value"])
        assert told == {t["task_id"]["value"] for t in tasks}
        f.nothing("UPDATE", seconds=0.5)


def test_many_tasks_in_one_launch(cluster):
    """One ACCEPT launches many tasks, in one executor."""
    with Framework(cluster.master) as f:
        offer = f.offer(cpus=4)
        shared = executor("all")
        tasks = [task(offer, "finish", executor_info=shared, cpus=0.05) for _ in range(20)]
        f.launch([offer], tasks)
        finished = set()
        while len(finished) < 20:
            status = f.wait("UPDATE")["update"]["status"]
            if status["state"] == "TASK_FINISHED":
                finished.add(status["task_id"]["value"])
        assert len([p for p in cluster.sandboxes() if f.id in str(p)]) == 1


def test_executor_reconnects(cluster):
    """An executor that connects again replaces its old stream and continues."""
    with Framework(cluster.master, checkpoint=True) as f:
        made = f.run("tell")
        told = tell(f, made)
        # A second subscriber takes the place of the first, which then subscribes again itself.
        host, port = told["env"]["MESOS_AGENT_ENDPOINT"].split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        ids = {"framework_id": {"value": f.id}, "executor_id": made["executor"]["executor_id"]}
        connection.request("POST", "/api/v1/executor", json.dumps({
            **ids, "type": "SUBSCRIBE", "subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": []}}),
            {"Content-Type": "application/json", "Accept": "application/json"})
        answer = connection.getresponse()
        event = json.loads(answer.read(int(answer.readline())))
        assert event["type"] == "SUBSCRIBED"
        subscribed = event["subscribed"]
        assert subscribed["executor_info"]["executor_id"] == made["executor"]["executor_id"]
        assert subscribed["framework_info"]["id"]["value"] == f.id
        assert subscribed["agent_info"]["id"] == made["agent_id"]
        with contextlib.suppress(OSError):
            connection.sock.close()
        connection.close()
        stdout = sandbox_of(cluster, f, made) / "stdout"
        wait_until(lambda: stdout.read_text().count("SUBSCRIBED") >= 2, 10, "the executor to subscribe again")
        f.kill(made)
        assert f.state(made, "TASK_KILLED")


def test_files_of_a_sandbox(cluster):
    """/files shows what is in a sandbox, during and after a run, and nothing else."""
    with Framework(cluster.master) as f:
        made = f.run("shell echo 'hello sandbox' > out.txt; ln -s /etc/passwd link")
        f.state(made, "TASK_FINISHED")
        sandbox = sandbox_of(cluster, f, made)
        agent = next(i for i, a in enumerate(cluster.agent_ids()) if a == made["agent_id"]["value"])
        address = cluster.agents[agent]
        names = [Path(e["path"]).name for e in cluster.get(f"/files/browse?path={sandbox}", agent)]
        assert {"out.txt", "stdout", "stderr"} <= set(names)
        assert cluster.request(address, f"/files/download?path={sandbox}/out.txt") == (200, b"hello sandbox\n")
        read = cluster.get(f"/files/read?path={sandbox}/out.txt&offset=6&length=7", agent)
        assert read == {"data": "sandbox", "offset": 6}
        assert cluster.request(address, "/files/download?path=/etc/passwd")[0] == 404
        up = "../" * 20
        assert cluster.request(address, f"/files/download?path={sandbox}/{up}etc/passwd")[0] in (400, 404)


def test_two_agents_run_side_by_side(cluster):
    """Tasks land on the agents whose offers were accepted."""
    with Framework(cluster.master) as f:
        made = []
        while len(made) < 2:
            for offer in f.wait("OFFERS")["offers"]["offers"]:
                if len(made) < 2 and amount(offer, "cpus") == 4.0:
                    made.append(task(offer))
                    f.launch([offer], [made[-1]], refuse_s=100)
        ran = {}
        while len(ran) < 2:
            status = f.wait("UPDATE")["update"]["status"]
            ran[status["task_id"]["value"]] = status["agent_id"]
        assert ran == {t["task_id"]["value"]: t["agent_id"] for t in made}
        assert len({t["agent_id"]["value"] for t in made}) == 2


def test_sigterm_to_an_executor(cluster):
    """An executor that exits 0 with a task running has failed that task, too."""
    with Framework(cluster.master) as f:
        made = f.run("tell")
        pid = tell(f, made)["pid"]
        os.kill(pid, signal.SIGTERM)
        status = f.state(made, "TASK_FAILED")
        assert status["reason"] == "REASON_EXECUTOR_TERMINATED"
