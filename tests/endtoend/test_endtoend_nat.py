"""A cluster behind a router that masquerades: nothing outside reaches its agents, only its master's port is forwarded.

On a real Mesos; the embedded cluster listens on loopback alone, by design.
"""
from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster, RealMesos, need_real_mesos
from flows import Flow, left_on_agents, need_makeflow, plain_makeflow
from namespaces import CLUSTER, OUTSIDE, Hosts, hosts
from pools import EXAMPLES, PROJECT, Catalog, WorkerFlow, start_manager
from support import wait_until


class Behind:
    """A cluster as it is seen from outside: its master is at the router."""

    def __init__(self, cluster: Cluster, master: str) -> None:
        self._cluster, self.master = cluster, master

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


class Site:
    def __init__(self, net: Hosts, cluster: Cluster) -> None:
        self.net, self.cluster = net, cluster
        self.seen: Any = Behind(cluster, net.forward(int(cluster.master.rpartition(":")[2])))


@pytest.fixture
def site() -> Iterator[Site]:
    """The three hosts with a real Mesos; the test itself runs outside. Afterwards nothing is left on the agents."""
    need_real_mesos()
    with hosts() as net:
        with net.inside("c"):
            cluster = RealMesos()
        try:
            made = Site(net, cluster)
            with net.inside("s"):
                yield made
            wait_until(lambda: not left_on_agents(cluster, set()), 15, "the agents to be clean")
            with net.inside("c"):
                wait_until(lambda: not cluster.get("/state")["frameworks"], 15, "the framework to be torn down")
        finally:
            with net.inside("c"):
                cluster.stop()


def test_nobody_outside_reaches_an_agent(site: Site) -> None:
    """Neither by its address nor by the router's; so what the others show is shown behind a NAT indeed."""
    for agent in site.cluster.agents:
        port = int(agent.rpartition(":")[2])
        for host in (CLUSTER, site.seen.master.partition(":")[0]):
            with pytest.raises(OSError, match=r"unreachable|refused|timed out"):
                socket.create_connection((host, port), 1).close()


def test_a_batch(site: Site, tmp_path: Path) -> None:
    """mfmesos run: inputs fetched and outputs brought back, small and large, without a connection to any agent."""
    flow = Flow(tmp_path / "flow", site.seen)
    (flow.folder / "in.bin").write_bytes(bytes(range(256)) * 40_000)
    flow.write("word", "hello\n")
    tasks = [{"command": f"cat word > out.{i}; echo {i} >> out.{i}", "inputs": ["word"], "outputs": [f"out.{i}"],
              "cores": 1, "memory": 50, "disk": 50} for i in range(20)]
    tasks.append({"command": "cat in.bin in.bin > big", "inputs": ["in.bin"], "outputs": ["big"], "cores": 1,
                  "memory": 50, "disk": 100})
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    assert [(flow.folder / f"out.{i}").read_text() for i in range(20)] == [f"hello\n{i}\n" for i in range(20)]
    assert (flow.folder / "big").read_bytes() == bytes(range(256)) * 80_000


def test_makeflow(site: Site, tmp_path: Path) -> None:
    """mfmesos makeflow runs an example as makeflow -T local does."""
    plain, flow = example("sweep", tmp_path, site)
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert flow.files() == plain


def example(name: str, tmp_path: Path, site: Site) -> tuple[dict[str, bytes], Flow]:
    """What it should make, and a folder with it."""
    need_makeflow()
    plain, flow = Flow(tmp_path / "plain", site.seen), Flow(tmp_path / "flow", site.seen)
    for one in (plain, flow):
        shutil.copytree(EXAMPLES / name, one.folder, dirs_exist_ok=True)
    plain_makeflow(plain.folder)
    return plain.files(), flow


@pytest.mark.parametrize("program", ["factory", "pool"])
def test_workers(site: Site, tmp_path: Path, program: str) -> None:
    """Workers come out to a manager that cannot reach them, whichever program keeps them."""
    plain, flow = example("sweep", tmp_path, site)
    catalog = Catalog(tmp_path / "catalog", OUTSIDE)
    try:
        keeper = WorkerFlow(tmp_path / program, site.seen, catalog, "")
        args = ["--catalog", catalog.address, PROJECT] if program == "pool" else [
            "--", "-M", PROJECT, "--catalog", catalog.address, "-w", "1", "-W", "2", "--cores", "2", "--memory", "500",
            "--disk", "500"]
        process = keeper.start(program, "--master", site.seen.master, *args)
        ended = flow.end(start_manager(flow, catalog), 60)
        said = keeper.interrupt(process)
        assert ended.code == 0, ended.out + said.out
        assert said.code == 0, said.out
    finally:
        catalog.stop()
    assert flow.files() == plain
