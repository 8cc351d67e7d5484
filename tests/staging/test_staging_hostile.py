"""The server under siege: ten thousand bad requests and more, with and without a stolen token, while it works on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from hostile_help import SECRET, GoodClient, Siege, request
from hostile_requests import all_of_them
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staging_help import Bench, files_tar, inline, member, run, tar_of
from support import examples, wait_until

from mfmesos.shared import wire
from mfmesos.staging import listener, transfer
from mfmesos.staging.incoming import Unpacker
from mfmesos.staging.names import plan_outputs
from mfmesos.staging.publish_errors import PublishError

LEAST = 10_000
GROWTH_MB = 32
"""So much more memory may be in use after them all; Python gives little of what it had back to the system."""
PEAK_MB = 96
"""And so much more at any moment, with bodies of up to 4 MB and 8 MB behind a gzip header among them."""


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    made = Siege(tmp_path, max_sync_bytes=4 << 20)
    yield made
    made.close()


def settle_first_task(siege: Siege) -> None:
    """Attempt 1.1 delivers, is published and settled."""
    body = (
        b'{"seq":1,"protocol":2,"results":[{"attempt":"1.1","outcome":"finished","usage":{},"tar":"%s"}]}'
        % inline(files_tar(**{"result.txt": b"right"})).encode()
    )
    assert siege.send(request("POST", "/claims/good/sync", siege.tokens["good"], body), 200) == 200
    siege.tell("place 1.1")
    assert (siege.folder / "result.txt").read_bytes() == b"right"


def test_ten_thousand_bad_requests(siege: Siege) -> None:
    """Each is refused in the right way, none is an error of the server; nothing is served that was not granted, nothing
    written, memory stays bounded, and a good client is served all the while."""
    settle_first_task(siege)
    before, asked = siege.tree(), 0
    resident, _ = siege.resident_mb()
    with GoodClient(siege) as good:
        for seed in range(10):
            for what, raw, allowed in all_of_them(siege, seed):
                siege.send(raw, *allowed, what=what)
                asked += 1
            if asked >= LEAST:
                break
    assert not siege.wrong, "\n".join(dict.fromkeys(siege.wrong))[:6000]
    assert siege.statuses[-1] == 0
    assert asked >= LEAST
    assert siege.tree() == before
    now, peak = siege.resident_mb()
    assert now - resident < GROWTH_MB, siege.statuses
    assert peak - resident < PEAK_MB
    assert good.problem == ""
    assert len(good.done) > 20
    assert good.slowest_s < 5
    for number, attempt in enumerate(good.done):
        siege.tell(f"place {attempt}")
        assert (siege.folder / f"good-{number}.out").read_bytes() == b"%d" % number * 50
    log = siege.log.read_text()
    assert not [token for token in siege.tokens.values() if token in log]
    assert "request_failed" not in log, log[-2000:]


# --- whatever else there may be -----------------------------------------------------------------
@pytest.fixture(scope="module")
def fort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """A siege that all examples share."""
    made = Siege(tmp_path_factory.mktemp("fort"), max_sync_bytes=1 << 20)
    yield made
    made.close()


PIECES = st.sampled_from(
    [
        "claims",
        "good",
        "thief",
        "ended",
        "files",
        "attempts",
        "outputs",
        "sync",
        "archive",
        "1.1",
        "2.1",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2f",
        "%00",
        "*",
        "secret.txt",
        "\udcff",
        "{claim}",
        "0" * 64,
    ]
)
TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from([*vars(wire.SyncRequest(1)), *vars(wire.Result("1.1", "finished")), "x"]), x, max_size=6
        )
    ),
)


@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS"]),
    pieces=st.lists(PIECES | TEXT, max_size=7),
    claim=st.sampled_from(["thief", "ended", ""]),
    headers=st.dictionaries(
        st.sampled_from(
            ["Range", "If-Modified-Since", "Expect", "Accept", "Connection", "X-Forwarded-For", "Upgrade", "Host"]
        ),
        TEXT,
        max_size=3,
    ),
    body=st.binary(max_size=200),
)
def test_any_route(
    fort: Siege, method: str, pieces: list[str], claim: str, headers: dict[str, str], body: bytes
) -> None:
    """Whatever is asked in whatever way with a stolen token, a void one or none: refused, and nothing is shown."""
    before = fort.tree()
    raw = request(
        method, "/" + "/".join(pieces), fort.tokens.get(claim), body, *(f"{k}: {v}" for k, v in headers.items())
    )
    fort.send(raw, 0, 400, 401, 404, 405, 410, 414, 417, 426)
    assert fort.wrong == []
    assert fort.tree() == before


@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_any_sync(fort: Siege, value: Any) -> None:
    """Whatever JSON a stolen token says, the scheduler hears of it only if it is a sync of sane values."""
    before = fort.tree()
    body = wire.dumps({"seq": 1, "protocol": wire.PROTOCOL, **value} if isinstance(value, dict) else value)
    fort.send(request("POST", "/claims/thief/sync", fort.tokens["thief"], body), 200, 400)
    assert fort.wrong == []
    assert fort.tree() == before


NAMES = st.sampled_from(
    ["own.out", "folder", "folder/twice", "folder/x", "other", "..", "folder/../../x", "/etc/passwd"]
) | st.text(max_size=20)
MEMBERS = st.tuples(
    NAMES, st.binary(max_size=600), st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"x", b"L", b"g"])
)


@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    members=st.lists(MEMBERS, max_size=5),
    spoil=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=3),
)
def test_any_delivery(fort: Siege, members: list[Any], spoil: list[tuple[int, int]]) -> None:
    """Whatever tar is delivered, whole or damaged: it is taken and lies in our own folder alone, or leaves nothing."""
    before = fort.tree()
    with contextlib.suppress(ValueError, UnicodeError):
        tar = bytearray(
            tar_of(*(member(name or "x", data, kind=kind, link="/etc/passwd") for name, data, kind in members))
        )
        for place, value in spoil:
            tar[place % len(tar)] = value
        fort.send(request("PUT", "/claims/thief/attempts/2.1/outputs", fort.tokens["thief"], bytes(tar)), 204, 400)
    assert fort.wrong == []
    there = fort.tree()
    assert {name for name in there if "/incoming/2.1-" not in name} == {
        name for name in before if "/incoming/2.1-" not in name
    }


# --- too much, too slowly -----------------------------------------------------------------------
def endless(head: bytes, piece: bytes, most: int) -> Callable[[Siege, threading.Event], None]:
    """Sends without ever reading what comes back, until the server closes or takes no more; stays connected then."""

    def send(siege: Siege, over: threading.Event) -> None:
        with socket.create_connection(siege.address, timeout=3) as s, contextlib.suppress(OSError):
            s.sendall(head)
            sent = 0
            while sent < most:
                sent += s.send(piece)
            over.wait(3)

    return send


def attacks(siege: Siege) -> dict[str, tuple[int, Any]]:
    """Name: on how many connections at once, and what is sent on each."""
    token, own, mb = siege.tokens["thief"], siege.digests["thief"][0], 1 << 20
    chunked = request("POST", "/claims/thief/sync", token, None, "Transfer-Encoding: chunked")
    body = request("POST", "/claims/thief/sync", token, None, f"Content-Length: {4 * mb}")
    values = request("POST", "/claims/thief/sync", token, b"[" + b"[]," * mb + b"[]]")
    headers = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 500) for i in range(100))
    return {
        "headers": (5, endless(b"GET / HTTP/1.1\r\n", headers, 20 * mb)),
        "pipelined": (5, endless(b"", request("GET", "/x") * 1000, 20 * mb)),
        "pipelined with a token": (5, endless(b"", request("GET", f"/claims/thief/files/{own}", token) * 500, mb)),
        "chunk extension": (5, endless(chunked + b"1;", b"x" * 60_000, 20 * mb)),
        "trailers": (5, endless(chunked + b"0\r\n", b"X-y: %s\r\n" % (b"z" * 500) * 100, 20 * mb)),
        "bodies": (60, endless(body, bytes(60_000), 4 * mb - 90_000)),
        "values": (5, endless(values, b" ", 1)),
    }


ATTACKS = ["headers", "pipelined", "pipelined with a token", "chunk extension", "trailers", "bodies", "values"]


@pytest.mark.parametrize("kind", ATTACKS)
def test_endless(tmp_path: Path, kind: str) -> None:
    """Connections that send what has no end, or up to 240 MB of bodies: little memory is used, others are served."""
    siege = Siege(tmp_path, max_sync_bytes=4 << 20, idle_s=5.0)
    over = threading.Event()
    count, attack = attacks(siege)[kind]
    attackers = [threading.Thread(target=attack, args=(siege, over)) for _ in range(count)]
    try:
        with GoodClient(siege) as good:
            wait_until(lambda: len(good.done) > 5, 20, "the good client to be served")
            resident, _ = siege.resident_mb()
            for thread in attackers:
                thread.start()
            done = len(good.done)
            wait_until(lambda: len(good.done) > done + 20 or good.problem, 20, "the good client to be served")
            over.set()
            for thread in attackers:
                thread.join()
            assert good.problem == ""
            assert good.slowest_s < 5
        _, peak = siege.resident_mb()
        assert peak - resident < 64
    finally:
        over.set()
        siege.close()


async def send_drops(b: Bench, head: str, to_the_end: bool = False) -> bytes:
    """One byte after the other, well within the time for silence; the answer's first line, or all until
    the server closes."""
    host, port = b.server.url.split("//")[1].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    try:
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read() if to_the_end else reader.readline(), 20)
        return b""
    finally:
        dripping.cancel()
        writer.close()


def test_outputs_that_drip(tmp_path: Path) -> None:
    """Whoever sends his outputs drop by drop is cut off, and keeps nobody else from delivering meanwhile."""

    async def test(b: Bench) -> None:
        b.permit("1.1", claim="c1")
        b.permit("2.1", claim="c2")
        head = (
            f"PUT /claims/c1/attempts/1.1/outputs HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n"
            f"Authorization: Bearer {b.tokens['c1']}\r\n\r\n"
        )
        slow = [asyncio.ensure_future(send_drops(b, head)) for _ in range(3)]
        await asyncio.sleep(0)
        while not b.server._deliveries.find("1.1"):
            await asyncio.sleep(0.01)
        assert await asyncio.wait_for(b.put(files_tar(o=b"2"), "2.1", "c2"), 0.9) == (204, "")
        assert all(b" 408 " in answer for answer in await asyncio.gather(*slow))

    run(tmp_path, test, idle_s=1.0, uploads=2)


def test_heads_that_drip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a fresh connection, and on one that was used for something good before."""
    monkeypatch.setattr(listener, "KEEPALIVE_S", 0.5)

    async def test(b: Bench) -> None:
        staged = b.permit(inputs=("/etc/hostname",))
        good = request("GET", f"/claims/c1/files/{staged[0].digest}", b.tokens["c1"]).decode()
        for head in ("GET / HTTP/1.1\r\nX: ", good + "GET / HTTP/1.1\r\nX: "):
            answer = await send_drops(b, head, to_the_end=True)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 200 ")

    run(tmp_path, test, idle_s=0.5)


def test_more_connections_than_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers that only connect: the oldest go for the newest, and a good client is served among them."""
    monkeypatch.setattr(listener, "MOST_SILENT", 20)

    async def test(b: Bench) -> None:
        b.open()
        host, port = b.server.url.split("//")[1].split(":")
        strangers = []
        for _ in range(60):
            strangers.append(await asyncio.open_connection(host, int(port)))
            assert (await b.sync(seq=1))[0] == 200
        first = [asyncio.wait_for(reader.read(), 5) for reader, _ in strangers[:35]]
        await asyncio.gather(*first, return_exceptions=True)
        assert sum(reader.at_eof() or reader.exception() is not None for reader, _ in strangers) in range(35, 45)
        for _, writer in strangers:
            writer.close()

    run(tmp_path, test)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For the strangers' own sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] not in (resource.RLIM_INFINITY,) and before[1] < 4096:
        pytest.skip("this machine lets a process have few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4096), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize(("descriptors", "strangers"), [(128, 300), (256, 2000)])
def test_silent_strangers_take_a_part_of_the_descriptors(tmp_path: Path, descriptors: int, strangers: int) -> None:
    """Many more than there are descriptors for connect and say nothing: inputs are served and outputs taken."""
    siege = Siege(tmp_path, descriptors=descriptors)
    found = []
    try:
        for number in range(strangers):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(siege.address)
            found.append(one)
            if number % (strangers // 10) == 0:
                siege.drop()
                raw = request("GET", f"/claims/good/files/{siege.digests['good'][0]}", siege.tokens["good"])
                status, body = siege._exchange(raw, end=False)
                assert (status, body) == (200, SECRET)
                which = number // (strangers // 10)
                raw = request("PUT", f"/claims/good/attempts/{100 + which}.1/outputs", siege.tokens["good"],
                              files_tar(**{f"good-{which}.out": b"x"}))
                assert siege._exchange(raw, end=False)[0] == 204
        open_now = len(os.listdir(f"/proc/{siege.process.pid}/fd"))
        assert open_now < descriptors * 3 // 4
    finally:
        for one in found:
            one.close()
        siege.close()


def test_strangers_that_never_shake_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS as without: the oldest of too many go, although their handshake has not ended."""
    monkeypatch.setattr(listener, "MOST_SILENT", 5)

    async def test(b: Bench) -> None:
        port = int(b.server.url.rsplit(":", 1)[1])
        strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        gone = [asyncio.wait_for(reader.read(), 5) for reader, _ in strangers[:7]]
        await asyncio.gather(*gone, return_exceptions=True)
        assert all(reader.at_eof() or reader.exception() is not None for reader, _ in strangers[:7])
        b.open()
        assert (await b.sync(seq=1))[0] == 200
        for _, writer in strangers:
            writer.close()

    run(tmp_path, test, tls=True)


def test_no_descriptor_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that cannot be opened at the moment are requested again; outputs wait as for a full disk."""

    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"x")
        staged = b.permit(inputs=("in",))
        real = os.open

        def none_left(path: Any, *args: Any, **more: Any) -> int:
            if isinstance(path, (str, Path)) and str(path).startswith(str(tmp_path)):
                raise OSError(errno.EMFILE, "Too many open files")
            return real(path, *args, **more)

        monkeypatch.setattr(os, "open", none_left)
        assert (await b.call("GET", f"files/{staged[0].digest}"))[0] == 503
        assert (await b.put(files_tar(o=b"y")))[0] == 413
        monkeypatch.undo()
        assert (await b.call("GET", f"files/{staged[0].digest}")) == (200, b"x")
        with pytest.raises(PublishError, match="too many files are open") as refused:
            b.server.publish_outputs("1.1")
        assert refused.value.full

    run(tmp_path, test)


def test_answers_that_are_not_taken(tmp_path: Path) -> None:
    """Whoever asks on and on, and never reads what he gets, is cut off."""

    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(bytes(200_000))
        staged = b.permit(inputs=("in",))
        host, port = b.server.url.split("//")[1].split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1000)
        writer.write(request("GET", f"/claims/c1/files/{staged[0].digest}", b.tokens["c1"]) * 200)
        listener = b.server._listeners[0]
        while listener._runner is None or listener._runner.server is None:
            await asyncio.sleep(0.01)
        served: Any = listener._runner.server
        while not served.connections:
            await asyncio.sleep(0.01)
        while served.connections:
            await asyncio.sleep(0.01)
        writer.close()

    run(tmp_path, test, idle_s=0.5)


def test_strangers_keep_no_connection(tmp_path: Path) -> None:
    """After a wrong token or a wrong address the connection is closed."""

    async def test(b: Bench) -> None:
        host, port = b.server.url.split("//")[1].split(":")
        for path in ("/claims/c1/sync", "/elsewhere"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request("POST", path, "wrong"))
            assert (await asyncio.wait_for(reader.read(), 5))[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 404")
            writer.close()

    run(tmp_path, test)


def test_newest_sync_is_heard(tmp_path: Path) -> None:
    """Syncs whose bodies do not come cannot keep a claim from its own: the oldest is given up."""

    async def test(b: Bench) -> None:
        b.open()
        head = (
            f"POST /claims/c1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n"
            f"Authorization: Bearer {b.tokens['c1']}\r\n\r\n"
        )
        slow = [asyncio.ensure_future(send_drops(b, head)) for _ in range(4)]
        claim: Any = b.server._claims.get("c1")
        given_up, _ = await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
        assert all(b" 429 " in task.result() for task in given_up)
        assert len(claim.reading) <= 2
        assert (await b.sync())[0] == 200
        await asyncio.gather(*slow)
        assert claim.reading == []

    run(tmp_path, test, idle_s=1.5)


def test_fuller_than_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that announce no size are stopped before the disk is full, and leave nothing."""

    async def test(b: Bench) -> None:
        b.permit()
        tar = files_tar(o=b"x" * 6_000_000)

        async def pieces() -> Any:
            yield tar[:2_500_000]
            while not b.leftovers():
                await asyncio.sleep(0.01)
            monkeypatch.setattr(transfer, "SPARE_BYTES", 1 << 60)
            for start in range(2_500_000, len(tar), 500_000):
                yield tar[start : start + 500_000]

        with contextlib.suppress(OSError):
            assert (await b.put(pieces()))[0] == 413
        while b.leftovers():
            await asyncio.sleep(0.01)

    run(tmp_path, test)


def test_names_in_refusals_are_harmless(tmp_path: Path) -> None:
    """A name chosen to write a line of its own, or to a terminal's controls, is quoted."""

    async def test(b: Bench) -> None:
        b.permit()
        for name in ("x\nmfmesos: all is well", "\x1b[2J", "\udcff", "y" * 4000):
            result = wire.Result("1.1", wire.FINISHED, tar=inline(tar_of(member(name, b"1"))))
            await b.sync(result)
            heard = b.syncs[-1][1].results[0].reason
            assert heard.isprintable()
            assert len(heard) < 300
        await b.sync(wire.Result("1.1", wire.FAILED, "\x1b[2J\nmfmesos: all is well \ud800", stdout="\ud800"))
        heard = b.syncs[-1][1].results[0]
        assert heard.reason.isprintable()
        assert heard.stdout == "?"
        assert b.leftovers() == []
        with pytest.raises(PublishError):
            b.server.publish_outputs("1.1")

    run(tmp_path, test)


def test_spoilt_by_chance(tmp_path: Path) -> None:
    """Good tars with a few bytes changed are taken or refused, and refused ones leave nothing."""

    async def test(b: Bench) -> None:
        chance = random.Random(1)
        b.permit(outputs=("o", "d"))
        good = tar_of(member("o", b"1" * 600), member("d/" + "x" * 120, b"2"), member("d/e", b""))
        for _ in range(1500):
            tar = bytearray(good)
            for _ in range(chance.randint(1, 3)):
                tar[chance.randrange(len(tar))] = chance.randrange(256)
            await b.sync(wire.Result("1.1", wire.FINISHED, tar=inline(bytes(tar))))
            assert b.syncs.pop()[1].results[0].outcome in (wire.FINISHED, wire.BROKEN)
            assert {name.partition("-")[0] for name in b.leftovers()} <= {"1.1"}
            assert len(b.leftovers()) <= 2

    run(tmp_path, test)


def test_many_members_take_no_memory(tmp_path: Path) -> None:
    """Only declared names are remembered while outputs arrive, however many files a folder has."""
    unpacker = Unpacker(tmp_path / "1.1-1", plan_outputs(tmp_path, ("folder", "o")))
    unpacker.feed(tar_of(member("o", b"1"), *(member(f"folder/{n}", b"") for n in range(2000))))
    assert len(unpacker._names._seen) == 2
    unpacker.finish()
    assert len(list((tmp_path / "1.1-1.0").iterdir())) == 2000
