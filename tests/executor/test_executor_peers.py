"""Inputs from peers: real staging server, real sockets, several agents."""
from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from mfmesos_executor import peer_stream, peers
from mfmesos_executor.client import Cancelled
from mfmesos_executor.peer_server import MOST_SERVED
from mfmesos_executor.unpack import BadStream
from peer_agents import Agent, AgentProcess, Site, Valve
from support import wait_until

from mfmesos.shared import peer_wire
from mfmesos.shared.peer_wire import SourceAnswer, SourceRequest, file_token
from mfmesos.shared.wire_checks import WireError
from mfmesos.staging.peer_tracker import Serving

MB = 1 << 20
SIZE = 12 * MB + 77
CONTENT = b"".join(bytes([i % 251]) * 4096 for i in range(SIZE // 4096 + 1))[:SIZE]


class World:
    """A site with one large input, and its agents."""

    def __init__(self, folder: Path, tls: bool = False) -> None:
        self.folder = folder
        self.site = Site(folder / "flow", tls=tls)
        (self.site.folder / "big").write_bytes(CONTENT)
        self._closing: list[Callable[[], None]] = []
        self.item = self.site.claim("first", "big")[1][0]

    def agent(self, name: str, url: str = "") -> Agent:
        data, _ = self.site.claim(name, "big", url=url)
        made = Agent(data, self.folder / name)
        self._closing.append(made.close)
        return made

    def process(self, name: str, url: str = "") -> AgentProcess:
        data, _ = self.site.claim(name, "big", url=url)
        made = AgentProcess(data, self.item, self.folder / name)
        self._closing.append(made.close)
        assert made.hear() == "ready"
        return made

    def valve(self, let: int) -> Valve:
        made = Valve(self.site.server.url, let)
        self._closing.append(made.close)
        return made

    def pretend(self, name: str, address: str) -> None:
        """A claim that says that it has the whole input and serves it there."""
        self.site.claim(name, "big")
        self.site.call(lambda: self.site.tracker.introduce(name, Serving(address, ""), "127.0.0.1"))
        self.site.call(lambda: self.site.tracker.ask(name, self.item.digest, SIZE, SourceRequest(SIZE), 0.0))

    def members(self) -> dict[str, Any]:
        """What the tracker knows of those who have or receive the input."""
        swarm = self.site.tracker._swarms.get(self.item.digest)
        return swarm.members if swarm is not None else {}

    def close(self) -> None:
        for close in self._closing:
            close()
        self.site.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("tls", [False, True])
def test_once_from_the_scheduler(tmp_path: Path, tls: bool) -> None:
    """Several agents get the input at the same time; one copy of it leaves the scheduler."""
    world = World(tmp_path, tls)
    try:
        agents = [world.agent(f"c{i}") for i in range(5)]
        placed = [future.result(30) for future in [agent.start(world.item) for agent in agents]]
        assert all(path.read_bytes() == CONTENT for path in placed)
        assert world.site.sent == SIZE
        assert sum(agent.peers.from_peers for agent in agents) == 4 * SIZE
        wait_until(lambda: world.site.tracker.from_peers == 4 * SIZE, 20, "the reports")
    finally:
        world.close()


def test_folders_come_from_the_scheduler(world: World) -> None:
    """Also if an agent that has the folder could serve others: each fetches it from the scheduler, and nobody waits."""
    (world.site.folder / "d").mkdir()
    (world.site.folder / "d" / "x").write_bytes(CONTENT)
    for name in ("c1", "c2"):
        data, items = world.site.claim(name, "d", "big")
        agent = Agent(data, world.folder / name)
        world._closing.append(agent.close)
        for item in items:
            agent.fetch(item)
        assert (agent.folder / "placed" / "d" / "x").read_bytes() == CONTENT
        assert agent.peers.from_peers == (SIZE if name == "c2" else 0)
    assert 3 * SIZE <= world.site.sent < 3 * SIZE + MB  # the file once, the folder twice, in a tar


def test_a_peer_sends_what_it_has_so_far(world: World) -> None:
    """Cut-through: the second agent follows the first, which is still receiving."""
    valve = world.valve(6 * MB)
    first, second = world.agent("c1", valve.url), world.agent("c2")
    one = first.start(world.item)
    wait_until(lambda: first.have >= 4 * MB, 20, "a part at the first agent")
    two = second.start(world.item)
    wait_until(lambda: second.have >= 4 * MB, 20, "the same part at the second agent")
    assert not one.done()
    assert world.site.sent in (0, SIZE)  # one request
    valve.open()
    assert one.result(20).read_bytes() == two.result(20).read_bytes() == CONTENT
    assert (second.peers.from_scheduler, second.peers.from_peers) == (0, SIZE)


def test_a_peer_that_dies(world: World) -> None:
    """What has arrived stays; the rest comes from elsewhere, here the scheduler."""
    valve = world.valve(7 * MB)
    first, second = world.process("c1", valve.url), world.agent("c2")
    first.go()
    wait_until(lambda: world.members(), 10, "the first agent's question")
    two = second.start(world.item)
    wait_until(lambda: second.have >= 5 * MB, 20, "a part at the second agent")
    first.kill()
    assert two.result(20).read_bytes() == CONTENT
    block = peer_wire.block_bytes(SIZE)
    assert 5 * MB <= second.peers.from_peers < 7 * MB + block
    assert second.peers.from_peers + second.peers.from_scheduler <= SIZE + block


def test_a_peer_with_damaged_data(world: World) -> None:
    """The damage goes no further than its first reader, the rest comes from elsewhere; nobody asks that peer again."""
    first = world.agent("c1")
    first.fetch(world.item)
    with first.cached.open("r+b") as f:
        f.seek(8 * MB)
        f.write(b"damage")
    second, third = world.agent("c2"), world.agent("c3")
    assert second.fetch(world.item).read_bytes() == CONTENT
    assert 0 < second.peers.from_peers < 10 * MB
    assert second.peers.from_scheduler >= 4 * MB
    assert third.fetch(world.item).read_bytes() == CONTENT
    assert (third.peers.from_peers, third.peers.from_scheduler) == (SIZE, 0)
    assert world.site.tracker._peers["c1"].banned


def test_a_reader_never_gets_unverified_bytes(world: World) -> None:
    """Damage on the way to the first agent does not reach the second one, which waits meanwhile."""
    (world.site.folder / "big").write_bytes(CONTENT)  # as the index knows it
    first = world.agent("c1")
    damaged = threading.Event()
    add = peers.Arriving.add

    def damage(arriving, piece, digest_of):
        if not damaged.is_set() and arriving.have >= 4 * MB:
            damaged.set()
            piece = bytes(len(piece))
        add(arriving, piece, digest_of)

    peers.Arriving.add = damage  # type: ignore[method-assign]
    try:
        second = world.agent("c2")
        one, two = first.start(world.item), second.start(world.item)
        assert one.result(20).read_bytes() == two.result(20).read_bytes() == CONTENT
    finally:
        peers.Arriving.add = add  # type: ignore[method-assign]
    assert damaged.is_set()
    assert not world.site.tracker._peers["c1"].banned or not world.site.tracker._peers["c2"].banned


def test_a_scheduler_that_sends_damaged_data(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transfer is tried some times, then the attempt learns it; nothing stays."""
    add = peers.Arriving.add
    monkeypatch.setattr(peers.Arriving, "add", lambda arriving, piece, of: add(arriving, bytes(len(piece)), of))
    first = world.agent("c1")
    with pytest.raises(BadStream, match="after 3 tries"):
        first.fetch(world.item)
    assert list((first.folder / "cache").iterdir()) == []


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 206 Partial Content\r\n\r\n" + CONTENT[:MB],
                                    b"HTTP/1.1 206 Partial Content\r\n\r\n" + CONTENT[:MB] + b"x" * MB,
                                    b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 404 No\r\n\r\n", b"rubbish\r\n\r\n",
                                    b"x" * 100_000])
@pytest.mark.parametrize("ends", [True, False])
def test_peers_that_answer_badly(world: World, monkeypatch: pytest.MonkeyPatch, answer: bytes, ends: bool) -> None:
    """Silent ones, those that stop in the middle, those that refuse or speak something else: the scheduler is next."""
    monkeypatch.setattr(peer_stream, "HEAD_S", 0.3)
    monkeypatch.setattr(peer_stream, "STEP_S", 0.1)
    monkeypatch.setattr(peers, "SILENT_S", 0.3)
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                connection.recv(4096)
                connection.sendall(answer)
            except OSError:
                return
            open_ones.append(connection)
            if ends:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    world.pretend("bad", f"127.0.0.1:{listener.getsockname()[1]}")
    agent = world.agent("c1")
    try:
        assert agent.fetch(world.item).read_bytes() == CONTENT
    finally:
        listener.close()
        for connection in open_ones:
            connection.close()
    assert agent.peers.from_scheduler >= SIZE - 2 * MB
    assert world.members()["c1"].refused == {"bad"}


def test_a_peer_that_cannot_be_reached(world: World) -> None:
    """It is not offered again, to nobody."""
    world.pretend("bad", "127.0.0.1:1")
    first, second = world.agent("c1"), world.agent("c2")
    assert first.fetch(world.item).read_bytes() == CONTENT
    assert world.site.tracker._peers["bad"].banned
    assert second.fetch(world.item).read_bytes() == CONTENT
    assert second.peers.from_peers == SIZE


def test_another_certificate(tmp_path: Path) -> None:
    """Whoever answers at a peer's address with another certificate gets no token."""
    world = World(tmp_path, tls=True)
    try:
        first = world.agent("c1")
        first.fetch(world.item)
        world.site.call(lambda: world.site.tracker.introduce(
            "c1", Serving(first.peers.serving()[0], "0" * 64), "127.0.0.1"))
        second = world.agent("c2")
        assert second.fetch(world.item).read_bytes() == CONTENT
        assert second.peers.from_peers == 0
    finally:
        world.close()


def test_a_cached_file_that_is_served_is_not_evicted(world: World) -> None:
    """Room is made of others, until the peer has all of it."""
    first = world.agent("c1")
    first.fetch(world.item)
    with socket.create_connection(first.address, 10) as reader:
        token = file_token(first.data.peer_secret, world.item.digest)
        reader.sendall(f"GET /inputs/{world.item.digest} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        received = reader.recv(1000)  # the rest waits for a reader
        first.cache.shrink(0)
        assert first.cached.stat().st_size == SIZE
        while piece := reader.recv(1 << 20):
            received += piece
    assert received.endswith(CONTENT[-1000:])
    wait_until(lambda: not first.cache.shrink(0) and not list((first.folder / "cache").iterdir()), 10, "the eviction")


def test_an_evicted_file(world: World) -> None:
    """The scheduler learns from who asks for it, and sends it elsewhere."""
    first, second = world.agent("c1"), world.agent("c2")
    first.fetch(world.item)
    first.cache.shrink(0)
    assert second.fetch(world.item).read_bytes() == CONTENT
    assert (second.peers.from_peers, second.peers.from_scheduler) == (0, SIZE)
    assert "c1" not in world.members()


def test_more_readers_than_may_be(world: World) -> None:
    """A busy peer refuses; the reader goes elsewhere."""
    first = world.agent("c1")
    first.fetch(world.item)
    token = file_token(first.data.peer_secret, world.item.digest)
    request = f"GET /inputs/{world.item.digest} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    readers = [socket.create_connection(first.address, 10) for _ in range(MOST_SERVED)]
    try:
        for reader in readers:
            reader.sendall(request)
            assert reader.recv(12) == b"HTTP/1.1 206"
        second = world.agent("c2")
        assert second.fetch(world.item).read_bytes() == CONTENT
        assert second.peers.from_scheduler == SIZE
        assert not world.site.tracker._peers["c1"].banned
    finally:
        for reader in readers:
            reader.close()


def test_a_cancelled_fetch(world: World) -> None:
    """Ends with the next bytes; nothing stays, and its reader continues elsewhere."""
    valve = world.valve(5 * MB)
    first, second = world.agent("c1", valve.url), world.agent("c2")
    one = first.start(world.item)
    wait_until(lambda: first.have >= 3 * MB, 20, "a part")
    two = second.start(world.item)
    wait_until(lambda: second.have >= 3 * MB, 20, "a part of that")
    first.cancelled = True
    valve.open(MB)
    with pytest.raises(Cancelled):
        one.result(20)
    assert list((first.folder / "cache").iterdir()) == []
    assert two.result(20).read_bytes() == CONTENT


def test_a_changed_input(world: World) -> None:
    """As without peers: refused with the reason."""
    first = world.agent("c1")
    (world.site.folder / "big").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(Exception, match="big has changed"):
        first.fetch(world.item)


def test_small_files_come_from_the_scheduler(world: World) -> None:
    """Nobody asks where to fetch them, and nothing listens for them."""
    (world.site.folder / "small").write_bytes(b"x" * 1000)
    data, (item,) = world.site.claim("c1", "small")
    agent = Agent(data, world.folder / "c1")
    try:
        assert agent.fetch(item).read_bytes() == b"x" * 1000
        assert agent.peers._server is None
    finally:
        agent.close()


def test_a_sparse_file(world: World) -> None:
    """It stays sparse, and arrives as it is."""
    with (world.site.folder / "holes").open("wb") as f:
        f.seek(3 * MB)
        f.write(b"x" * MB)
        f.truncate(9 * MB)
    first, second = (Agent(world.site.claim(n, "holes")[0], world.folder / n) for n in ("c1", "c2"))
    try:
        _, (item,) = world.site.claim("c3", "holes")
        item.sparse = True
        one = first.fetch(item)
        two = second.fetch(item)
        assert second.peers.from_peers == 9 * MB
        assert one.read_bytes() == two.read_bytes() == (world.site.folder / "holes").read_bytes()
        assert second.cached.stat().st_blocks * 512 < 4 * MB
    finally:
        first.close()
        second.close()


def test_without_the_option(tmp_path: Path) -> None:
    """The server has no such route, gives no secrets, and the input comes from it as ever."""
    site = Site(tmp_path / "flow", peers=False)
    try:
        (site.folder / "big").write_bytes(CONTENT)
        data, (item,) = site.claim("c1", "big")
        assert (data.peer_secret, data.peer_pem) == ("", "")
        agent = Agent(data, tmp_path / "c1")  # an executor with the option would get it as well
        assert agent.fetch(item).read_bytes() == CONTENT
        agent.close()
    finally:
        site.stop()


def test_a_source_answer_is_checked() -> None:
    """A malformed answer is an error of the scheduler, never of the attempt."""
    with pytest.raises(WireError):
        peer_wire.load_source_answer(b'{"url": 7}')
    assert peer_wire.load_source_answer(b"{}") == SourceAnswer()
