"""`mfmesos cancel`, `retry`, `hold`, `release` and `set` on real runs."""
from __future__ import annotations

import json

import pytest
from flows import Flow, need_makeflow
from support import wait_until

ONE = {"cores": 1, "memory": 50, "disk": 50}


@pytest.fixture
def flow(tmp_path, embedded_mesos) -> Flow:
    return Flow(tmp_path / "flow", embedded_mesos)


def ask(flow: Flow, *argv: str, code: int = 0) -> str:
    done = flow.end(flow.start(*argv))
    assert done.code == code, done.out
    return done.out


def status(flow: Flow) -> dict:
    return json.loads(ask(flow, "status", "--json"))


def running(flow: Flow) -> list[int]:
    return [one["task"] for one in status(flow)["running"]]


def test_a_run_is_steered(flow):
    """Hold, cancel and set while one task runs; the scheduler is killed, and the next one keeps to all of it; then the
    held task is released, the failed one runs again, and what needs its output with it."""
    wait = f"until [ -e {flow.folder}/end ]; do sleep 0.1; done"
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": f"{wait}; echo 1 > one", "outputs": ["one"], **ONE},
        {"command": "echo 2 > two", "outputs": ["two"], **ONE},
        {"command": "echo 3 > three", "outputs": ["three"], **ONE},
        {"command": "cat one > four", "inputs": ["one"], "outputs": ["four"], **ONE},
        {"command": f"test -e {flow.folder}/good && echo 5 > five", "outputs": ["five"], **ONE},
        {"command": "cat five > six", "inputs": ["five"], "outputs": ["six"], **ONE},
        {"command": "cat three > seven", "inputs": ["three"], "outputs": ["seven"], **ONE},
    )))
    argv = ["run", "--master", flow.cluster.master, "-k", "--max-running", "1", "tasks.jsonl"]
    process = flow.start(*argv)
    wait_until(lambda: running(flow) == [1], 60, "the first task to run")
    assert "task 2 is held until mfmesos release 2" in ask(flow, "hold", "two")
    assert "task 3 is cancelled" in ask(flow, "cancel", "3")
    assert "task 4 now has 70 MB memory" in ask(flow, "set", "4", "--memory", "70")
    assert "if it has to run again, it has 2 cores" in ask(flow, "set", ".", "1", "--cores", "2")
    assert "task 3 has failed or was cancelled" in ask(flow, "hold", "3", code=1)
    assert "no task 77" in ask(flow, "cancel", "77", code=1)
    assert "--order priority" in ask(flow, "set", "4", "--priority", "1", code=1)
    assert "you hold it" in ask(flow, "why", "2")
    (known,) = json.loads(ask(flow, "runs", "--json"))
    assert (known["folder"], known["state"], known["total"]) == (str(flow.folder), "running", 7)

    process.kill()
    process.communicate()
    assert "no run is active" in ask(flow, "cancel", "2", code=1)
    assert "crashed" in ask(flow, "runs")
    process = flow.start(*argv)
    flow.write("end", "")
    wait_until(lambda: status(flow)["live"] and (flow.folder / "four").exists() and running(flow) == [], 60,
               "the rest to end")
    assert (flow.folder / "two").exists() is (flow.folder / "three").exists() is False
    assert "you hold it" in ask(flow, "why", "2")

    flow.write("good", "")
    assert "task 5 runs again, and 1 task that could not run without it" in ask(flow, "retry", "5")
    wait_until(lambda: (flow.folder / "six").exists(), 60, "both")
    assert "task 3 runs again, and 1 task" in ask(flow, "retry", "three", "--memory", "60")
    wait_until(lambda: (flow.folder / "seven").exists(), 60, "both")
    assert "has finished" in ask(flow, "retry", "3", code=1)
    assert "task 2 is released" in ask(flow, "release", "2")
    ended = flow.end(process)
    assert ended.code == 0, ended.out
    assert sorted((flow.folder / "mesos_task_state").read_text().splitlines()) == [
        f"{n},finished" for n in range(1, 8)]
    given = {one["task"]: one["allocation"]["memory_mb"] for one in flow.report() if one["finished"]}
    assert (given[2], given[3], given[4]) == (50, 60, 70)
    assert "2 attempts" in ask(flow, "why", "5")


def test_a_log_is_followed_live(flow):
    """Each line is there while the task runs; the rest, of a second attempt as well, when it has ended; and what an
    attempt had printed that was ended on request is kept."""
    flow.write("tasks.jsonl", json.dumps({
        "command": "echo first; echo bad >&2; until [ -e " + str(flow.folder / "go") + " ]; do sleep 0.1; done;"
                   " echo last; [ -e " + str(flow.folder / "good") + " ]", **ONE}) + "\n")
    process = flow.start("run", "--master", flow.cluster.master, "--retries", "1", "tasks.jsonl")
    wait_until(lambda: status(flow)["live"] and running(flow) == [1], 60, "the task to run")
    wait_until(lambda: sorted(flow.end(flow.start("logs", "1")).out.split()) == ["bad", "first"], 60, "its output")
    ask(flow, "retry", "1")
    follower = flow.start("logs", "1", "-f")
    read = [follower.stdout.readline().strip() for _ in range(2)]
    assert sorted(read) == ["bad", "first"]
    flow.write("go", "")
    assert flow.end(process).code == 1
    followed = flow.end(follower)
    assert followed.code == 0
    assert followed.out.split().count("last") == 2, followed.out
    assert sorted(ask(flow, "logs", "1", "--attempt", "1").split()) == ["bad", "first"]


def test_why_a_task_runs_again(flow):
    """--dry-run, the run and `why` name the reason; --keep-stale keeps what is finished."""
    flow.write("in", "1")
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": "cat in > one", "inputs": ["in"], "outputs": ["one"]},
        {"command": "cat one > two", "inputs": ["one"], "outputs": ["two"]})))
    assert flow.run("tasks.jsonl").code == 0
    flow.write("in", "22")
    assert "in changed" in flow.run("--dry-run", "tasks.jsonl").out
    assert flow.run("--keep-stale", "tasks.jsonl").code == 0
    assert (flow.folder / "two").read_text() == "1"
    again = flow.run("--rerun", "two", "tasks.jsonl")
    assert again.code == 0, again.out
    assert (flow.folder / "two").read_text() == "22"
    assert "runs again: in changed" in ask(flow, "why", "1")
    assert "runs again: --rerun" in ask(flow, "why", "two")


def test_a_rule_of_makeflow_is_cancelled(flow):
    """Its attempt is ended, and makeflow sees a failure."""
    need_makeflow()
    flow.write("Makeflow", "a:\n\tsleep 300; echo made > a\n\nb: a\n\tcat a > b\n")
    process = flow.start(*flow.makeflow_argv())
    wait_until(lambda: running(flow) == [1], 60, "the rule to run")
    said = ask(flow, "cancel", "1")
    assert "task 1 is cancelled; its attempt on" in said
    assert "makeflow sees task 1 as failed" in said
    assert "has ended, or makeflow has not submitted it" in ask(flow, "retry", "1", code=1)
    ended = flow.end(process, 60)
    assert ended.code == 1, ended.out
