"""--peer-transfers: one large input for several agents, by every command that runs tasks."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from clusters import Cluster
from flows import Flow, need_makeflow, nothing_stays, outer_address
from support import need, wait_until

AGENTS = 3
SIZE = 15_000_000
"""The agents are on the scheduler's machine: a larger file they would copy by themselves."""


@pytest.fixture
def flow(make_cluster: Any, tmp_path: Path) -> Iterator[Flow]:
    """Agents with room for one task each, and one input for all."""
    cluster = make_cluster(agents=AGENTS, resources="cpus:1;mem:1024;disk:2000")
    made = Flow(tmp_path / "flow", cluster)
    (made.folder / "big").write_bytes(bytes(range(256)) * (SIZE // 256) + b"x" * (SIZE % 256))
    (made.folder / "met").mkdir()
    with nothing_stays(cluster):
        yield made


def command(flow: Flow, i: int) -> str:
    """Reads the input, and waits until all the others run, so that each runs on an agent of its own."""
    met = flow.folder / "met"
    return f"wc -c < big > out.{i}; touch {met}/{i}; while [ $(ls {met} | wc -l) -lt {AGENTS} ]; do sleep 0.1; done"


def tasks(flow: Flow) -> str:
    return "".join(json.dumps({"command": command(flow, i), "inputs": ["big"], "outputs": [f"out.{i}"], "cores": 1,
                               "memory": 100, "disk": 500}) + "\n" for i in range(AGENTS))


def sent(flow: Flow) -> tuple[int, int]:
    """Bytes of inputs from the scheduler, and from peers, as its log has it."""
    found = re.findall(r"inputs_sent_bytes=(\d+)(?: peers_sent_bytes=(\d+))?", flow.log())
    assert len(found) == 1, flow.log()
    return int(found[0][0]), int(found[0][1] or -1)


def check(flow: Flow) -> None:
    assert [int((flow.folder / f"out.{i}").read_text()) for i in range(AGENTS)] == [SIZE] * AGENTS
    scheduler, peers = sent(flow)
    assert SIZE <= scheduler < 1.1 * SIZE
    assert peers == (AGENTS - 1) * SIZE


def test_a_batch(flow: Flow) -> None:
    """mfmesos run: one copy leaves the scheduler."""
    flow.write("tasks.jsonl", tasks(flow))
    ended = flow.run("--peer-transfers", "tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    check(flow)
    ended.line_with("inputs: 30 MB came from other agents, 15 MB from this machine")


def test_makeflow(flow: Flow) -> None:
    """mfmesos makeflow: the same."""
    need_makeflow()
    flow.write("Makeflow", "CORES=1\nMEMORY=100\nDISK=500\n" + "".join(
        f"out.{i}: big read.{i}\n\tsh read.{i}\n" for i in range(AGENTS)))
    for i in range(AGENTS):
        flow.write(f"read.{i}", command(flow, i) + "\n")
    ended = flow.end(flow.start("makeflow", "--peer-transfers", *flow.makeflow_argv()[1:]))
    assert ended.code == 0, ended.out + flow.log()
    check(flow)


def test_with_tls(flow: Flow) -> None:
    """Off loopback: the ports of executors speak TLS, and are gone at the end."""
    address = outer_address()
    need(address, "this machine has no address but loopback",
         "as root: ip link add mfmesos0 type dummy; ip addr add 192.0.2.77/32 dev mfmesos0; ip link set mfmesos0 up")
    flow.write("tasks.jsonl", tasks(flow))
    process = flow.start("run", "--master", flow.cluster.master, "--listen", address, "--peer-transfers", "tasks.jsonl")
    listening = wait_until(lambda: listeners(flow.cluster), 60, "a port of an executor")
    assert {host for host, _ in listening} == {address}
    ended = flow.end(process)
    assert ended.code == 0, ended.out + flow.log()
    check(flow)


def test_plain_makeflow(flow: Flow, tmp_path: Path) -> None:
    """After `mfmesos link --peer-transfers`, plain makeflow -T mesos has it, too."""
    need_makeflow()
    bindir = tmp_path / "bin"
    bindir.mkdir()
    shutil.copy(str(shutil.which("makeflow")), bindir / "makeflow")
    assert flow.end(flow.start("link", "--peer-transfers", str(bindir))).code == 0
    flow.write("Makeflow", "CORES=1\nMEMORY=100\nDISK=500\nout: big\n\twc -c < big > out\n")
    argv = [str(bindir / "makeflow"), "-T", "mesos", f"--mesos-master={flow.cluster.master}", "Makeflow"]
    done = subprocess.run(argv, cwd=flow.folder, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + flow.log()
    assert wait_until(lambda: "staging_ended" in flow.log(), 15, "the scheduler's end")
    assert sent(flow) == (SIZE, 0)


def listeners(cluster: Cluster) -> set[tuple[str, int]]:
    """Where the processes on agents listen."""
    found = set()
    for pid in cluster.processes():
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        found |= {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def test_without_the_option(flow: Flow) -> None:
    """Nothing listens on agents, and each gets its copy from the scheduler."""
    flow.write("tasks.jsonl", tasks(flow))
    own = listeners(flow.cluster)
    process = flow.start("run", "--master", flow.cluster.master, "tasks.jsonl")
    wait_until(lambda: list((flow.folder / "met").iterdir()), 60, "a task that runs")
    assert listeners(flow.cluster) == own
    ended = flow.end(process)
    assert ended.code == 0, ended.out + flow.log()
    by_scheduler, by_peers = sent(flow)
    assert AGENTS * SIZE <= by_scheduler <= AGENTS * (SIZE + 100)  # with the digests that follow the contents
    assert by_peers == -1
