"""Large inputs: hashed while they are sent the first time, and verified all the same."""
from __future__ import annotations

import asyncio
import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest
from mfmesos_executor.client import Client, Refused, Unreachable
from mfmesos_executor.fetching import Scheduler
from mfmesos_executor.unpack import BadStream, write_verified
from staging_help import Bench, run

from mfmesos.core.model import StagedInput, Task
from mfmesos.shared import wire
from mfmesos.shared.samehost import name_of
from mfmesos.staging import inputs as module
from mfmesos.staging import transfer
from mfmesos.staging.input_errors import InputChanged
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.late import LateDigests

CONTENT = random.Random(1).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large."""
    monkeypatch.setattr(module, "LEAST_BYTES", 2_000_000)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read only to hash them."""
    found: list[str] = []
    real = InputIndex._hash

    def hash(self: InputIndex, path: str) -> Any:
        found.append(os.path.basename(path))
        return real(self, path)
    monkeypatch.setattr(InputIndex, "_hash", hash)
    return found


def old(path: Path, content: bytes = CONTENT, when: float = 1e9) -> Path:
    path.write_bytes(content)
    os.utime(path, (when, when))
    return path


def stage(index: InputIndex, *names: str) -> tuple[StagedInput, ...]:
    return index.stage(Task(1, "x", names))


async def fetched(b: Bench, staged: StagedInput, path: Path) -> bytes:
    """As an executor fetches it."""
    item = wire.Input(staged.name, staged.digest, staged.size, late=staged.late, sparse=staged.sparse)
    client = Client(wire.ClaimData(b.server.url, "c1", b.tokens["c1"], give_up_s=0.0))
    await asyncio.to_thread(Scheduler(client).fetch, item, str(path), lambda: False)
    return path.read_bytes()


def test_nothing_is_read_twice(tmp_path: Path, hashed: list[str]) -> None:
    """Neither before it is sent, nor when it is sent again; afterwards its digest is known."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert staged.late
        assert (staged.size, b.index.digest_of(staged)) == (len(CONTENT), "")
        assert staged.digest not in (DIGEST, "")
        for name in ("1", "2"):
            assert await fetched(b, staged, tmp_path / name) == CONTENT
            assert b.index.digest_of(staged) == DIGEST
        assert stage(b.index, "in") == (staged,)
        assert hashed == []
        assert b.index.look("in").digest == DIGEST
        assert hashed == []
    run(tmp_path, test)


def test_claims_that_fetch_at_the_same_time(tmp_path: Path) -> None:
    """Each gets all of it, also with many at once, when less of each is in memory."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        found = await asyncio.gather(*(fetched(b, staged, tmp_path / f"o{i}") for i in range(transfer.FEW + 4)))
        assert set(found) == {CONTENT}
        assert b.server._transfer._sending == 0
    run(tmp_path, test)


def test_what_stays_as_it_was(tmp_path: Path, hashed: list[str]) -> None:
    """Small files and files that have just changed are hashed first, and so is all where late hashing is off."""
    old(tmp_path / "small", b"x")
    (tmp_path / "young").write_bytes(CONTENT)
    old(tmp_path / "large")
    index = InputIndex(tmp_path)
    small, young = stage(index, "small", "young")
    assert (small.late, young.late, young.digest) == (False, False, DIGEST)
    (large,) = InputIndex(tmp_path, late=False).stage(Task(1, "x", ("large",)))
    assert (large.late, large.digest) == (False, DIGEST)
    (large,) = index.stage(Task(1, "x", ("large",)), hash_now=["large"])
    assert (large.late, large.digest) == (False, DIGEST)
    assert hashed == ["small", "young", "large", "large"]


def test_not_with_peer_transfers(tmp_path: Path) -> None:
    """Peers compare what they send each other with the digest, so it must be known."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert (staged.late, staged.digest) == (False, DIGEST)
    run(tmp_path, test, peer_transfers=True)


def test_a_version_has_one_name(tmp_path: Path) -> None:
    """For a restarted scheduler as well, under each link to it and after chmod; another version has another name."""
    path = old(tmp_path / "in")
    (tmp_path / "link").symlink_to("in")
    (one,), (two,) = stage(InputIndex(tmp_path), "in"), stage(InputIndex(tmp_path), "link")
    assert one.digest == two.digest
    path.chmod(0o600)
    os.link(path, tmp_path / "hard")
    assert stage(InputIndex(tmp_path), "in")[0].digest == one.digest
    InputIndex(tmp_path).verify(one)
    os.utime(path, (2e9, 1e9 + 1))
    assert stage(InputIndex(tmp_path), "in")[0].digest != one.digest


def test_changed_before_it_was_sent(tmp_path: Path) -> None:
    """Another version is never sent in its place."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        for change in (lambda: old(tmp_path / "in", CONTENT[::-1], 1e9 + 1), lambda: (tmp_path / "in").unlink()):
            change()
            with pytest.raises(Refused) as e:
                await fetched(b, staged, tmp_path / "got")
            assert e.value.status == 409
        assert not (tmp_path / "got").exists()
    run(tmp_path, test)


def test_touched_after_it_was_sent(tmp_path: Path) -> None:
    """The same content with another time is the same input; other content with the old time is not."""
    path = old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert await fetched(b, staged, tmp_path / "1") == CONTENT
        os.utime(path, (1e9, 1e9 + 1))
        assert await fetched(b, staged, tmp_path / "2") == CONTENT
        old(path, CONTENT[::-1])
        with pytest.raises(Refused):
            await fetched(b, staged, tmp_path / "3")
    run(tmp_path, test)


@pytest.mark.parametrize("known", [False, True])
def test_changed_while_it_is_sent(tmp_path: Path, known: bool) -> None:
    """The stream lacks its end, or ends with the old digest: the executor refuses it, and comes again in vain."""
    path = old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        if known:
            await fetched(b, staged, tmp_path / "1")
        real = b.index.late_pieces

        def changing(*args: Any) -> Any:
            for number, piece in enumerate(real(*args)):
                if not number:
                    with path.open("r+b") as f:
                        f.seek(-10, os.SEEK_END)
                        f.write(b"y" * 10)
                yield piece
        b.index.late_pieces = changing  # type: ignore[method-assign]
        with pytest.raises((Refused, BadStream, Unreachable)):
            await fetched(b, staged, tmp_path / "2")
        assert b.index.digest_of(staged) == (DIGEST if known else "")
        with pytest.raises(InputChanged):
            b.index.verify(staged)
    run(tmp_path, test)


@pytest.mark.parametrize("stream", [
    CONTENT, CONTENT + DIGEST[:-1].encode(), CONTENT + DIGEST.encode() + b"x", CONTENT[:-1] + DIGEST.encode(),
    CONTENT + hashlib.sha256(b"x").hexdigest().encode(), b"", b"x" * len(CONTENT) + DIGEST.encode(),
    CONTENT + "ÿ".encode("latin1") * 64], ids=range(8))
def test_hostile_streams(tmp_path: Path, stream: bytes) -> None:
    """Only the whole content with its own digest is a file; nothing is left of anything else."""
    path = tmp_path / "got"
    good = CONTENT + DIGEST.encode()
    for size in (1000, 100_000, len(good)):
        write_verified((good[i:i + size] for i in range(0, len(good), size)), str(path), "name", late=len(CONTENT))
        assert path.read_bytes() == CONTENT
        path.unlink()
        with pytest.raises(BadStream):
            write_verified(
                (stream[i:i + size] for i in range(0, len(stream), size)), str(path), "name", late=len(CONTENT))
        assert not path.exists()


def test_endless_end(tmp_path: Path) -> None:
    """It is not held in memory."""
    def endless() -> Any:
        yield CONTENT
        for number in range(100):
            assert number < 3
            yield b"0" * 40
    with pytest.raises(BadStream):
        write_verified(endless(), str(tmp_path / "got"), "name", late=len(CONTENT))


def test_names_are_bounded(tmp_path: Path) -> None:
    """The oldest are forgotten."""
    late = LateDigests(2)
    for name in "abca":
        late.use(name)
    late.use("c", "digest")
    late.use("c")
    assert [name in late for name in "abc"] == [True, False, True]
    assert (late.digest("c"), late.digest("b")) == ("digest", "")
    assert name_of(os.stat(tmp_path)) != name_of(os.stat(tmp_path.parent))
