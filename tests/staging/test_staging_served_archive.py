"""With the executor's archive come the places of the large files that its claim needs first."""
from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest
from staging_help import Bench, run

from mfmesos.core.model import StagedInput
from mfmesos.shared.samehost import PLACES, kernel, load_places, place_of
from mfmesos.staging import places, served_archive

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large."""
    monkeypatch.setattr(places, "LEAST_BYTES", 1000)


def old(path: Path, size: int = 2000) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (1e9, 1e9))
    return path


def staged(name: str, size: int = 2000, **more: object) -> StagedInput:
    return StagedInput(name, f"digest of {name}", size, 0o644, **more)  # type: ignore[arg-type]


async def named(b: Bench, url: str, source: str = HERE) -> str:
    """The header of the answer to somebody at that address, after the whole archive."""
    def ask() -> bytes:
        with socket.create_connection((HERE, b.server.port), 20, (source, 0)) as s:
            s.sendall(f"GET {url[len(b.server.url):]} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: s.recv(1 << 16), b""))
    head, _, body = (await asyncio.to_thread(ask)).partition(b"\r\n\r\n")
    assert body == b"archive"
    return head.decode().partition(f"\r\n{PLACES}: ")[2].partition("\r\n")[0]


def serve(b: Bench, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"archive")
    b.server.archive.serve(tmp_path / "a.tar.gz")
    b.open("c1")


def test_large_files(tmp_path: Path) -> None:
    """Those of the claim that asks, as they are now, wherever a link leads; and no small ones, folders or temporary
    outputs, none of a web server, none that is gone, and no more than a few.
    """
    (tmp_path / "link").symlink_to(old(tmp_path / "in"))
    old(tmp_path / "small", 10)
    (tmp_path / "folder").mkdir()
    first = [staged("link"), staged("small", 10), staged("folder"), staged("folder", kind="dir"), staged("gone"),
             staged("in", temporary=True), staged("in", url="http://somewhere/in")]

    async def test(b: Bench) -> None:
        serve(b, tmp_path)
        url = b.server.archive.url("c1", first)
        found = load_places(await named(b, url))
        assert found == [place_of(str(tmp_path / "in"), (tmp_path / "in").stat(), kernel())]
        assert b.open("c1") not in url
        many = load_places(await named(b, b.server.archive.url("c1", [staged("in")] * 20)))
        assert len(many) == places.MOST_FIRST
    run(tmp_path, test)


def test_whom_they_are_named_to(tmp_path: Path) -> None:
    """Nobody at another address, no other claim, and none that has ended: these get the archive alone."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        serve(b, tmp_path)
        url = b.server.archive.url("c1", [staged("in")])
        assert await named(b, url)
        assert await named(b, url, ELSEWHERE) == ""
        assert await named(b, b.server.archive.url("c2")) == ""
        assert await named(b, url.replace("=c1", "=c2")) == ""
        b.server.close_claim("c1")
        assert await named(b, url) == ""
    run(tmp_path, test)


def test_the_archive_waits_for_no_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for threads that hash; and a header has its limits."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        serve(b, tmp_path)
        url = b.server.archive.url("c1", [staged("in")])
        monkeypatch.setattr(served_archive, "PLACES_BYTES", 10)
        assert await named(b, url) == ""
        monkeypatch.setattr(served_archive, "PLACES_BYTES", 10_000)
        assert json.loads(await named(b, url))
        monkeypatch.setattr(served_archive, "LOOK_S", 0.0)
        assert await named(b, url) == ""
    run(tmp_path, test)
