"""The lock of a workflow's folder, and what a dead run left there."""
from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mfmesos.launchers import linked
from mfmesos.settings.config import ConfigError
from mfmesos.store import leftovers


def nothing(text: str) -> None:
    pass


def test_a_holder_on_another_machine(tmp_path: Path) -> None:
    """Its host is named; that no such process exists here means nothing."""
    with leftovers.FolderLock(tmp_path, nothing):
        (tmp_path / "lock").write_text(f"{2**22 + 1}\nlogin2.example\n")
        with pytest.raises(ConfigError, match=r"process 4194305 on login2\.example\) uses this folder"):
            leftovers.FolderLock(tmp_path, nothing).__enter__()


def test_a_file_system_without_locks(tmp_path: Path) -> None:
    """The run goes ahead, and the user learns what is missing."""
    said: list[str] = []

    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with leftovers.FolderLock(tmp_path, said.append, flock=refuse):
        pass
    assert len(said) == 1
    assert "lock: the file cannot be locked (No locks available)" in said[0]


def test_a_lock_that_is_never_answered(tmp_path: Path) -> None:
    """A file server whose lock service is away: named at once, and given up in the end."""
    said: list[str] = []
    hanging = threading.Event()
    lock = leftovers.FolderLock(tmp_path, said.append, flock=lambda fd, how: hanging.wait(20) and None, patience_s=0.02)
    with pytest.raises(ConfigError, match="the file server does not grant a lock"):
        lock.__enter__()
    hanging.set()
    assert "does not answer the request for a lock" in said[0]


def test_lock_is_exclusive_and_let_go(tmp_path: Path) -> None:
    """A second run is refused, and the refusal names the first; after the first it may start."""
    first, second = leftovers.FolderLock(tmp_path, nothing), leftovers.FolderLock(tmp_path, nothing)
    with first, pytest.raises(ConfigError, match=f"process {os.getpid()}"), second:
        pass
    with leftovers.FolderLock(tmp_path, nothing):
        pass


def test_scheduler_of_a_killed_run_is_waited_for(tmp_path: Path) -> None:
    """When the launcher is dead, its ending scheduler holds the lock: the next run waits, with a line about it."""
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
    """The three files are removed, and only they; then an empty state file exists."""
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


def test_what_is_older_than_the_engine(tmp_path: Path) -> None:
    """Not a file that the running makeflow has written to; what is not there is no error."""
    for name, when in (("mesos_done", 100), ("mesos_task_info", 300)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (when, when))
    assert leftovers.older(tmp_path, 200) == ["mesos_done"]


def test_times_in_whole_seconds(tmp_path: Path) -> None:
    """A file of the second in which makeflow started may be its own, also where times have a grain of 2 s."""
    for name, ns in (("mesos_done", 98_000_000_000), ("mesos_task_info", 100_000_000_000),
                     ("mesos_task_state", 100_000_000_001)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, ns=(ns, ns))
    assert leftovers.older(tmp_path, 101.9) == ["mesos_task_state", "mesos_done"]


def test_plain_makeflow_does_not_delete_what_is_runs(tmp_path: Path) -> None:
    """The user's own mesos_task_info and its progress: refused by the linked scheduler. Those of a dead makeflow go."""
    engine = linked.Plain(os.getpid(), "makeflow", ("makeflow",), "", tmp_path)
    (tmp_path / ".mfmesos").mkdir()
    for name, text in (("mesos_task_info", "1,true,,,-1,-1,-1,submitted\n"), ("mesos_task_state", "")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (100, 100))
    leftovers.own(tmp_path / ".mfmesos", leftovers.RUN)
    with pytest.raises(ConfigError, match="mesos_task_info: progress of `mfmesos run`"):
        linked._begin(engine)
    assert (tmp_path / "mesos_task_info").exists()
    leftovers.own(tmp_path / ".mfmesos", "makeflow")
    linked._begin(engine)
    assert protocol(tmp_path) == {"mesos_task_state": ""}


def run_has_worked_in(folder: Path) -> dict[str, str]:
    """What `mfmesos run` of the user's own mesos_task_info leaves."""
    left = {"mesos_task_state": "1,finished\n", "mesos_task_info": "1,true,,,-1,-1,-1,submitted\n"}
    (folder / ".mfmesos").mkdir(exist_ok=True)
    leftovers.begin_run(folder)
    for name, text in left.items():
        (folder / name).write_text(text)
    return left


def protocol(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


def test_progress_of_run_is_kept_aside(tmp_path: Path) -> None:
    """While makeflow works in its folder; afterwards it is where it was, and none of makeflow's files."""
    left = run_has_worked_in(tmp_path)
    assert leftovers.clear(tmp_path) == []
    assert leftovers.take_over(tmp_path, "makeflow") == ([], ["mesos_task_info", "mesos_task_state"])
    assert protocol(tmp_path) == {}
    assert leftovers.state_of_run(tmp_path).read_text() == "1,finished\n"
    for name in leftovers.FILES:
        (tmp_path / name).write_text("of makeflow")
    leftovers.give_back(tmp_path)
    assert protocol(tmp_path) == left
    assert leftovers.state_of_run(tmp_path) == tmp_path / "mesos_task_state"


def test_progress_of_run_survives_a_killed_makeflow(tmp_path: Path) -> None:
    """It stays aside through a second makeflow, and the next `mfmesos run` has it."""
    left = run_has_worked_in(tmp_path)
    for _ in range(2):
        leftovers.take_over(tmp_path, "makeflow")
        (tmp_path / "mesos_task_state").write_text("7,finished\n")
    assert leftovers.take_over(tmp_path, "factory") == (["mesos_task_state"], [])
    leftovers.begin_run(tmp_path)
    assert protocol(tmp_path) == left


@pytest.mark.parametrize("name", ["mesos_task_info", ""])
def test_the_users_task_file_is_read_after_a_killed_makeflow(tmp_path: Path, name: str) -> None:
    """`mfmesos run` finds it in its place, not what makeflow left there; and what the user may have written since is
    kept. An engine that still runs has the folder."""
    left = run_has_worked_in(tmp_path)
    leftovers.take_over(tmp_path, "makeflow")
    said: list[str] = []
    with leftovers.FolderLock(tmp_path / ".mfmesos", nothing), pytest.raises(ConfigError, match="uses this folder"):
        leftovers.recover(tmp_path / name, said.append)
    leftovers.recover(tmp_path / "tasks.jsonl", said.append)
    assert protocol(tmp_path) == {}
    (tmp_path / "mesos_task_info").write_text("by hand")
    leftovers.recover(tmp_path / name, said.append)
    leftovers.recover(tmp_path / name, said.append)
    assert protocol(tmp_path) == left
    assert len(said) == 1
    assert (tmp_path / ".mfmesos" / "aside" / "mesos_task_info.other").read_text() == "by hand"


def test_whose_files_they_are_is_known_after_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next makeflow would delete the progress of `mfmesos run`, and the user's task file."""
    left = run_has_worked_in(tmp_path)

    def full(path: Path, data: bytes) -> None:
        path.open("w").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            leftovers.begin_run(tmp_path)
    assert leftovers.clear(tmp_path) == []
    assert leftovers.take_over(tmp_path, "makeflow") == ([], ["mesos_task_info", "mesos_task_state"])
    leftovers.give_back(tmp_path)
    assert protocol(tmp_path) == left


def test_state_of_makeflow_is_no_progress_of_run(tmp_path: Path) -> None:
    """What a killed makeflow left is not read by `mfmesos run`."""
    (tmp_path / ".mfmesos").mkdir()
    leftovers.take_over(tmp_path, "makeflow")
    (tmp_path / "mesos_task_state").write_text("1,finished\n")
    assert not leftovers.state_of_run(tmp_path).exists()


def test_a_run_that_can_be_resumed_is_left_alone(tmp_path: Path) -> None:
    """Its journal and its framework are its own; a makeflow would forget what it has running."""
    left = run_has_worked_in(tmp_path)
    (tmp_path / ".mfmesos" / "journal.sqlite").touch()
    with pytest.raises(ConfigError, match="can still be resumed"):
        leftovers.take_over(tmp_path, "makeflow")
    assert protocol(tmp_path) == left


@pytest.mark.parametrize(("found", "whose"), [
    ({}, ""), ({"report.jsonl": ""}, "batch"), ({"framework_id": "F\nM\nmakeflow\n", "report.jsonl": ""}, "makeflow"),
    ({"framework_id": "F\nM\nbatch\n"}, "batch"), ({"engine": "factory\n", "report.jsonl": ""}, "factory"),
])
def test_owner(tmp_path: Path, found: dict[str, str], whose: str) -> None:
    """Older versions have noted nothing: the framework of a dead run tells, or that only `mfmesos run` left files."""
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    assert leftovers.owner(tmp_path) == whose
