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


BY_ID = "cpus:4;mem:4096;disk:20000;gpus:2;ports:[31000-31004];fpgas:{f0,f1}"
ALONE = """for one in $(echo $MFMESOS_PORTS $MFMESOS_FPGAS $MFMESOS_GPUS | tr , ' '); do
mkdir {dir}/$one || exit 3; done; sleep 0.2; echo "$MFMESOS_PORTS $MFMESOS_FPGAS $MFMESOS_GPUS" > o{task}
cd {dir} && rmdir $(echo $MFMESOS_PORTS $MFMESOS_FPGAS $MFMESOS_GPUS | tr , ' ')"""


def test_each_id_has_one_task_at_a_time(make_cluster, tmp_path):
    """Ports, items of a set and GPUs (without their isolator Mesos counts them only): each task finds its own in its
    environment, as many as it asked for, and no two tasks have the same at once."""
    cluster = make_cluster(agents=1, resources=BY_ID)
    flow = Flow(tmp_path / "flow", cluster)
    (tmp_path / "held").mkdir()
    wanted = ({"ports": 2}, {"ports": 2}, {"ports": 1, "fpgas": 1}, {"fpgas": 1}, {"fpgas": 2}, {"ports": 3})
    flow.write("t.jsonl", "".join(json.dumps({
        "command": ALONE.format(dir=tmp_path / "held", task=i), "outputs": [f"o{i}"], "cores": 0.1, "memory": 50,
        "disk": 10, "resources": wanted[i % 6], "gpus": i % 2}) + "\n" for i in range(12)))
    with nothing_stays(cluster):
        done = flow.run("--no-history", "--plain", "t.jsonl")
    assert done.code == 0, done.out
    for i in range(12):
        given = (flow.folder / f"o{i}").read_text().replace(",", " ").split()
        assert len([one for one in given if one in map(str, range(31000, 31005))]) == wanted[i % 6].get("ports", 0)
        assert len([one for one in given if one in ("f0", "f1")]) == wanted[i % 6].get("fpgas", 0)
        assert len(given) == sum(wanted[i % 6].values()) + i % 2


def test_counters_and_categories(make_cluster, tmp_path):
    """Six tasks whose category the settings give a licence and a port: never more than two hold a licence, which no
    agent has; and a task that asks for more of them than there are is refused with its line, before anything starts."""
    cluster = make_cluster(agents=1, resources="cpus:4;mem:4096;disk:20000")
    flow = Flow(tmp_path / "flow", cluster)
    (tmp_path / "held").mkdir()
    command = HELD + "\ntest $MFMESOS_PORTS"
    lines = [{"command": command.format(n=1, dir=tmp_path / "held", task=i, counts=tmp_path / "counts"),
              "outputs": [f"o{i}"], "cores": 0.1, "memory": 50, "disk": 10, "category": "solve"} for i in range(6)]
    flow.write("t.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    chosen = ("--no-history", "--plain", "--counter", "licences=2", "--category-resources", "solve=licences=1,ports=1")
    with nothing_stays(cluster):
        done = flow.run(*chosen, "t.jsonl")
        assert done.code == 0, done.out
        assert max(counts(tmp_path)) == 2
        flow.write("u.jsonl", json.dumps({"command": "true", "resources": {"licences": 3}}) + "\n")
        refused = flow.run(*chosen, "u.jsonl")
    assert refused.code != 0
    assert refused.line_with("u.jsonl:1:", "it needs 3 licences, and the run has 2")
