"""Slow transfers at the server: they take neither threads nor turns from others."""
from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from staging_help import Bench, files_tar, run

from mfmesos.core.model import StagedInput
from mfmesos.staging import transfer


def slow(tar: bytes, gate: asyncio.Event) -> AsyncIterator[bytes]:
    """All but the last byte, which waits."""
    async def pieces() -> AsyncIterator[bytes]:
        yield tar[:-1]
        await gate.wait()
        yield tar[-1:]
    return pieces()


async def until(true: object) -> None:
    while not true():  # type: ignore[operator]
        await asyncio.sleep(0.01)


def test_slow_deliveries_hold_no_thread(tmp_path: Path) -> None:
    """Forty are on their way from three claims, on one thread: another claim's delivery arrives and is published, and
    its input is sent; afterwards all of the forty arrive."""
    os.utime((tmp_path / "in").open("wb").name, (1e9, 1e9))

    async def test(b: Bench) -> None:
        gate = asyncio.Event()
        names = [(f"c{i % 3}", f"{i}.1", f"o{i}") for i in range(40)]
        for claim, attempt, name in names:
            b.permit(attempt, (name,), claim=claim)
        coming = [asyncio.ensure_future(b.put(slow(files_tar(**{name: bytes(100_000)}), gate), attempt, claim))
                  for claim, attempt, name in names]
        await until(lambda: b.server._transfer._receiving == 40)
        (staged,) = b.permit("100.1", ("o",), ("in",), claim="c9")
        assert (await b.put(files_tar(o=bytes(3_000_000)), "100.1", "c9"))[0] == 204
        assert (await b.call("GET", f"files/{staged.digest}", "c9"))[0] == 200
        await b.server.publish("100.1")
        assert (tmp_path / "o").stat().st_size == 3_000_000
        gate.set()
        assert {status for status, _ in await asyncio.gather(*coming)} == {204}
    run(tmp_path, test, threads=1)


def test_one_claims_deliveries_are_bounded(tmp_path: Path) -> None:
    """More than its share wait, while those of another claim arrive."""
    async def test(b: Bench) -> None:
        gate = asyncio.Event()
        for i in range(20):
            b.permit(f"{i}.1", (f"o{i}",))
        coming = [asyncio.ensure_future(b.put(slow(files_tar(**{f"o{i}": b"x"}), gate), f"{i}.1")) for i in range(20)]
        await until(lambda: b.server._transfer._receiving == transfer.MOST_OF_ONE)
        b.permit("100.1", ("o",), claim="c9")
        assert (await b.put(files_tar(o=b"x"), "100.1", "c9"))[0] == 204
        assert b.server._transfer._receiving == transfer.MOST_OF_ONE
        gate.set()
        assert {status for status, _ in await asyncio.gather(*coming)} == {204}
    run(tmp_path, test)


def test_hashing_does_not_delay_deliveries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the only thread for inputs looks at a large one, outputs arrive and are published."""
    (tmp_path / "large").write_bytes(bytes(2 << 20))
    gate = threading.Event()

    async def test(b: Bench) -> None:
        (staged,) = b.permit("1.1", ("o",), ("large",))
        real, begun = b.index.verify, threading.Event()

        def verify(item: StagedInput) -> str:
            begun.set()
            assert gate.wait(20)
            return real(item)
        monkeypatch.setattr(b.index, "verify", verify)
        getting = asyncio.ensure_future(b.call("GET", f"files/{staged.digest}"))
        await until(begun.is_set)
        assert (await b.put(files_tar(o=bytes(300_000))))[0] == 204
        await b.server.publish("1.1")
        gate.set()
        status, body = await getting
        assert (status, hashlib.sha256(body).hexdigest()) == (200, staged.digest)
    try:
        run(tmp_path, test, threads=1)
    finally:
        gate.set()


def test_little_of_many_deliveries_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few at once pieces are as large as they may be; with many each is written as it arrives."""
    sizes: list[int] = []
    monkeypatch.setattr(transfer, "FEW", 2)

    async def test(b: Bench) -> None:
        real = b.server._transfer._feed

        def feed(function: object, *args: object) -> object:
            sizes.extend(len(a) for a in args if isinstance(a, bytearray))
            return real(function, *args)  # type: ignore[arg-type]
        monkeypatch.setattr(b.server._transfer, "_feed", feed)
        b.permit("0.1", ("o0",))
        assert (await b.put(files_tar(o0=bytes(3_000_000)), "0.1"))[0] == 204
        assert max(sizes) >= transfer.PIECE
        sizes.clear()
        for i in range(1, 4):
            b.permit(f"{i}.1", (f"o{i}",))
        gate = asyncio.Event()
        coming = [asyncio.ensure_future(b.put(slow(files_tar(**{f"o{i}": b"x"}), gate), f"{i}.1")) for i in (1, 2)]
        await until(lambda: b.server._transfer._receiving == 2)
        assert (await b.put(files_tar(o3=bytes(3_000_000)), "3.1"))[0] == 204
        assert max(sizes) < transfer.PIECE
        gate.set()
        await asyncio.gather(*coming)
    run(tmp_path, test)
