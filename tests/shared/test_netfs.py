"""What lies on a file server, and what is done without there."""
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mfmesos.shared.netfs import on_network
from mfmesos.store import finished, sqlitefile
from mfmesos.store.finished import FinishedTasks
from mfmesos.store.journal import Journal, JournalError

MOUNTS = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw
24 22 0:41 / /my\\040data rw - lustre mds:/x rw
25 23 8:2 / /home/me/local rw - xfs /dev/sdb1 rw
26 22 0:42 / /ssh rw - fuse.sshfs h: rw
27 22 0:43 / /over rw - nfs server:/over rw
28 27 0:44 / /over rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(("path", "network"), [
    ("/home/me/flow", True), ("/homes", False), ("/my data/x", True), ("/home/me/local/x", False), ("/tmp", False),
    ("/ssh/a/b", True), ("/over/x", False), ("/home", True)])
def test_which_folders(tmp_path: Path, path: str, network: bool) -> None:
    """By the innermost mount, whatever its name holds; of two at one place the later."""
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert on_network(Path(path), tmp_path / "mountinfo") == network
    assert not on_network(Path(path), tmp_path / "nothing")


def test_the_journal_on_a_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shared memory is asked for, which such a file system does not have (here: a folder is in its place); and
    the next scheduler takes up what the dead one left."""
    path = tmp_path / "journal.sqlite"
    (tmp_path / "journal.sqlite-shm").mkdir()
    with pytest.raises(JournalError):
        Journal(path, "run")
    path.unlink()
    monkeypatch.setattr(sqlitefile, "on_network", lambda path: True)
    first = Journal(path, "run")
    first.put("port", "1")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(path, timeout=0).execute("SELECT * FROM meta")
    first.close()
    second = Journal(path, "run")
    assert second.resumed
    assert second.get("port") == "1"
    second.close()


def test_finished_tasks_on_a_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shared memory either, and a second process may read them meanwhile."""
    monkeypatch.setattr(finished, "on_network", lambda path: True)
    first = FinishedTasks(tmp_path / "run.sqlite")
    second = FinishedTasks(tmp_path / "run.sqlite")
    assert second.load() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["run.sqlite"]
    first.close()
    second.close()
