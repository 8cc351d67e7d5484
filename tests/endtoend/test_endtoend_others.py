"""Licences: resources that a cluster has besides cores, memory and disk, in real runs on both clusters."""
from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from flows import Flow, nothing_stays
from support import wait_until

RESOURCES = "cpus:4;mem:4096;disk:20000;licences:3"
HELD = """for i in $(seq {n}); do mkdir {dir}/{task}.$i; done; ls {dir} | grep -c '[.]' >> {counts}; sleep 0.3
rmdir {dir}/{task}.*; echo > o{task}"""


def write(flow: Flow, folder: Path, licences: list[int]) -> None:
    """Tasks that count, while they run, how many licences are held in all."""
    (folder / "held").mkdir()
    flow.write("t.jsonl", "".join(json.dumps({
        "command": HELD.format(n=n, dir=folder / "held", task=i, counts=folder / "counts"), "outputs": [f"o{i}"],
        "cores": 0.1, "memory": 50, "disk": 10, "resources": {"licences": n}}) + "\n" for i, n in enumerate(licences)))


def counts(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "counts").read_text().split()] if (folder / "counts").exists() else []


def test_no_more_tasks_run_than_there_are_licences(make_cluster, tmp_path):
    """Ten tasks of one and of two licences on an agent with three, and cores for all: never more than three are held,
    also when the scheduler is killed and the same command continues; and three are held at some time."""
    cluster = make_cluster(agents=1, resources=RESOURCES)
    flow = Flow(tmp_path / "flow", cluster)
    write(flow, tmp_path, [1, 2, 1, 1, 2, 1, 1, 2, 1, 2])
    with nothing_stays(cluster):
        first = flow.start("run", "--no-history", "--plain", "--master", cluster.master, "t.jsonl")
        wait_until(lambda: len(counts(tmp_path)) >= 3, 40, "some tasks")
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        done = flow.run("--no-history", "--plain", "t.jsonl")
        assert done.code == 0, done.out
    assert max(counts(tmp_path)) == 3
    assert len(counts(tmp_path)) == 10


def test_what_no_agent_has_is_refused(make_cluster, tmp_path):
    """A misspelt name and too large an amount fail with what there is; the other task runs."""
    cluster = make_cluster(agents=1, resources=RESOURCES)
    flow = Flow(tmp_path / "flow", cluster)
    tasks = ({"resources": {"license": 1}}, {"resources": {"licences": 4}}, {"resources": {"licences": 3}})
    flow.write("t.jsonl", "".join(json.dumps({"command": "true", "cores": 1, "memory": 50, "disk": 10, **task}) + "\n"
                                  for task in tasks))
    with nothing_stays(cluster):
        done = flow.run("--no-history", "--plain", "t.jsonl")
    assert done.code == 1
    assert done.line_with("no agent has license for this run", "the agents have: licences")
    assert done.line_with("needs 1 cores, 50 MB memory, 10 MB disk, 4 licences, but the largest", "3 licences")
    assert [line["finished"] for line in flow.report()].count(True) == 1
