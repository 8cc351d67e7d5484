"""Files that change in one step."""
from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfmesos.shared import atomic


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("old", [None, b"old, and longer than the new one"])
@pytest.mark.parametrize(("mode", "exact", "found"), [
    (0o666, False, 0o640), (0o755, False, 0o750), (0o600, False, 0o600), (0o644, True, 0o644), (0o755, True, 0o755)])
def test_content_and_mode(path: Path, old: bytes | None, mode: int, exact: bool, found: int) -> None:
    """The new file has its own mode, not that of the one before; nothing is left beside it."""
    if old is not None:
        path.write_bytes(old)
        path.chmod(0o444)
    atomic.write(path, "n\xe9w", mode=mode, exact=exact)
    assert path.read_bytes() == b"n\xc3\xa9w"
    assert stat.S_IMODE(path.stat().st_mode) == found
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_is_never_readable_by_others(path: Path) -> None:
    """Also while it is written, and where a killed process has left a file that others may read."""
    left = path.with_name("file.new")
    left.write_text("left")
    left.chmod(0o644)
    with atomic.replacing(path, mode=0o600) as new:
        assert new == left
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
        assert new.read_bytes() == b""


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file(path: Path, error: BaseException) -> None:
    """Half-written content goes nowhere, and the temporary file is removed."""
    def half_write() -> None:
        with atomic.replacing(path) as new:
            new.write_text("ne")
            raise error

    path.write_text("old")
    with pytest.raises(type(error)):
        half_write()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_of_the_old_file_keeps_it(path: Path) -> None:
    """An open descriptor, as of a program that runs, keeps the old content."""
    path.write_text("old")
    with path.open() as reader:
        atomic.write(path, b"new")
        assert reader.read() == "old"
    assert path.read_bytes() == b"new"


def test_several_writers(path: Path) -> None:
    """Each process has a temporary file of its own."""
    with atomic.replacing(path, several=True) as new:
        assert str(os.getpid()) in new.name
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_has_the_name(path: Path) -> None:
    """The error is passed on, and nothing is left."""
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write(path, "x")
    assert list(path.parent.iterdir()) == [path]
