"""Kept sandboxes are unpacked; what a task may have put into one does no harm."""
from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from mfmesos.store.sandbox_archive import unpack


def archive(folder: Path, *members: tuple[str, bytes, str]) -> Path:
    """Of (name, type, content or target)."""
    path = folder / "task-1.attempt-1.tar"
    with tarfile.open(path, "w:") as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kind, 0o6555, 1_000_000_000
            if kind == tarfile.REGTYPE:
                info.size = len(text)
            elif kind == tarfile.SYMTYPE:
                info.linkname = text
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_files_folders_and_links(tmp_path: Path) -> None:
    """With modes, without set-user-id, and times; a folder that its content comes before is no problem."""
    unpack(archive(tmp_path, ("work/d/f", tarfile.REGTYPE, "text"), ("work/d", tarfile.DIRTYPE, ""),
                   ("work/l", tarfile.SYMTYPE, "d/f"), ("work/e", tarfile.DIRTYPE, "")), tmp_path / "new")
    assert (tmp_path / "new/work/l").read_text() == "text"
    found = (tmp_path / "new/work/d/f").stat()
    assert (found.st_mode & 0o7777 & ~0o022, found.st_mtime) == (0o755, 1_000_000_000)
    assert (tmp_path / "new/work/e").is_dir()
    with pytest.raises(FileExistsError):
        unpack(tmp_path / "task-1.attempt-1.tar", tmp_path / "new")
    assert (tmp_path / "new/work/l").exists()


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    """Names that lead out, links that later members name, hard links, devices: they are left out."""
    (tmp_path / "outside").mkdir()
    unpack(archive(tmp_path, ("../up", tarfile.REGTYPE, "x"), (str(tmp_path / "absolute"), tarfile.REGTYPE, "x"),
                   ("l", tarfile.SYMTYPE, str(tmp_path / "outside")), ("l/through", tarfile.REGTYPE, "x"),
                   ("hard", tarfile.LNKTYPE, "../up"), ("pipe", tarfile.FIFOTYPE, ""), ("good", tarfile.REGTYPE, "x")),
           tmp_path / "new")
    assert sorted(os.listdir(tmp_path)) == ["new", "outside", "task-1.attempt-1.tar"]
    assert os.listdir(tmp_path / "outside") == []
    assert "good" in os.listdir(tmp_path / "new")
    assert "pipe" not in os.listdir(tmp_path / "new")
    assert (tmp_path / "new/l").is_dir()
    assert not (tmp_path / "new/l").is_symlink()  # the folder came first


@pytest.mark.parametrize("content", [b"", b"no tar" * 200])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    """An error, and no folder."""
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(OSError, match=r"tar|empty|header"):
        unpack(tmp_path / "t", tmp_path / "new")
    assert not (tmp_path / "new").exists()
