"""What one task makes for the next stays where it was made."""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from flows import Flow, nothing_stays
from support import wait_until

MB = 1 << 20


def sent_bytes(flow: Flow) -> int:
    """Bytes of inputs that the staging server has sent to all executors, or that they have copied on its machine."""
    return sum(sum(map(int, found)) for found in re.findall(
        r"event=staging_ended inputs_sent_bytes=(\d+) inputs_copied_bytes=(\d+)", flow.log()))


def lines(*tasks: dict[str, object]) -> str:
    return "".join(json.dumps(task) + "\n" for task in tasks)


def test_a_chain_fetches_nothing(make_cluster, tmp_path: Path) -> None:
    """Five tasks hand on 200 MB: every output is in the folder, with its content, and no byte of them was sent to an
    executor."""
    flow = Flow(tmp_path / "flow", make_cluster(agents=1, resources="cpus:2;mem:2000;disk:8000"))
    # With a request: on a busy machine an estimate may ask for another claim.
    first = {"command": "head -c 200M /dev/zero | tr '\\0' 1 > f1", "outputs": ["f1"], "cores": 1, "memory": 300}
    rest = ({"command": f"tr {n - 1} {n} < f{n - 1} > f{n}", "inputs": [f"f{n - 1}"], "outputs": [f"f{n}"], "cores": 1,
             "memory": 300} for n in range(2, 6))
    flow.write("tasks.jsonl", lines(first, *rest))
    with nothing_stays(flow.cluster):
        ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    for n in range(1, 6):
        with open(flow.folder / f"f{n}", "rb") as f:
            assert f.read(MB) == str(n).encode() * MB
            assert (flow.folder / f"f{n}").stat().st_size == 200 * MB
    assert sent_bytes(flow) == 0


def test_a_chain_of_makeflow_fetches_nothing(make_embedded, tmp_path: Path) -> None:
    """makeflow does not say who reads what: large outputs stay all the same."""
    flow = Flow(tmp_path / "flow", make_embedded(agents=1, resources="cpus:2;mem:2000;disk:8000"))
    flow.write("Makeflow", "a:\n\thead -c 3M /dev/zero > a\n\nb: a\n\tcat a a > b\n\nc: a b\n\tcat a b > c\n")
    with nothing_stays(flow.cluster):
        ended = flow.makeflow()
    assert ended.code == 0, ended.out
    assert (flow.folder / "c").stat().st_size == 9 * MB
    assert sent_bytes(flow) == 0


def test_large_outputs_stay_and_are_not_sent(make_embedded, tmp_path: Path) -> None:
    """Nor does the scheduler receive them: the executor on its machine copies them into the workflow's folder."""
    flow = Flow(tmp_path / "flow", make_embedded(agents=1, resources="cpus:2;mem:2000;disk:8000"))
    flow.write("Makeflow", "a:\n\thead -c 30M /dev/zero > a\n\nb: a\n\tcat a a > b\n\nc: a b\n\tcat a b > c\n")
    with nothing_stays(flow.cluster):
        ended = flow.makeflow()
    assert ended.code == 0, ended.out
    assert (flow.folder / "c").stat().st_size == 90 * MB
    assert sent_bytes(flow) == 0
    assert re.findall(r"outputs_received_bytes=(\d+)", flow.log()) == ["0"]


def temporary(name: str) -> dict[str, object]:
    return {"name": name, "temporary": True}


def made(flow: Flow) -> list[str]:
    return sorted(name for name in flow.files() if name not in ("tasks.jsonl", "mesos_task_state"))


def test_temporary_outputs_are_not_brought_back(make_cluster, tmp_path: Path) -> None:
    """A chain in one claim: only the last output is in the folder, and nothing of the others was sent to anybody. A
    second run runs nothing; after the last output was removed, all run again."""
    tally = tmp_path / "tally"
    flow = Flow(tmp_path / "flow", make_cluster(agents=1, resources="cpus:1;mem:2000;disk:8000"))
    flow.write("tasks.jsonl", lines(
        {"command": f"echo 1 >> {tally}; head -c 5M /dev/zero | tr '\\0' 1 > a", "outputs": [temporary("a")]},
        {"command": f"echo 2 >> {tally}; tr 1 2 < a > b", "inputs": ["a"], "outputs": [temporary("b")]},
        {"command": f"echo 3 >> {tally}; tail -c 3 b > c", "inputs": ["b"], "outputs": ["c"]},
        {"command": f"echo 4 >> {tally}; echo > nobody", "outputs": [temporary("nobody")]}))
    with nothing_stays(flow.cluster):
        ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    assert made(flow) == ["c"]
    assert (flow.folder / "c").read_text() == "222"
    assert sent_bytes(flow) == 0
    ended.line_with("temporary outputs: 3 (10 MB) stayed on the agents, 0 (0 bytes) passed through this machine")
    again = flow.run("tasks.jsonl")
    assert again.code == 0
    assert sorted(tally.read_text().split()) == ["1", "2", "3", "4"]
    (flow.folder / "c").unlink()
    shown = flow.run("--dry-run", "tasks.jsonl")
    assert "again, for its temporary a" in shown.out
    assert "again, for its temporary b" in shown.out
    with nothing_stays(flow.cluster):
        third = flow.run("tasks.jsonl")
    assert third.code == 0, third.out
    assert (flow.folder / "c").read_text() == "222"
    assert sorted(tally.read_text().split()) == ["1", "1", "2", "2", "3", "3", "4"]
    assert (flow.folder / "mesos_task_state").read_text().count("1,finished") == 1


def test_temporary_outputs_between_two_agents(make_cluster, tmp_path: Path) -> None:
    """Two makers at once on two agents, and a reader of both: one of the outputs at least travels through the
    scheduler, and none is left there."""
    flow = Flow(tmp_path / "flow", make_cluster(agents=2, resources="cpus:1;mem:2000;disk:8000"))
    flow.write("tasks.jsonl", lines(
        *({"command": f"sleep 2; head -c 1M /dev/zero | tr '\\0' {n} > t{n}", "outputs": [temporary(f"t{n}")],
           "cores": 1} for n in (1, 2)),
        {"command": "cat t1 t2 > o", "inputs": ["t1", "t2"], "outputs": ["o"], "cores": 1}))
    with nothing_stays(flow.cluster):
        ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    assert (flow.folder / "o").read_bytes() == b"1" * MB + b"2" * MB
    assert made(flow) == ["o"]
    assert sent_bytes(flow) > 0
    line = ended.line_with("temporary outputs:", "passed through this machine for tasks elsewhere")
    stayed, brought = (int(n) for n in re.findall(r"(\d+) \(", line))
    assert stayed + brought == 2
    assert brought >= 1
    assert not (flow.folder / ".mfmesos" / "temporary").exists()


def test_a_lost_temporary_output_is_made_again(make_embedded, tmp_path: Path) -> None:
    """The only executor is killed while a third task runs: the maker runs again, which one line says, and it keeps its
    one line in the state file."""
    tally, go = tmp_path / "tally", tmp_path / "go"
    flow = Flow(tmp_path / "flow", make_embedded(agents=1, resources="cpus:1;mem:2000;disk:8000"))
    flow.write("tasks.jsonl", lines(
        {"command": f"echo 1 >> {tally}; echo data > a", "outputs": [temporary("a")]},
        {"command": f"echo 2 >> {tally}; until [ -e {go} ]; do sleep 0.1; done; echo > w", "outputs": ["w"]},
        {"command": f"echo 3 >> {tally}; cat a w > o", "inputs": ["a", "w"], "outputs": ["o"]}))
    process = flow.start("run", "--master", flow.cluster.master, "tasks.jsonl")
    wait_until(lambda: tally.exists() and tally.read_text().split() == ["1", "2"], 30, "the second task")
    kill_executors(flow)
    go.touch()
    ended = flow.end(process)
    assert ended.code == 0, ended.out
    ended.line_with("task 1 runs again", "temporary output a")
    ended.line_with("temporary outputs:", "1 task ran again")
    assert (flow.folder / "o").read_text() == "data\n\n"
    assert tally.read_text().split().count("1") == 2
    assert (flow.folder / "mesos_task_state").read_text().count("1,finished") == 1


@pytest.mark.parametrize("lost", [False, True], ids=["its claim lives on", "its claim is lost, too"])
def test_a_scheduler_killed_between_maker_and_reader(make_cluster, tmp_path: Path, lost: bool) -> None:
    """kill -9, and the same command again: the reader finds what the maker made; only if that was lost meanwhile, the
    maker runs again, and its line stays the only one."""
    tally, go = tmp_path / "tally", tmp_path / "go"
    flow = Flow(tmp_path / "flow", make_cluster(agents=1, resources="cpus:1;mem:2000;disk:8000"))
    flow.write("tasks.jsonl", lines(
        {"command": f"echo 1 >> {tally}; head -c 300000 /dev/zero > a", "outputs": [temporary("a")]},
        {"command": f"echo 2 >> {tally}; until [ -e {go} ]; do sleep 0.1; done; echo > w", "outputs": ["w"]},
        {"command": f"echo 3 >> {tally}; wc -c < a > o", "inputs": ["a", "w"], "outputs": ["o"]}))
    command = ("run", "--master", flow.cluster.master, "tasks.jsonl")
    process = flow.start(*command)
    wait_until(lambda: tally.exists() and tally.read_text().split() == ["1", "2"], 30, "the second task")
    process.kill()
    process.wait()
    if lost:
        kill_executors(flow)
    go.touch()
    with nothing_stays(flow.cluster) if not lost else contextlib.nullcontext():
        ended = flow.end(flow.start(*command))
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "o").read_text().strip() == "300000"
    assert Counter(tally.read_text().split()) == {"1": 1 + lost, "2": 1 + lost, "3": 1}
    assert ("runs again" in ended.out) == lost
    assert sorted((flow.folder / "mesos_task_state").read_text().split()) == ["1,finished", "2,finished", "3,finished"]
    assert not list((flow.folder / ".mfmesos").glob("temporary"))


def kill_executors(flow: Flow) -> None:
    for pid in flow.cluster.processes():
        with contextlib.suppress(OSError):
            if b"mfmesos-executor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def test_temporary_outputs_in_a_shared_folder(make_embedded, tmp_path: Path) -> None:
    """--shared-fs with the workflow's folder in it: they stay on the agents all the same, also beside large outputs,
    which executors put into the folder."""
    tally = tmp_path / "tally"
    flow = Flow(tmp_path / "share" / "flow", make_embedded(agents=1, resources="cpus:1;mem:2000;disk:8000"))
    flow.write("tasks.jsonl", lines(
        {"command": f"echo 1 >> {tally}; head -c 300000 /dev/zero > a; cp a b; echo c > c",
         "outputs": [temporary("a"), "b", temporary("c")]},
        {"command": f"echo 2 >> {tally}; cat a c | wc -c > o", "inputs": ["a", "c"], "outputs": ["o"]}))
    with nothing_stays(flow.cluster):
        ended = flow.run("--shared-fs", str(tmp_path / "share"), "tasks.jsonl")
    assert ended.code == 0, ended.out
    assert made(flow) == ["b", "o"]
    assert (flow.folder / "o").read_text().strip() == "300002"
    assert tally.read_text().split() == ["1", "2"]
