"""Many small inputs with one request: the executor's client and the real server."""
from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from mfmesos_executor.client import Client, Refused
from mfmesos_executor.fetching import Scheduler
from staging_help import Bench, run

from mfmesos.shared import batches, wire
from mfmesos.staging import smallfiles


def old(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))
    return path


def as_inputs(staged: Any) -> list[wire.Input]:
    return [wire.Input(i.name, i.digest, i.size, i.mode, i.kind) for i in staged]


async def fetched(b: Bench, items: list[wire.Input], claim: str = "c1") -> list[Any]:
    """What arrives for each, as an executor fetches them."""
    found: dict[int, Any] = {}

    def put(index: int, arrived: Any) -> None:
        assert index not in found
        found[index] = arrived

    client = Client(wire.ClaimData(b.server.url, claim, b.tokens[claim], give_up_s=0.0))
    await asyncio.to_thread(Scheduler(client).fetch_many, items, put, lambda: False)
    return [found[index] for index in range(len(items))]


async def asked(b: Bench, *digests: str, **more: Any) -> Any:
    return await b.call("POST", "files", data=batches.request(digests), **more)


def test_thousands_of_files(tmp_path: Path) -> None:
    """Each arrives once, empty ones and the largest included, with three requests for 2,500."""
    contents = [b"%d\n" % i * (i % 9) for i in range(2499)] + [b"x" * batches.FILE_BYTES]
    for i, content in enumerate(contents):
        old(tmp_path / f"in/{i}", content)

    async def test(b: Bench) -> None:
        staged = b.permit(inputs=tuple(f"in/{i}" for i in range(len(contents))))
        requests = 0
        real = b.server._transfer.send_many

        async def counted(*args: Any) -> Any:
            nonlocal requests
            requests += 1
            return await real(*args)

        b.server._transfer.send_many = counted  # type: ignore[method-assign]
        assert await fetched(b, as_inputs(staged)) == contents
        assert requests == 3
    run(tmp_path, test)


def test_each_file_has_its_own_permit(tmp_path: Path) -> None:
    """What is another claim's, was never an input, has changed or is gone is refused in the same words as alone; the
    others arrive."""
    for name in ("mine", "theirs", "changed", "gone", "both"):
        old(tmp_path / name, name.encode())

    async def test(b: Bench) -> None:
        mine = as_inputs(b.permit("1.1", inputs=("mine", "changed", "gone", "both")))
        theirs = as_inputs(b.permit("2.1", ("p",), inputs=("theirs", "both"), claim="c2"))
        (tmp_path / "changed").write_bytes(b"CHANGED")
        (tmp_path / "gone").unlink()
        unknown = wire.Input("x", hashlib.sha256(b"x").hexdigest(), 1)
        found = await fetched(b, [mine[0], theirs[0], mine[1], mine[2], unknown, mine[3]])
        assert (found[0], found[5]) == (b"mine", b"both")
        for index, item in ((1, theirs[0]), (2, mine[1]), (3, mine[2]), (4, unknown)):
            status, text = await b.call("GET", f"files/{item.digest}")
            assert isinstance(found[index], Refused)
            assert (found[index].status, f"{found[index]}\n") == (status, text.decode())
        b.server.withdraw_permit("c1", "1.1")
        assert [one.status for one in await fetched(b, [mine[0]])] == [404]
    run(tmp_path, test)


def test_a_large_file_or_a_folder_is_not_for_a_batch(tmp_path: Path) -> None:
    """So that one request cannot have the server hold many GB."""
    old(tmp_path / "large", b"x" * (batches.FILE_BYTES + 1))
    old(tmp_path / "folder/x", b"x")

    async def test(b: Bench) -> None:
        staged = b.permit(inputs=("large", "folder"))
        status, body = await asked(b, *(i.digest for i in staged))
        assert status == 200
        assert [one.status for one in batches.members([body], [0, 0])] == [413, 413]
    run(tmp_path, test)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", batches.request(["0" * 63]), batches.request(["0" * 64] * 1001)])
def test_invalid_requests(tmp_path: Path, data: bytes) -> None:
    """They are refused with one line, before anything is read."""
    async def test(b: Bench) -> None:
        b.permit()
        status, body = await b.call("POST", "files", data=data)
        assert (status, body.count(b"\n")) == (400, 1)
    run(tmp_path, test)


def test_requests_are_bounded_and_for_claims_only(tmp_path: Path) -> None:
    """A larger body or one of unknown length is not read, and nothing is sent without the claim's token."""
    async def test(b: Bench) -> None:
        b.permit()

        async def endless() -> Any:
            while True:
                yield b"[" * 10_000

        assert (await b.call("POST", "files", data=b" " * (batches.REQUEST_BYTES + 1)))[0] == 413
        assert (await b.call("POST", "files", data=endless()))[0] == 413
        assert (await asked(b, "0" * 64, token="wrong"))[0] == 401
        b.server.close_claim("c1")
        assert (await asked(b, "0" * 64))[0] == 410
    run(tmp_path, test)


def test_a_client_that_does_not_read_holds_no_thread(tmp_path: Path) -> None:
    """It is disconnected, and meanwhile the server's only thread serves others."""
    names = tuple(f"in/{i}" for i in range(200))
    for i, name in enumerate(names):
        old(tmp_path / name, b"%d" % i + b"x" * 200_000)

    async def test(b: Bench) -> None:
        staged = b.permit(inputs=names)
        body = batches.request([i.digest for i in staged])
        sent: list[Any] = []
        real = b.server._transfer.send_many

        async def noted(*args: Any) -> Any:
            sent.append(await real(*args))
            return sent[-1]

        b.server._transfer.send_many = noted  # type: ignore[method-assign]
        host, port = b.server.url.rpartition("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write((f"POST /claims/c1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {b.tokens['c1']}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        assert [len(one) for one in await fetched(b, as_inputs(staged[-3:]))] == [200_003] * 3
        while len(sent) < 2:
            await asyncio.sleep(0.01)
        assert b"\r\n0\r\n" not in await reader.read()
        writer.close()
    run(tmp_path, test, idle_s=0.5, threads=1)


def test_content_in_the_answer(tmp_path: Path) -> None:
    """A small file that no other attempt needs travels in the answer that names its attempt, as long as the claim may
    fetch it and it is unchanged: not what others need, is larger, is another claim's, has changed or is a folder."""
    sizes = {"own": 10, "empty": 0, "shared": 10, "large": smallfiles.LARGEST_ADDED + 1, "changed": 10, "theirs": 10}
    for name, size in sizes.items():
        old(tmp_path / name, name[:1].encode() * size)
    old(tmp_path / "folder/file", b"file")

    async def test(b: Bench) -> None:
        items = as_inputs(b.permit("1.1", inputs=("own", "empty", "shared", "large", "changed", "folder")))
        theirs = as_inputs(b.permit("2.1", ("p",), inputs=("theirs",), claim="c2"))
        for item in (*items, *theirs):
            item.shared = item.name == "shared"
        (tmp_path / "changed").write_bytes(b"CHANGED")

        async def answer(claim: str, request: wire.SyncRequest) -> wire.SyncAnswer:
            return wire.SyncAnswer(1, run=[wire.Run("1.1", "x", [*items, *theirs], ["o"], "/w", 1, 1, 1)])

        b.answer = answer
        before = b.server.sent()[0]
        status, got = await b.sync()
        found = {item.name: base64.b64decode(item.content) for item in got.run[0].inputs if item.content}
        assert (status, found) == (200, {"own": b"o" * 10})
        assert b.server.sent()[0] - before == 10
    run(tmp_path, test)


def test_an_answer_is_bounded(tmp_path: Path) -> None:
    """What does not fit into it is fetched, as ever."""
    count = smallfiles.MOST_ADDED // smallfiles.LARGEST_ADDED
    for i in range(count + 5):
        old(tmp_path / f"in.{i}", bytes([i]) * smallfiles.LARGEST_ADDED)

    async def test(b: Bench) -> None:
        items = as_inputs(b.permit("1.1", inputs=tuple(f"in.{i}" for i in range(count + 5))))
        for item in items:
            item.shared = False

        async def answer(claim: str, request: wire.SyncRequest) -> wire.SyncAnswer:
            return wire.SyncAnswer(1, run=[wire.Run("1.1", "x", items, ["o"], "/w", 1, 1, 1)])

        b.answer = answer
        _, got = await b.sync()
        assert sum(bool(item.content) for item in got.run[0].inputs) == count
    run(tmp_path, test)
