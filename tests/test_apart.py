"""Folders that ext4 is told to keep apart."""
from __future__ import annotations

import shutil
import subprocess

from support import need

from mfmesos.apart import set_apart


def test_a_folder_is_marked(tmp_path):
    """As lsattr shows it; what is in it stays, and marking it again changes nothing."""
    need(shutil.which("lsattr"), "no lsattr here", "apt-get install e2fsprogs")
    (tmp_path / "file").write_text("x")
    known = set_apart(tmp_path)
    need(known, "this file system has no such mark", "set TMPDIR to a folder on ext4")
    assert set_apart(tmp_path)
    shown = subprocess.run(["lsattr", "-d", tmp_path], capture_output=True, text=True, check=True).stdout
    assert "T" in shown.split()[0]
    assert (tmp_path / "file").read_text() == "x"


def test_what_cannot_be_marked_does_no_harm(tmp_path):
    """A folder that is not there, a file, a file system that knows no marks."""
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "missing", tmp_path / "file", "/proc/self"):
        assert not set_apart(place)
