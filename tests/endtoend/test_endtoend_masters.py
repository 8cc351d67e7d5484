"""The leading master changes while tasks run: reported by a real ZooKeeper, or found in a list of hosts."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flows import Flow, nothing_stays
from support import free_port, wait_until
from zookeeper import PATH, Address, Leader, ZooKeeper

TASKS = 12


@pytest.fixture
def zookeeper(tmp_path) -> Iterator[ZooKeeper]:
    server = ZooKeeper(tmp_path / "zookeeper")
    yield server
    server.kill()


@pytest.fixture
def addresses(cluster) -> Iterator[list[Address]]:
    """Two addresses of the one master: to a framework, two masters of which one leads."""
    two = [Address(cluster.master), Address(cluster.master)]
    yield two
    for one in two:
        one.close()


@pytest.fixture
def flow(cluster, tmp_path) -> Iterator[Flow]:
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    tally = made.folder.parent / "tally"
    made.write("tasks.info", "".join(
        f"{i},echo {i} >> {tally}; sleep 0.7; cat in.txt > o{i},in.txt,o{i},1,-1,-1,submitted\n"
        for i in range(1, TASKS + 1)))
    with nothing_stays(cluster):
        yield made


def tally(flow: Flow) -> list[str]:
    path: Path = flow.folder.parent / "tally"
    return sorted(path.read_text().split(), key=int) if path.exists() else []


def start(flow: Flow, master: str):
    return flow.start("run", "--plain", "--master", master, "tasks.info")


def all_once(flow: Flow, process) -> str:
    """It ends well, and every task has run once; returns its output."""
    ended = flow.end(process, 90)
    assert ended.code == 0, ended.out + flow.log()
    assert tally(flow) == [str(i) for i in range(1, TASKS + 1)]
    return ended.out


def test_zookeeper_tells_of_another_leader(flow, zookeeper, addresses):
    """The leader's node vanishes with its session, another appears: claims and tasks continue, nothing runs twice."""
    first = Leader(zookeeper, addresses[0].address)
    process = start(flow, f"zk://{zookeeper.address}{PATH}")
    wait_until(lambda: tally(flow), 40, "tasks at work")
    addresses[0].close()
    first.resign()
    second = Leader(zookeeper, addresses[1].address)
    with contextlib.closing(second.client):
        all_once(flow, process)
        assert addresses[1].taken > 0
        second.resign()


def test_zookeeper_is_away_for_a_while(flow, zookeeper, addresses):
    """Killed while tasks run and started again later: who is connected to the master does not need it."""
    leader = Leader(zookeeper, addresses[0].address)
    process = start(flow, f"zk://{zookeeper.address}{PATH}")
    wait_until(lambda: tally(flow), 40, "tasks at work")
    zookeeper.kill()
    wait_until(lambda: len(tally(flow)) > TASKS // 2, 40, "tasks to go on")
    zookeeper.start()
    all_once(flow, process)
    leader.resign()


def test_no_leader_yet(flow, zookeeper, addresses):
    """A ZooKeeper that knows no master: one line about that, and the run begins when a master registers."""
    process = start(flow, f"zk://{zookeeper.address}{PATH}")
    wait_until(lambda: "not reachable" in flow.log(), 30, "the missing master to be noticed")
    leader = Leader(zookeeper, addresses[0].address)
    said = all_once(flow, process)
    assert f"no leading master under zk://{zookeeper.address}{PATH}" in said
    leader.resign()


def test_no_zookeeper_there(flow, zookeeper, addresses):
    """Nothing listens at ZooKeeper's address: one line with the address, and the run begins once ZooKeeper is up."""
    zookeeper.kill()
    process = start(flow, f"zk://{zookeeper.address}{PATH}")
    wait_until(lambda: "not reachable" in flow.log(), 40, "the missing ZooKeeper to be noticed")
    zookeeper.start()
    leader = Leader(zookeeper, addresses[0].address)
    said = all_once(flow, process)
    assert zookeeper.address in said
    leader.resign()


def test_a_list_of_masters(flow, addresses):
    """H1:P1,H2:P2: where one does not answer any more the next is asked, in the middle of the run."""
    nobody = f"127.0.0.1:{free_port()}"
    process = start(flow, ",".join([nobody, *(a.address for a in addresses)]))
    wait_until(lambda: tally(flow), 40, "tasks at work")
    used = addresses[0] if addresses[0].taken else addresses[1]
    used.close()
    all_once(flow, process)
    assert all(a.taken for a in addresses)
