"""Large inputs on the scheduler's own machine: copied from the workflow's folder, if it is proved to be that file."""
from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from mfmesos_executor import copying, same_host
from mfmesos_executor.client import Cancelled, Client, Connection
from mfmesos_executor.same_host import SameHost
from staging_help import Bench, run

from mfmesos.core.model import StagedInput, Task
from mfmesos.shared import samehost, wire
from mfmesos.staging import inputs as module
from mfmesos.staging import places
from mfmesos.staging.inputs import InputIndex

CONTENT = random.Random(1).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large."""
    for one in (module, places, same_host):
        monkeypatch.setattr(one, "LEAST_BYTES", 2_000_000)


def old(path: Path, content: bytes = CONTENT, when: float = 1e9) -> Path:
    path.write_bytes(content)
    os.utime(path, (when, when))
    return path


async def fetched(b: Bench, staged: StagedInput, path: Path, cancelled: Callable[[], bool] = lambda: False) -> bool:
    """As an executor with only this source fetches it; nothing may be left if it has no such input."""
    item = wire.Input(staged.name, staged.digest, staged.size, kind=staged.kind, late=staged.late)
    client = Client(wire.ClaimData(b.server.url, "c1", b.tokens["c1"], give_up_s=0.0))
    found = await asyncio.to_thread(SameHost(client).fetch, item, str(path), cancelled)
    assert path.exists() == found
    assert b.server._transfer.sent_bytes == 0
    return found


@pytest.mark.parametrize("late", [True, False])
def test_a_copy_of_it(tmp_path: Path, late: bool) -> None:
    """Nothing is sent, and nobody who writes to the copy harms the user's file."""
    path = old(tmp_path / "in")

    async def test(b: Bench) -> None:
        b.index.late = late
        (staged,) = b.permit(inputs=("in",))
        assert await fetched(b, staged, tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == CONTENT
        assert (tmp_path / "got").stat().st_ino != path.stat().st_ino
        assert (tmp_path / "got").stat().st_mode & 0o777 == 0o600
        assert path.stat().st_nlink == 1
    run(tmp_path, test)


def test_holes_stay_holes(tmp_path: Path) -> None:
    """A sparse file takes no more room than the original."""
    path = tmp_path / "in"
    with path.open("wb") as f:
        f.seek(20_000_000)
        f.write(CONTENT)
    os.utime(path, (1e9, 1e9))

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert await fetched(b, staged, tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == path.read_bytes()
        assert (tmp_path / "got").stat().st_blocks < 10_000_000 / 512
    run(tmp_path, test)


@pytest.mark.parametrize("name", ["link", "folder/in"])
def test_by_way_of_a_link(tmp_path: Path, name: str) -> None:
    """The user's own links are followed, to a file and to a folder."""
    (tmp_path / "real").mkdir()
    old(tmp_path / "real/in")
    (tmp_path / "link").symlink_to("real/in")
    (tmp_path / "folder").symlink_to("real")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=(name,))
        assert await fetched(b, staged, tmp_path / "got")
    run(tmp_path, test)


def test_what_is_sent(tmp_path: Path) -> None:
    """Small files, folders, and files that have just changed, which might change again without a trace."""
    old(tmp_path / "small", b"x")
    (tmp_path / "folder").mkdir()
    old(tmp_path / "folder/in")
    (tmp_path / "young").write_bytes(CONTENT)
    names = ("small", "folder", "young")

    async def test(b: Bench) -> None:
        for staged in b.permit(inputs=names):
            os.utime(tmp_path / "young", ns=(time.time_ns(), time.time_ns()))
            assert not await fetched(b, staged, tmp_path / "got"), staged.name
            status, body = await b.call("GET", f"files/{staged.digest}?place=1")
            assert (status, body) in ((200, b""), (409, body)), staged.name
    run(tmp_path, test)


def test_only_with_a_permit(tmp_path: Path) -> None:
    """A claim learns nothing of inputs that are not its own, or not any more."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        b.open("c2")
        (staged,) = b.permit(inputs=("in",))
        assert (await b.call("GET", f"files/{staged.digest}?place=1", "c2"))[0] == 404
        b.server.withdraw_permit("c1", "1.1")
        assert (await b.call("GET", f"files/{staged.digest}?place=1"))[0] == 404
        assert not await fetched(b, staged, tmp_path / "got")
    run(tmp_path, test)


def test_a_changed_input(tmp_path: Path) -> None:
    """Another version is refused, as when it is sent."""
    old(tmp_path / "in")

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        for change in (lambda: old(tmp_path / "in", CONTENT[::-1], 1e9 + 1), lambda: (tmp_path / "in").unlink()):
            change()
            assert not await fetched(b, staged, tmp_path / "got")
            assert (await b.call("GET", f"files/{staged.digest}?place=1"))[0] == 409
    run(tmp_path, test)


def test_replaced_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies there is not what was verified."""
    old(tmp_path / "in")
    index = InputIndex(tmp_path)
    (staged,) = index.stage(Task(1, "x", ("in",)))
    real = index.verify

    def verify(staged: StagedInput) -> str:
        found = real(staged)
        os.rename(old(tmp_path / "other", CONTENT[::-1]), tmp_path / "in")
        return found
    monkeypatch.setattr(index, "verify", verify)
    assert places.find_place(index, staged) is None


@contextlib.contextmanager
def as_somebody() -> Iterator[None]:
    """A user who is not root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_the_executor_may_not_read(tmp_path: Path) -> None:
    """It opens the path with its own rights, and leaves the rest to the staging server."""
    path = old(tmp_path / "in")
    path.chmod(0)
    place = samehost.place_of(str(path), path.stat(), samehost.kernel())

    class Asked:
        def place(self, digest: str) -> bytes:
            return json.dumps(vars(place)).encode()
    with as_somebody():
        assert not SameHost(Asked()).fetch(  # type: ignore[arg-type]
            wire.Input("in", DIGEST, len(CONTENT)), str(tmp_path / "got"), lambda: False)
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("change", [
    {"kernel": "another"}, {"kernel": ""}, {"device": 1}, {"inode": 1}, {"size": 5}, {"mtime_ns": 5}, {"ctime_ns": 5},
    {"path": "/gone"}, {"path": "/"}, {"path": "/dev/null"}, {"path": "a\0b"}, {"path": 5}, {"more": 1}],
    ids=lambda change: "-".join(map(str, *change.items())))
def test_another_machine_or_another_file(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    """Also where a file has the same path: each number must be the same. An unknown field says nothing."""
    old(tmp_path / "in")
    real = Client.place

    def told(self: Client, digest: str) -> bytes:
        return json.dumps({**json.loads(real(self, digest)), **change}).encode()
    monkeypatch.setattr(Client, "place", told)

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert await fetched(b, staged, tmp_path / "got") == ("more" in change)
    run(tmp_path, test)


def test_a_server_elsewhere_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That would cost a round trip for each input."""
    old(tmp_path / "in")
    monkeypatch.setattr(Connection, "is_local", lambda self: False)

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        assert Client(wire.ClaimData(b.server.url, "c1", b.tokens["c1"])).place(staged.digest) == b""
        assert not await fetched(b, staged, tmp_path / "got")
    run(tmp_path, test)


def test_a_system_that_does_not_show_its_boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is proved there."""
    assert samehost.kernel(tmp_path / "none") == ""
    assert len(samehost.kernel()) == 36
    old(tmp_path / "in")
    index = InputIndex(tmp_path)
    (staged,) = index.stage(Task(1, "x", ("in",)))
    assert places.find_place(index, staged) is not None
    monkeypatch.setattr(places, "kernel", lambda: "")
    assert places.find_place(index, staged) is None


@pytest.mark.parametrize("how", ["write", "touch", "replace", "shorten"])
def test_changed_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """No torn file: what was copied is thrown away. A file that only got another name in its place is the old one."""
    path = old(tmp_path / "in")
    monkeypatch.setattr(copying, "STEP_BYTES", 1_000_000)
    looks: list[int] = []

    def between() -> bool:
        looks.append(1)
        if len(looks) == 2:
            if how == "write":
                with path.open("r+b") as f:
                    f.write(b"y" * 10)
            elif how == "touch":
                os.utime(path, (1e9, 1e9))  # as a writer that restores the time
            elif how == "shorten":
                os.truncate(path, 1_500_000)
            else:
                os.rename(old(tmp_path / "other", CONTENT[::-1]), path)
        return False

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        # A rename over it changes the inode's own time, since it has lost its name.
        assert not await fetched(b, staged, tmp_path / "got", between)
        assert len(looks) >= 3
    run(tmp_path, test)


def test_killed_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left."""
    old(tmp_path / "in")
    monkeypatch.setattr(copying, "STEP_BYTES", 1_000_000)
    looks: list[int] = []

    async def test(b: Bench) -> None:
        (staged,) = b.permit(inputs=("in",))
        with pytest.raises(Cancelled):
            await fetched(b, staged, tmp_path / "got", lambda: bool(looks.append(1)) or len(looks) > 2)
        assert not (tmp_path / "got").exists()
    run(tmp_path, test)


def test_digests_that_are_wanted(tmp_path: Path) -> None:
    """`mfmesos run` records them: they are known before the input is used, unless that would take too long."""
    old(tmp_path / "in")
    index = InputIndex(tmp_path, digests=True)
    (staged,) = index.stage(Task(1, "x", ("in",)))
    assert (staged.late, index.digest_of(staged)) == (True, "")
    assert places.find_place(index, staged) is not None
    assert index.digest_of(staged) == DIGEST
    index = InputIndex(tmp_path)
    assert places.find_place(index, staged) is not None
    assert index.digest_of(staged) == ""


def test_too_large_to_wait_for_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is hashed while it is sent."""
    old(tmp_path / "in")
    monkeypatch.setattr(places, "MOST_HASHED", len(CONTENT) - 1)
    index = InputIndex(tmp_path, digests=True)
    (staged,) = index.stage(Task(1, "x", ("in",)))
    assert places.find_place(index, staged) is None
