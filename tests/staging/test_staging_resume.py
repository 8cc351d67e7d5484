"""Outputs that had arrived when the scheduler died: published by the next one, without being sent again."""
from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
from staging_help import member, tar_of

from mfmesos.staging import publishing
from mfmesos.staging.deliveries import Deliveries
from mfmesos.staging.incoming import unpack
from mfmesos.staging.publish_errors import PublishError


@pytest.fixture
def two_files() -> bytes:
    return tar_of(member("a", b"A"), member("d/b", b"B"))


class Died(BaseException):
    pass


def deliveries(workdir: Path, resume: bool = False) -> Deliveries:
    made = Deliveries(workdir)
    made.start(resume)
    return made


def delivered(workdir: Path, tar: bytes, *names: str) -> Deliveries:
    """One attempt's outputs, arrived whole by a PUT."""
    made = deliveries(workdir)
    attempt = made.permit("c", "1.1", (), names)
    made.commit(attempt, unpack(made._new_stem(attempt), attempt.plan, tar), alone=True)
    return made


def incoming(workdir: Path) -> list[str]:
    return sorted(p.name for p in (workdir / ".mfmesos" / "incoming").iterdir())


def test_what_arrived_whole_is_placed_by_the_next_scheduler(tmp_path: Path, two_files: bytes) -> None:
    """With a permit again after a restart, the attempt's outputs have already arrived."""
    delivered(tmp_path, two_files, "a", "d/b")
    after = deliveries(tmp_path, resume=True)
    after.permit("c", "1.1", (), ("a", "d/b"))
    assert not after.publishes_quickly("1.1")
    after.publish(after.take("1.1"))
    after.settle("1.1")
    assert (tmp_path / "a").read_bytes() == b"A"
    assert (tmp_path / "d" / "b").read_bytes() == b"B"
    assert incoming(tmp_path) == []


def test_what_did_not_arrive_whole_is_removed(tmp_path: Path, two_files: bytes) -> None:
    """Half an upload, or outputs that rode in a result, come again; a new run knows nothing of the old one's."""
    before = delivered(tmp_path, two_files, "a", "d/b")
    half = before.permit("c", "2.1", (), ("a", "d/b"))
    before.commit(half, unpack(before._new_stem(half), half.plan, two_files))
    assert len(incoming(tmp_path)) == 5
    deliveries(tmp_path, resume=True)
    assert len(incoming(tmp_path)) == 3
    deliveries(tmp_path)
    assert incoming(tmp_path) == []


def test_what_arrived_for_an_attempt_that_is_not_wanted_any_more_is_removed(tmp_path: Path, two_files: bytes) -> None:
    """Its task was edited after the scheduler had died: only what has a permit again stays."""
    before = delivered(tmp_path, two_files, "a", "d/b")
    edited = before.permit("c", "2.1", (), ("a", "d/b"))
    before.commit(edited, unpack(before._new_stem(edited), edited.plan, two_files), alone=True)
    after = deliveries(tmp_path, resume=True)
    after.permit("c", "1.1", (), ("a", "d/b"))
    after.forget_kept()
    assert {name.partition("-")[0] for name in incoming(tmp_path)} == {"1.1"}
    assert after.permit("c", "2.1", (), ("a", "d/b")).received is None


def died_at_a_rename(
    workdir: Path, before: Deliveries, monkeypatch: pytest.MonkeyPatch, die_at: int,
) -> Deliveries:
    """What attempt 1.1 delivered is published by a scheduler that dies after `die_at` renames; gives the next one's."""
    rename, count = publishing.os.rename, [0]

    def dying(source: str, target: str) -> None:
        if count[0] == die_at:
            raise Died
        count[0] += 1
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(publishing.os, "rename", dying)
        with contextlib.suppress(Died):
            before.publish(before.take("1.1"))
    return deliveries(workdir, resume=True)


@pytest.mark.parametrize("die_at", [0, 1, 2, 3])
def test_a_publishing_that_died_between_its_renames(
    tmp_path: Path, two_files: bytes, monkeypatch: pytest.MonkeyPatch, die_at: int,
) -> None:
    """Some outputs have their final names, others not yet: the next scheduler places the rest."""
    (tmp_path / "a").write_text("old")
    before = delivered(tmp_path, two_files, "a", "d/b")
    after = died_at_a_rename(tmp_path, before, monkeypatch, die_at)
    after.permit("c", "1.1", (), ("a", "d/b"))
    after.publish(after.take("1.1"))
    assert (tmp_path / "a").read_bytes() == b"A"
    assert (tmp_path / "d" / "b").read_bytes() == b"B"
    after.settle("1.1")
    assert incoming(tmp_path) == []


@pytest.mark.parametrize("die_at", range(5))
def test_a_merge_that_died_between_its_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, die_at: int,
) -> None:
    """A folder that is merged into one of the user's: the next scheduler merges the rest, knows of
    all that the task has made, and the user's files stay."""
    (tmp_path / "d" / "sub").mkdir(parents=True)
    for name in ("d/x", "d/notes", "d/sub/notes"):
        (tmp_path / name).write_bytes(b"old")
    tar = tar_of(member("d", kind=b"5"), member("d/x", b"X"), member("d/new/y", b"Y"), member("d/sub/z", b"Z"))
    before = delivered(tmp_path, tar, "d")
    after = died_at_a_rename(tmp_path, before, monkeypatch, die_at)
    after.permit("c", "1.1", (), ("d",))
    after.publish(after.take("1.1"))
    assert after.members("1.1") == {"d": ("new/y", "sub/z", "x")}
    after.settle("1.1")
    found = {str(p.relative_to(tmp_path)): p.read_bytes() for p in (tmp_path / "d").rglob("*") if p.is_file()}
    assert found == {"d/x": b"X", "d/new/y": b"Y", "d/sub/z": b"Z", "d/notes": b"old", "d/sub/notes": b"old"}
    assert incoming(tmp_path) == []


def test_no_descriptor_is_left_to_look_into_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known to be of this attempt would be removed as an earlier one's: nothing is published, and it is not
    the task's fault."""
    made = delivered(tmp_path, tar_of(member("d", kind=b"5"), member("d/sub/x", b"X")), "d")
    scandir = os.scandir

    def short(path: str) -> object:
        if str(path).endswith("/sub"):
            raise OSError(errno.EMFILE, "Too many open files")
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", short)
        with pytest.raises(PublishError, match="too many files are open") as caught:
            made.publish(made.take("1.1"))
    assert caught.value.full
    assert not (tmp_path / "d").exists()


def test_numbers_do_not_meet_those_of_the_earlier_life(tmp_path: Path, two_files: bytes) -> None:
    """What arrives after a restart never overwrites what had arrived before."""
    delivered(tmp_path, two_files, "a", "d/b")
    after = deliveries(tmp_path, resume=True)
    attempt = after.permit("c", "1.1", (), ("a", "d/b"))
    assert not list(tmp_path.glob(f".mfmesos/incoming/{Path(after._new_stem(attempt)).name}*"))


def test_what_an_attempt_made_in_a_folder_is_known_until_its_task_is_reported(tmp_path: Path) -> None:
    """Merged into a folder with other files: only the attempt's own names."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "notes").write_text("mine")
    made = delivered(tmp_path, tar_of(member("d/sub/a", b"A"), member("d/b", b"B"), member("f", b"F")), "d", "f")
    made.publish(made.take("1.1"))
    assert made.members("1.1") == {"d": ("b", "sub/a")}
    made.settle("1.1")
    assert made.members("1.1") == {}
