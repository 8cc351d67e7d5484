"""Large outputs on the scheduler's own machine: copied into the folder for deliveries, if it is proved to be that."""
from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from mfmesos_executor import same_host, shared_folders
from mfmesos_executor.client import Cancelled, Client, Connection
from mfmesos_executor.outputs import Member
from staging_help import Bench, run

from mfmesos.core.model import Task
from mfmesos.shared import samehost, wire
from mfmesos.staging import inputs as module
from mfmesos.staging import places
from mfmesos.staging.deliveries import Deliveries
from mfmesos.staging.publish_errors import PublishError

CONTENT = os.urandom(3_000_000)


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large."""
    for one in (module, places, same_host):
        monkeypatch.setattr(one, "LEAST_BYTES", 2_000_000)


def made(path: Path, content: bytes = CONTENT, mode: int = 0o640) -> Member:
    """An output in a sandbox, which was last written some seconds ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, (1e9, 1e9))
    return Member(path.name, str(path), len(content), mode, False, path.stat().st_mtime_ns)


async def place(b: Bench, *members: Member, keep: tuple[str, ...] = (), outcome: str = wire.FINISHED,
                cancelled: Callable[[], bool] = lambda: False) -> tuple[dict[str, str] | None, wire.Result]:
    """As an executor does it that has just run the attempt."""
    client = Client(wire.ClaimData(b.server.url, "c1", b.tokens["c1"], give_up_s=0.0))
    message = wire.Run("1.1", "true", [], [one.name for one in members], "/w", 1.0, 1.0, 1.0, keep=list(keep))
    result = wire.Result("1.1", outcome)
    placed = await asyncio.to_thread(same_host.place_outputs, members, message, result, client, cancelled)
    assert result.placed == (placed is not None)
    if placed is None:
        assert b.leftovers() == []
    return placed, result


def test_outputs_are_published_and_not_received(tmp_path: Path) -> None:
    """With their content, mode and time; the next task has the large one as an input by the name that the executor
    keeps it under, and nobody reads it for that.
    """
    async def test(b: Bench) -> None:
        b.permit(outputs=("o", "p"))
        placed, result = await place(b, made(tmp_path / "box/o"), made(tmp_path / "box/p", b"small"), keep=("o", "p"))
        assert (await b.sync(result))[0] == 200
        await b.server.publish("1.1")
        b.server.settle("1.1")
        assert (tmp_path / "o").read_bytes() == CONTENT
        assert (tmp_path / "p").read_bytes() == b"small"
        found = (tmp_path / "o").stat()
        assert (found.st_mode & 0o777, found.st_mtime, found.st_nlink) == (0o640, 1e9, 1)
        (staged,) = b.index.stage(Task(2, "x", ("o",)))
        assert (staged.late, {"o": staged.digest}) == (True, placed)
        assert b.server._transfer.received_bytes == 0
        assert b.leftovers() == []
    run(tmp_path, test)


def test_what_was_written_just_now_has_a_name_as_well(tmp_path: Path) -> None:
    """Its last write is earlier than its publishing, so that a later one shows."""
    async def test(b: Bench) -> None:
        b.permit()
        member = made(tmp_path / "box/o")
        os.utime(member.path)
        member = member._replace(mtime_ns=os.stat(member.path).st_mtime_ns)
        placed, result = await place(b, member, keep=("o",))
        await asyncio.sleep(0.02)  # several ticks of the kernel's clock: the publishing is later than the write
        await b.sync(result)
        await b.server.publish("1.1")
        (staged,) = b.index.stage(Task(2, "x", ("o",)))
        assert {"o": staged.digest} == placed
        assert places.find_place(b.index, staged) is not None
        (tmp_path / "o").write_bytes(CONTENT[::-1])
        (other,) = b.index.stage(Task(2, "x", ("o",)))
        assert other.digest != staged.digest
    run(tmp_path, test)


@pytest.mark.parametrize("reason", ["small", "folder", "link", "failed", "no attempt"])
def test_what_is_sent(tmp_path: Path, reason: str) -> None:
    """Small outputs, folders, links, those of a failed attempt, and those for which there is no permit."""
    member = made(tmp_path / "box/o", b"x" if reason == "small" else CONTENT)

    async def test(b: Bench) -> None:
        b.permit()
        others = {"folder": [Member("d", str(tmp_path / "box"), 0, 0o700, True)],
                  "link": [Member("l", "", 0, 0o777, False, 0, "o")]}.get(reason, [])
        if reason == "no attempt":
            b.server.withdraw_permit("c1", "1.1")
        outcome = wire.FAILED if reason == "failed" else wire.FINISHED
        assert (await place(b, member, *others, outcome=outcome))[0] is None
    run(tmp_path, test)


def test_where_digests_are_needed(tmp_path: Path) -> None:
    """`mfmesos run` records the digests of what tasks read, and peers compare with them: these outputs are sent."""
    async def test(b: Bench) -> None:
        b.permit()
        b.index.digests = True
        member = made(tmp_path / "box/o")
        assert (await place(b, member, keep=("o",)))[0] is None
        b.index.late = False
        assert (await place(b, member))[0] is None
        b.index.late = True
        assert (await place(b, member))[0] is not None
    run(tmp_path, test)


@pytest.mark.parametrize("other", ["machine", "address", "folder", "user", "group"])
def test_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    """The scheduler's kernel, its address and its folder are compared, and what is made must belong to its user."""
    real = samehost.Folder.is_mine

    def is_mine(self: samehost.Folder) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            if other == "machine":
                patch.setattr(samehost, "kernel", lambda: "another")
            elif other == "folder":
                self.inode += 1
            elif other == "user":
                patch.setattr(os, "geteuid", lambda: 12345)
            elif other == "group":
                patch.setattr(os, "getegid", lambda: 12345)
            return real(self)
    monkeypatch.setattr(samehost.Folder, "is_mine", is_mine)
    if other == "address":
        monkeypatch.setattr(Connection, "is_local", lambda self: False)

    async def test(b: Bench) -> None:
        b.permit()
        assert (await place(b, made(tmp_path / "box/o")))[0] is None
    run(tmp_path, test)


def test_no_room_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was copied is removed, and the outputs are sent: the scheduler then reports what is wrong."""
    def copy(source: str, target: str, *_: Any, **more: Any) -> None:
        Path(target).write_bytes(b"half")
        if target.endswith(".1"):
            raise OSError(errno.ENOSPC, "full")
    monkeypatch.setattr(shared_folders, "copy_file", copy)

    async def test(b: Bench) -> None:
        b.permit(outputs=("o", "p"))
        assert (await place(b, made(tmp_path / "box/o"), made(tmp_path / "box/p")))[0] is None
    run(tmp_path, test)


def test_killed_meanwhile(tmp_path: Path) -> None:
    """It leaves nothing; nor does an attempt whose permit is withdrawn after it has put everything there."""
    async def test(b: Bench) -> None:
        b.permit(outputs=("o", "p"))
        members = made(tmp_path / "box/o"), made(tmp_path / "box/p")
        looks = iter((False, True))
        with pytest.raises(Cancelled):
            await place(b, *members, cancelled=lambda: next(looks))
        assert b.leftovers() == []
        _, result = await place(b, *members)
        assert len(b.leftovers()) == 2
        b.server.withdraw_permit("c1", "1.1")
        assert b.leftovers() == []
        await b.sync(result)
        with pytest.raises(PublishError):
            await b.server.publish("1.1")
    run(tmp_path, test)


def resumed_after_a_copy(workflow: Path) -> Deliveries:
    """Of the next scheduler: the one before was killed when output o of attempt 1.1 had been copied."""
    before = Deliveries(workflow)
    before.start()
    folder = before.folder_for(before.permit("c", "1.1", (), ("o",)))
    assert folder is not None
    shared_folders.copy_outputs([made(workflow / "box/o")], folder.stem, lambda: False)
    after = Deliveries(workflow)
    after.start(resume=True)
    return after


def test_the_next_scheduler_takes_them(tmp_path: Path) -> None:
    """The scheduler is killed after the copy and before the result: the next one accepts the result, once for all."""
    after = resumed_after_a_copy(tmp_path)
    attempt = after.permit("c", "1.1", (), ("o",))
    after.forget_kept()
    received = after.unpack_result(attempt, wire.Result("1.1", wire.FINISHED, placed=True))
    assert received is not None
    assert after.commit(attempt, received, alone=True)
    after.publish(after.take("1.1"))
    after.settle("1.1")
    assert (tmp_path / "o").read_bytes() == CONTENT
    assert list(after.folder.iterdir()) == []


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    """By the next scheduler, if the attempt is not continued."""
    after = resumed_after_a_copy(tmp_path)
    after.forget_kept()
    assert list(after.folder.iterdir()) == []
