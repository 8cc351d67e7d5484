"""Failures of tasks, with real makeflow on both clusters: the reason in one line, and the rest continues."""
from __future__ import annotations

import json
import os

import pytest
from clusters import cgroup_flags
from flows import Flow, nothing_stays
from support import need, wait_until

GOOD = "good: in.txt\n\tcat in.txt > good\n"


@pytest.fixture
def flow(cluster, tmp_path):
    """A folder with in.txt on each cluster; afterwards the agents are clean."""
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    with nothing_stays(cluster):
        yield made


FAILURES = [
    ("exit 3", "bad: in.txt\n\tcat in.txt > bad; echo the reason >&2; exit 3\n", ["exit", "3", "the reason"]),
    ("no output", "bad: in.txt\n\ttrue\n", ["bad", "missing"]),
    ("signal", "bad: in.txt\n\tcat in.txt > bad; kill -SEGV \\$\\$\n", ["SIGSEGV"]),
    ("memory", "CATEGORY=big\nMEMORY=60\nbad: in.txt\n"
     "\tpython3 -c 'import time; x = bytearray(200 << 20); time.sleep(20)' && touch bad\n", ["memory", "60"]),
    ("disk", "CATEGORY=big\nDISK=20\nbad: in.txt\n"
     "\tdd if=/dev/zero of=bad bs=1M count=60 && sleep 20\n", ["disk", "20"]),
    ("cores", "CATEGORY=big\nCORES=64\nbad: in.txt\n\tcat in.txt > bad\n", ["64 cores", "largest agent has 4 cores"]),
]


@pytest.mark.parametrize(("rule", "words"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
def test_a_rule_that_fails(flow, rule, words):
    """makeflow ends, exit not 0, the user reads why in one line, the good rule ran, nothing partial is left."""
    flow.write("Makeflow", GOOD + "\n" + rule)
    ended = flow.makeflow("-r", "0", "Makeflow")
    assert ended.code != 0, ended.out
    ended.line_with(*words)
    assert (flow.folder / "good").read_text() == "x\n"
    assert not (flow.folder / "bad").exists()


def test_a_missing_input_under_the_batch_runner(flow):
    """Said before anything starts, with file and line."""
    flow.write("tasks.jsonl", json.dumps({"command": "cat gone > o", "inputs": ["gone"], "outputs": ["o"]}) + "\n")
    ended = flow.run("tasks.jsonl")
    assert ended.code != 0
    ended.line_with("tasks.jsonl:1", "gone")


def test_an_input_that_vanishes(flow):
    """An input removed by a LOCAL rule after makeflow saw it: the rule fails with the name of the input."""
    flow.write("Makeflow", "gone: in.txt\n\tLOCAL cp in.txt gone\n\nmid: gone in.txt\n"
               "\tLOCAL rm gone; cp in.txt mid\n\nbad: gone mid\n\tcat gone > bad\n")
    ended = flow.makeflow("-r", "0", "Makeflow")
    assert ended.code != 0
    ended.line_with("gone")


def test_a_failed_rule_with_dependants_does_not_spin(flow):
    """makeflow -T mesos alone would loop for ever; the launcher ends it and names the rule and the reason."""
    flow.write("Makeflow", "mid: in.txt\n\techo broken >&2; exit 7\n\nend: mid\n\tcat mid > end\n\n" + GOOD)
    ended = flow.makeflow("-r", "0", "Makeflow")
    assert ended.code != 0
    ended.line_with("exit code 7", "broken")
    assert (flow.folder / "good").exists()


def test_keep_going_of_the_batch_runner(flow):
    """With --keep-going what does not depend on the failed task runs; without it nothing new starts."""
    lines = [{"command": "exit 1", "outputs": ["a"]}, {"command": "cat a > b", "inputs": ["a"], "outputs": ["b"]},
             {"command": "echo c > c", "outputs": ["c"]}]
    flow.write("tasks.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    ended = flow.run("--keep-going", "tasks.jsonl")
    assert ended.code == 1
    assert (flow.folder / "c").exists()
    ended.line_with("a", "task 1")
    state = sorted((flow.folder / "mesos_task_state").read_text().splitlines())
    assert state == ["1,failed,1", "2,failed,1", "3,finished"]


def test_retries_of_the_batch_runner(flow):
    """--retries 2: a task that fails twice and then works is finished, with one line in the state file."""
    tally = flow.folder / "tally"
    flow.write("tasks.jsonl", json.dumps({
        "command": f"echo x >> {tally}; test $(wc -l < {tally}) -ge 3 && echo ok > out", "outputs": ["out"]}) + "\n")
    ended = flow.run("--retries", "2", "tasks.jsonl")
    assert ended.code == 0, ended.out
    assert (flow.folder / "mesos_task_state").read_text() == "1,finished\n"
    assert len(tally.read_text().splitlines()) == 3


def test_the_kernel_kills_a_container_over_its_memory(make_real_mesos, tmp_path):
    """Real cgroup isolation, one claim per task: a burst past the container's memory fails that rule for memory."""
    cluster = make_real_mesos(agents=1, flags=cgroup_flags())
    flow = Flow(tmp_path / "flow", cluster)
    flow.write("tasks.jsonl", json.dumps({
        "command": "python3 -c 'x = bytearray(900 << 20); print(len(x))' > bad", "outputs": ["bad"],
        "memory": 64, "cores": 1}) + "\n" + json.dumps({"command": "echo 1 > good", "outputs": ["good"]}) + "\n")
    ended = flow.run("--claims", "per-task", "--keep-going", "tasks.jsonl")
    assert ended.code == 1, ended.out
    ended.line_with("memory")
    assert (flow.folder / "good").exists()
    assert not (flow.folder / "bad").exists()


@pytest.mark.parametrize("size", [40000, 400000])
def test_the_workflows_folder_is_full(embedded_mesos, tmp_path, size):
    """Nothing fails and nothing partial is left: the user is notified, and once room is available all tasks finish.

    With outputs that ride in the results, and with larger ones that are sent separately."""
    flow = Flow(tmp_path / "full", embedded_mesos)
    need(os.system(f"mount -t tmpfs -o size=26m none {flow.folder} 2>/dev/null") == 0,
         "a small file system could not be mounted", "run the tests as root")
    try:
        make = f"head -c {size} /dev/zero > o"
        flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
            {"command": f"{make}1", "outputs": ["o1"]},
            {"command": f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; {make}2", "outputs": ["o2"]})))
        process = flow.start("run", "--master", embedded_mesos.master, "--plain", "tasks.jsonl")
        wait_until(lambda: (flow.folder / "o1").exists(), 40, "the first output")
        ballast = flow.folder / "ballast"
        os.system(f"dd if=/dev/zero of={ballast} bs=1k 2>/dev/null")
        (tmp_path / "go").touch()
        wait_until(lambda: "no new task starts until" in flow.log(), 20, "the user to be told")
        assert not (flow.folder / "o2").exists()
        ballast.unlink()
        ended = flow.end(process, 60)
        assert ended.code == 0, ended.out
        # Noticed before the outputs are taken, or as they are written: the words differ, the cure does not.
        assert ended.line_with("disk", "no new task starts until", "free "), ended.out
        assert (flow.folder / "o2").read_bytes() == bytes(size)
    finally:
        os.system(f"umount -l {flow.folder}")


def tasks_with(flow: Flow, hostile: dict[str, object], count: int = 8) -> None:
    """A task file of innocent tasks, with a hostile one in their midst."""
    tasks: list[dict[str, object]] = [
        {"command": f"sleep 0.3; cat in.txt > o{i}", "inputs": ["in.txt"], "outputs": [f"o{i}"], "cores": 0.2,
         "memory": 50, "disk": 20} for i in range(count)]
    tasks.insert(count // 2, {"cores": 0.2, "memory": 100, "disk": 20, "outputs": ["bad"], **hostile})
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))


@pytest.mark.parametrize("command", [
    "kill -9 $PPID; sleep 1; echo > bad",
    'd=$(pwd -P); d=${d%/.mfmesos/*}/.mfmesos; rm -rf "$d"/*; sleep 1; echo > bad',
], ids=["kills its executor", "removes the executor's folder"])
def test_a_poisonous_task_fails_alone(cluster, tmp_path, command):
    """It takes the executor along each time: the innocent ones that ran beside it finish, and it fails with the reason.

    What is left on the agents is that of killed executors."""
    flow = Flow(tmp_path / "flow", cluster)
    flow.write("in.txt", "x\n")
    tasks_with(flow, {"command": command})
    ended = flow.run("--keep-going", "--plain", "tasks.jsonl")
    assert ended.code == 1, ended.out
    ended.line_with("task 5 failed", "its executor ended each of the 3 times that this task ran alone in it")
    assert [(flow.folder / f"o{i}").read_text() for i in range(8)] == ["x\n"] * 8
    assert "avoided" not in ended.out


def test_what_can_never_run_fails_at_once(flow):
    """An environment that no system takes: one attempt, the reason, and nobody else is hurt."""
    tasks_with(flow, {"command": "echo > bad", "env": {"BIG": "x" * 200_000}})
    ended = flow.run("--keep-going", "--plain", "--retries", "3", "tasks.jsonl")
    assert ended.code == 1, ended.out
    ended.line_with("task 5 failed", "BIG has 195 KB")
    assert [e["attempts"] for e in flow.report() if not e["finished"]] == [1]
    assert [(flow.folder / f"o{i}").read_text() for i in range(8)] == ["x\n"] * 8
