"""The scheduler dies at each single write that it makes, one after the other: the end is always the same."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flows import Flow, left_on_agents
from support import wait_until

CRASHING = [sys.executable, str(Path(__file__).parent / "crashing.py")]
BIG = 200_000
AT_ONCE = 4
"""So many writes lie between two points that are tried; four tests begin at different ones."""


def tasks(tally: Path) -> list[dict[str, object]]:
    """One output that rides in its result, two of which one is a folder and large, and one made of these."""
    return [
        {"command": f"echo 1 >> {tally}; cat in.txt > small", "inputs": ["in.txt"], "outputs": ["small"]},
        {"command": f"echo 2 >> {tally}; mkdir d; cat in.txt > d/a; head -c {BIG} /dev/zero > d/b; echo x > sub/c",
         "inputs": ["in.txt"], "outputs": ["d", "sub/c"]},
        {"command": f"echo 3 >> {tally}; cat small d/a sub/c > all", "inputs": ["small", "d", "sub/c"],
         "outputs": ["all"]},
    ]


def prepared(folder: Path, cluster) -> tuple[Flow, Path]:
    flow = Flow(folder / "flow", cluster)
    flow.write("in.txt", "in\n")
    tally = folder / "tally"
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks(tally)))
    (flow.folder / "small").write_text("of an earlier run\n")
    return flow, tally


def crash(flow: Flow, at: int) -> bool:
    """Whether it died there, and not later than its end."""
    done = subprocess.run(
        [*CRASHING, "run", "--master", flow.cluster.master, "--plain", "tasks.jsonl"], cwd=flow.folder,
        capture_output=True, text=True, timeout=60, env={**os.environ, "CRASH_AT": str(at)})
    assert done.returncode in (0, -9), done.stdout + done.stderr
    return done.returncode == -9


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(1, AT_ONCE + 1))
def test_at_each_write(first, embedded_mesos, tmp_path):
    """The same command again ends well: outputs right, one line for each task, and no task has run twice."""
    at, before = first, set(embedded_mesos.sandboxes())
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        flow, tally = prepared(folder, embedded_mesos)
        if not crash(flow, at):
            break
        ended = flow.run("--plain", "tasks.jsonl")
        assert ended.code == 0, f"after write {at}: {ended.out}\n--- log:\n{flow.log()}"
        assert (flow.folder / "all").read_text() == "in\nin\nx\n", f"after write {at}"
        assert (flow.folder / "d" / "b").stat().st_size == BIG
        assert sorted((flow.folder / "mesos_task_state").read_text().split()) == [
            "1,finished", "2,finished", "3,finished"], f"after write {at}"
        assert sorted(tally.read_text().split()) == ["1", "2", "3"], f"after write {at}:\n{flow.log()}"
        left = {p.name for p in (flow.folder / ".mfmesos").iterdir()} & {"journal.sqlite", "incoming", "framework_id"}
        assert not left, f"after write {at}: {left}"
        at += AT_ONCE
    assert at > 30, "that many writes there are at least"
    wait_until(lambda: not left_on_agents(embedded_mesos, before), 20, "the agents to be clean")
    # Who dies between the master's answer and writing it down leaves a framework that nothing runs in.
    for framework in embedded_mesos.get("/state")["frameworks"]:
        assert not framework["active"], framework
        assert not framework["tasks"], framework
        embedded_mesos.teardown(framework["id"])
