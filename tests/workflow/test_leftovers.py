"""The lock of a workflow's folder, and what a dead run left there."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfmesos.config import ConfigError
from mfmesos.workflow import leftovers


def nothing(text: str) -> None:
    pass


def test_lock_is_exclusive_and_let_go(tmp_path: Path) -> None:
    """A second run is refused and told of the first; after the first it may."""
    first, second = leftovers.FolderLock(tmp_path, nothing), leftovers.FolderLock(tmp_path, nothing)
    with first, pytest.raises(ConfigError, match=f"process {os.getpid()}"), second:
        pass
    with leftovers.FolderLock(tmp_path, nothing):
        pass


def test_scheduler_of_a_killed_run_is_waited_for(tmp_path: Path) -> None:
    """When the launcher is dead, the lock is held by its ending scheduler: the next run waits, and says so."""
    with leftovers.FolderLock(tmp_path, nothing) as lock:
        scheduler = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock.fd,))
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / "lock").write_text(f"{dead.pid}\n")
    said: list[str] = []
    with leftovers.FolderLock(tmp_path, said.append, sleep=lambda _: scheduler.communicate() and None):
        pass
    assert said == [f"waiting for the scheduler of a killed run (process {dead.pid}) to end its tasks"]
    assert scheduler.returncode == 0


def test_clear_and_create(tmp_path: Path) -> None:
    """The three files go, and only they; then an empty state file is there."""
    (tmp_path / "mesos_done").write_text("finished")
    (tmp_path / "mesos_task_state").write_text("1,finished\n")
    (tmp_path / "mine").touch()
    assert leftovers.clear(tmp_path) == ["mesos_task_state", "mesos_done"]
    assert leftovers.clear(tmp_path) == []
    leftovers.create_state(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mesos_task_state", "mine"]
    assert (tmp_path / "mesos_task_state").read_bytes() == b""


def test_plain_makeflow_is_seen(tmp_path: Path) -> None:
    """A makeflow -T mesos that works in the folder is found by folder, name and arguments, no other process is."""
    work, proc = tmp_path / "work", tmp_path / "proc"
    work.mkdir()
    for pid, folder, words in (
            ("11", tmp_path, b"makeflow\0-T\0mesos\0"), ("12", work, b"/usr/bin/makeflow\0-T\0local\0"),
            ("13", work, b"vi\0mesos\0"), ("self", work, b"makeflow\0mesos\0")):
        (proc / pid).mkdir(parents=True)
        (proc / pid / "cmdline").write_bytes(words)
        (proc / pid / "cwd").symlink_to(folder)
    assert leftovers.plain_engine_in(work, proc) is None
    (proc / "12" / "cmdline").write_bytes(b"/usr/bin/makeflow\0-Tmesos\0")
    assert leftovers.plain_engine_in(work, proc) == 12


def test_only_what_is_older_than_the_engine_is_cleared(tmp_path: Path) -> None:
    """A file that the running makeflow has written to stays; what is not there is no error."""
    for name, when in (("mesos_done", 100), ("mesos_task_info", 300)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (when, when))
    assert leftovers.clear_older(tmp_path, 200) == ["mesos_done"]
    assert [p.name for p in tmp_path.iterdir()] == ["mesos_task_info"]
