"""Temporary outputs that a claim was asked to send: the store of the scheduler's copies."""
from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from staging_help import Bench, run

DATA = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(DATA).hexdigest()


def stored(workdir: Path) -> list[str]:
    folder = workdir / ".mfmesos" / "temporary"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_only_what_was_asked_of_that_claim_is_taken(tmp_path: Path) -> None:
    """Another digest, another claim, another token, or nothing asked for: refused, and nothing is stored."""
    async def test(b: Bench) -> None:
        b.open("c1")
        b.open("c2")
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA))[0] == 404
        b.server.temporaries.expect("c1", DIGEST, len(DATA))
        assert (await b.call("PUT", f"temporary/{DIGEST}", claim="c2", data=DATA))[0] == 404
        assert (await b.call("PUT", "temporary/..%2Fx", data=DATA))[0] == 404
        assert (await b.call("PUT", f"temporary/{DIGEST}", token=b.tokens["c2"], data=DATA))[0] == 401
        assert stored(tmp_path) == []
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA))[0] == 204
        assert stored(tmp_path) == [DIGEST]
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA))[0] == 404  # once
    run(tmp_path, test)


def test_damaged_or_incomplete_content_is_not_kept(tmp_path: Path) -> None:
    """Other bytes, or another length than announced: refused, and it may be sent again."""
    async def test(b: Bench) -> None:
        b.open("c1")
        b.server.temporaries.expect("c1", DIGEST, len(DATA))
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA[:-1] + b"x"))[0] == 400
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA + b"x"))[0] == 400
        assert stored(tmp_path) == []
        assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA))[0] == 204
        assert (tmp_path / ".mfmesos" / "temporary" / DIGEST).read_bytes() == DATA
    run(tmp_path, test)


def test_the_same_output_may_arrive_twice_at_once(tmp_path: Path) -> None:
    """A connection that seemed lost, and the second try: whichever is complete first counts, and the other changes
    nothing, even if it breaks off in the middle.
    """
    async def test(b: Bench) -> None:
        b.open("c1")
        b.server.temporaries.expect("c1", DIGEST, len(DATA))
        headers = {"Authorization": f"Bearer {b.tokens['c1']}", "Content-Length": str(len(DATA))}

        def put(parts: AsyncIterator[bytes]) -> asyncio.Task[Any]:
            return asyncio.ensure_future(b.client.put(
                f"{b.server.url}/claims/c1/temporary/{DIGEST}", headers=headers, data=parts))

        async def parts(first: bytes, until: asyncio.Event, last: bytes) -> AsyncIterator[bytes]:
            yield first
            await until.wait()
            if not last:
                raise ConnectionAbortedError
            yield last

        async def has(size: int) -> None:
            folder = tmp_path / ".mfmesos" / "temporary"
            while not any((folder / name).stat().st_size == size for name in stored(tmp_path)):
                await asyncio.sleep(0.01)

        end, breaks = asyncio.Event(), asyncio.Event()
        one = put(parts(DATA[:-1], end, DATA[-1:]))
        await has(len(DATA) - 1)
        other = put(parts(DATA[:10], breaks, b""))
        await has(10)
        end.set()
        assert (await one).status == 204
        breaks.set()
        await asyncio.wait((other,))
        while len(stored(tmp_path)) > 1:
            await asyncio.sleep(0.01)
        assert stored(tmp_path) == [DIGEST]
        assert (tmp_path / ".mfmesos" / "temporary" / DIGEST).read_bytes() == DATA
    run(tmp_path, test)


def test_what_nobody_needs_any_more_is_not_kept(tmp_path: Path) -> None:
    """Dropped before it arrives, or with the claim that was to send it."""
    async def test(b: Bench) -> None:
        b.open("c1")
        for end in (lambda: b.server.temporaries.drop(DIGEST), lambda: b.server.temporaries.close_claim("c1")):
            b.server.temporaries.expect("c1", DIGEST, len(DATA))
            end()
            assert (await b.call("PUT", f"temporary/{DIGEST}", data=DATA))[0] == 404
        assert stored(tmp_path) == []
    run(tmp_path, test)
