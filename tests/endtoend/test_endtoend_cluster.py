"""The embedded cluster as a user has it: `mfmesos cluster` in the foreground, and `--master local`."""
from __future__ import annotations

import os
import signal
import subprocess
from types import SimpleNamespace

import psutil
import pytest
from flows import MFMESOS, Flow
from support import wait_until

MAKEFLOW = "out: in.txt\n\ttr x y < in.txt > out\n"


@pytest.fixture
def flow(tmp_path):
    made = Flow(tmp_path / "flow", SimpleNamespace(master="local"))
    made.write("in.txt", "x\n")
    made.write("Makeflow", MAKEFLOW)
    return made


def test_cluster_in_the_foreground(flow, tmp_path):
    """It prints its address; makeflow runs on it, the doctor sees it; Ctrl-C ends it, exit 0, nothing of ours left."""
    boxes = tmp_path / "agents"
    process = subprocess.Popen(
        [*MFMESOS, "cluster", "--agents", "2", "--cpus", "1", "--mem", "500", "--disk", "1000",
         f"--work-dir={boxes}"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        line = process.stdout.readline()
        assert "2 agents, each with 1 cores" in line
        flow.cluster.master = line.split("cluster at ")[1].split(": ")[0]
        ended = flow.makeflow()
        assert ended.code == 0, ended.out + flow.log()
        assert (flow.folder / "out").read_text() == "y\n"
        doctor = subprocess.run(
            [*MFMESOS, "doctor", "--master", flow.cluster.master], capture_output=True, text=True, timeout=60)
        assert f"master: {flow.cluster.master} answers, Mesos 1.11.0" in doctor.stdout
        assert "agents: 2; the largest" in doctor.stdout
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.communicate()
    assert not [p for p in boxes.rglob("*") if p.is_file() and p.name in ("in.txt", "out")]


@pytest.mark.parametrize("argv", [["run", "tasks.jsonl"], ["makeflow", "--", "Makeflow"]], ids=lambda a: a[0])
def test_master_local(flow, argv):
    """Without --master everything runs on a cluster of its own, which ends with the command."""
    flow.write("tasks.jsonl", '{"command": "tr x y < in.txt > out", "inputs": ["in.txt"], "outputs": ["out"]}\n')
    process = flow.start(*argv)
    tree = wait_until(lambda: psutil.Process(process.pid).children(recursive=True), 20, "the cluster's process")
    ended = flow.end(process)
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "out").read_text() == "y\n"
    wait_until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in tree), 10,
               "its processes to end")
