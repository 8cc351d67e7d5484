"""Folders that ext4 is asked to keep apart."""
from __future__ import annotations

import fcntl
import shutil
import struct
import subprocess

from support import need

from mfmesos.shared import apart
from mfmesos.shared.apart import set_apart


def test_a_folder_is_marked(tmp_path):
    """As lsattr shows it, where the file system knows of such marks; what is in it stays."""
    need(shutil.which("lsattr"), "no lsattr here", "apt-get install e2fsprogs")
    (tmp_path / "file").write_text("x")
    known = set_apart(tmp_path)
    shown = subprocess.run(["lsattr", "-d", tmp_path], capture_output=True, text=True).stdout
    assert ("T" in shown.partition(" ")[0]) == known
    assert (tmp_path / "file").read_text() == "x"


def test_other_marks_stay(tmp_path, monkeypatch):
    """What a folder has of attributes is kept; the mark is added."""
    said = []

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        said.append((request, argument))
        return struct.pack("i4x", 0x80040)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert set_apart(tmp_path)
    assert said[1] == (0x40086602, struct.pack("i4x", 0x80040 | apart.TOP))


def test_what_cannot_be_marked_does_no_harm(tmp_path):
    """A folder that is not there, a file, a file system that knows no marks."""
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "missing", tmp_path / "file", "/proc/self"):
        assert not set_apart(place)
