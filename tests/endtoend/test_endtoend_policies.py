"""Each placement once on a real Mesos whose agents have attributes, and constraints by them."""
from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster, RealMesos, need_real_mesos
from flows import Flow
from support import wait_until

ATTRIBUTES = ("rack:r1;network_mbps:1000", "rack:r1;network_mbps:100", "rack:r2;network_mbps:1000")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three agents of 2 cores."""
    need_real_mesos()
    made = RealMesos(agents=3, resources="cpus:2;mem:2048;disk:20000", attributes=ATTRIBUTES)
    try:
        yield made
    finally:
        made.stop()


def ran_on(cluster: Cluster, folder: Path, count: int, *options: str, **keys: Any) -> list[int]:
    """Runs `count` tasks of 1 core, each until all have started. Returns the number of each task's agent, which is
    part of its sandbox's path.
    """
    idle = [0.0] * len(ATTRIBUTES)
    wait_until(lambda: [a["used_resources"]["cpus"] for a in cluster.get("/slaves")["slaves"]] == idle, 30,
               "the end of the run before")
    flow = Flow(folder, cluster)
    began = folder / "began"
    began.mkdir()
    others = f"until [ $(ls {began} | wc -l) = {count} ]; do sleep 0.1; done"
    flow.write("tasks.jsonl", "".join(json.dumps({
        "command": f"pwd -P > o{n}; : > {began}/{n}; {others}", "outputs": [f"o{n}"],
        "cores": 1, "memory": 100, "disk": 10, **keys}) + "\n" for n in range(count)))
    done = flow.run("--plain", *options, "tasks.jsonl")
    assert done.code == 0, done.out
    found = [re.search(r"/agents/(\d+)/", (folder / f"o{n}").read_text()) for n in range(count)]
    return sorted(int(one[1]) for one in found if one is not None)


@pytest.mark.timeout(120)
def test_agents_have_attributes_of_their_own(cluster):
    """What the other tests build on."""
    listed = {a["id"]: a["attributes"] for a in cluster.get("/slaves")["slaves"]}
    found = [listed[agent] for agent in cluster.agent_ids()]
    assert [(one["rack"], one["network_mbps"]) for one in found] == [("r1", 1000.0), ("r1", 100.0), ("r2", 1000.0)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("placement", ["first", "pack", "best", "balanced", "data"])
def test_two_tasks_run(cluster, tmp_path, placement):
    """Wherever the placement wants them; with `pack` on one agent."""
    one, other = ran_on(cluster, tmp_path, 2, "--placement", placement)
    assert one == other or placement != "pack"


@pytest.mark.timeout(120)
def test_spread_uses_all_agents(cluster, tmp_path):
    """Three tasks, three agents."""
    assert ran_on(cluster, tmp_path, 3, "--placement", "spread") == [0, 1, 2]


@pytest.mark.timeout(120)
def test_spread_over_racks(cluster, tmp_path):
    """Two tasks, one in each rack."""
    one, other = ran_on(cluster, tmp_path, 2, "--placement", "spread=rack")
    assert (one in (0, 1), other) == (True, 2)


@pytest.mark.timeout(120)
def test_an_attribute_is_preferred(cluster, tmp_path):
    """Both tasks on the only agent of rack r2."""
    assert ran_on(cluster, tmp_path, 2, "--placement", "attribute=rack=r2") == [2, 2]


@pytest.mark.timeout(120)
def test_the_network_is_shared_out(cluster, tmp_path):
    """Tasks that take 600 of 1,000 Mbit/s: one on each of the agents that have as much."""
    assert ran_on(cluster, tmp_path, 2, "--placement", "network", network_mbps=600) == [0, 2]


@pytest.mark.timeout(120)
def test_constraints_are_met(cluster, tmp_path):
    """Both in rack r2; or no two on agents of one value, of which the second agent alone has the one."""
    assert ran_on(cluster, tmp_path / "equals", 2, constraints=[["rack", "equals", "r2"]]) == [2, 2]
    assert 1 in ran_on(cluster, tmp_path / "unique", 2, constraints=[["network_mbps", "unique"]])


def order_of(cluster: Cluster, folder: Path, keys: list[dict[str, Any]], *options: str) -> list[tuple[int, float]]:
    """Runs tasks with these keys; the number of each and when it started, in the order of their starts."""
    flow, log = Flow(folder, cluster), folder / "started"
    flow.write("tasks.jsonl", "".join(json.dumps({
        "command": f"echo {n} $(date +%s.%N) >> {log}; : > o{n}", "outputs": [f"o{n}"],
        "cores": 1, "memory": 100, "disk": 10, **some}) + "\n" for n, some in enumerate(keys)))
    done = flow.run("--plain", *options, "tasks.jsonl")
    assert done.code == 0, done.out
    return [(int(number), float(at)) for number, at in (line.split() for line in log.read_text().splitlines())]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("options", "keys", "expected"), [
    (["--order=priority", "--reserve=sjbf"], [{"priority": n % 4} for n in range(8)], [3, 7, 2, 6, 1, 5, 0, 4]),
    (["--order=shortest", "--reserve=none"], [{"category": c} for c in "aaab"], [0, 3]),
    (["--order=fair", "--reserve=conservative"], [{"group": g} for g in "aaaab"], [0, 4]),
], ids=["priority", "shortest", "fair"])
def test_tasks_start_in_the_order_that_is_chosen(cluster, tmp_path, options, keys, expected):
    """One at a time. The shortest category is one of which no task has finished; the group that has used nothing comes
    before the one that has.
    """
    started = order_of(cluster, tmp_path, keys, "--max-running=1", "--no-history", *options)
    assert len(started) == len(keys)
    assert [number for number, _ in started][:len(expected)] == expected


@pytest.mark.timeout(120)
def test_tasks_arrive_at_the_rate_that_is_given(cluster, tmp_path):
    """Also while unused offers are kept: the fifth does not start within the first four seconds."""
    began = time.time()
    started = order_of(cluster, tmp_path, [{}] * 5, "--arrival-rate=1", "--offers=hold=1")
    assert len(started) == 5
    assert max(at for _, at in started) - began >= 4.0
