"""Tars of any kind, and a server in a loop with a client beside it."""
from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Callable

import aiohttp

from mfmesos.core.model import Task
from mfmesos.shared import wire
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.received import WHOLE
from mfmesos.staging.server import StagingServer


def member(name: str, data: bytes = b"", mode: int = 0o644, kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
    """One member for `tar_of`."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    return info, data


def tar_of(*members: Any, format: int = tarfile.PAX_FORMAT, end: bool = True) -> bytes:
    """The members as a tar stream exactly as given, nothing checked; without its end mark if not `end`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|", format=format) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
        length = tar.offset
    return out.getvalue() if end else out.getvalue()[:length]


def files_tar(**files: bytes) -> bytes:
    return tar_of(*(member(name, data) for name, data in files.items()))


def inline(tar: bytes) -> str:
    return base64.b64encode(tar).decode()


class Bench:
    """A server, an HTTP client that bears no token by itself, and what the scheduler received."""

    def __init__(self, workdir: Path, server: StagingServer, client: aiohttp.ClientSession, index: InputIndex) -> None:
        self.workdir, self.server, self.client, self.index = workdir, server, client, index
        self.syncs: list[tuple[str, wire.SyncRequest]] = []
        self.answer: Callable[[str, wire.SyncRequest], Awaitable[wire.SyncAnswer]] = self._at_once
        self.tokens: dict[str, str] = {}

    async def _at_once(self, _: str, request: wire.SyncRequest) -> wire.SyncAnswer:
        return wire.SyncAnswer(number=request.seq, acked=[r.attempt for r in request.results])

    async def on_sync(self, claim: str, request: wire.SyncRequest) -> wire.SyncAnswer:
        self.syncs.append((claim, request))
        return await self.answer(claim, request)

    def open(self, claim: str = "c1") -> str:
        self.tokens[claim] = self.server.open_claim(claim)
        return self.tokens[claim]

    def permit(self, attempt: str = "1.1", outputs: tuple[str, ...] = ("o",), inputs: tuple[str, ...] = (),
              claim: str = "c1") -> Any:
        if claim not in self.tokens:
            self.open(claim)
        staged = self.index.stage(Task(1, "x", inputs))
        self.server.permit(claim, attempt, staged, outputs)
        return staged

    async def call(self, method: str, path: str, claim: str = "c1", token: str | None = None, **more: Any) -> Any:
        """Status and body. The claim's own token is used unless one is given."""
        bearer = self.tokens.get(claim, "") if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with self.client.request(
                method, f"{self.server.url}/claims/{claim}/{path}", headers=headers, **more) as r:
            return r.status, await r.read()

    async def sync(self, *results: wire.Result, seq: int = 1, claim: str = "c1") -> Any:
        """Status and the answer, or the refusal's text."""
        body = wire.dumps(wire.SyncRequest(seq=seq, results=list(results)))
        status, raw = await self.call("POST", "sync", claim, data=body)
        return status, (wire.load_sync_answer(raw) if status == 200 else raw.decode())

    async def put(self, data: Any, attempt: str = "1.1", claim: str = "c1", **more: Any) -> Any:
        status, raw = await self.call("PUT", f"attempts/{attempt}/outputs", claim, data=data, **more)
        return status, raw.decode()

    def leftovers(self) -> list[str]:
        """What was delivered and neither published nor thrown away."""
        names = {p.name for p in (self.workdir / ".mfmesos" / "incoming").iterdir()}
        return sorted(n for n in names if not (n.endswith(WHOLE) and f"{n[:-len(WHOLE)]}.0" in names))


@contextlib.asynccontextmanager
async def bench(workdir: Path, host: str = "127.0.0.1", **settings: Any) -> AsyncIterator[Bench]:
    index = InputIndex(workdir)
    made: list[Bench] = []

    async def on_sync(claim: str, request: wire.SyncRequest) -> wire.SyncAnswer:
        return await made[0].on_sync(claim, request)

    server = StagingServer(workdir, on_sync, inputs=index, **settings)
    await server.start(host)
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as client:
        made.append(Bench(workdir, server, client, index))
        try:
            yield made[0]
        finally:
            await server.stop()


def run(workdir: Path, test: Callable[[Bench], Awaitable[None]], most_s: float = 30, **settings: Any) -> None:
    """Run `test` against a server of `workdir`."""

    async def main() -> None:
        async with bench(workdir, **settings) as b:
            await asyncio.wait_for(test(b), most_s)

    asyncio.run(main())
