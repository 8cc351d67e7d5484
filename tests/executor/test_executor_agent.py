"""Faults of an agent, as an executor on it sees them, are distinguished from faults of a task."""
from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from types import SimpleNamespace

import pytest
from executor_fakes import gone, number_in, run
from mfmesos_executor.attempt import Attempt
from mfmesos_executor.gpus import NoGpus
from mfmesos_executor.main import Executor
from mfmesos_executor.sync_state import Close
from mfmesos_executor.threads import Pool
from support import need, wait_until

from mfmesos.shared import wire


@pytest.mark.parametrize("what", ["", "/tasks", "/cache", "/tasks/2"])
def test_an_executor_whose_folder_is_removed_ends_badly(executor, staging, tmp_path, what):
    """A cleaner, or a task, removes the claim's folder or a part of it: the executor reports no failure of tasks, kills
    what runs and exits with a code that says why."""
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 100"),
                run("2.1", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 1"))
    pid = number_in(tmp_path / "pid")
    (folder,) = executor.folder.glob(".mfmesos/*")
    shutil.rmtree(f"{folder}{what}")
    (tmp_path / "go").touch()
    assert executor.process.wait(20) == wire.FOLDER_GONE
    assert not staging.results
    assert executor.states() == ["TASK_RUNNING"]
    wait_until(lambda: gone(pid), 20, "what ran to be killed")
    assert executor.left() == []


def test_whoever_removes_the_folder_may_still_be_at_it(tmp_path, monkeypatch):
    """What a cleaner still holds open to new files keeps the executor from removing its own folder: it tries again."""
    held = tmp_path / ".mfmesos" / "held"
    held.mkdir(parents=True)
    rmdir, cleaner = os.rmdir, []

    def busy(path, *args, **more):
        if str(path) == str(held) and not cleaner:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        rmdir(path, *args, **more)

    def pause(_):
        cleaner.append("has ended")
        rmdir(held)

    monkeypatch.setattr(os, "rmdir", busy)
    process = Executor(str(tmp_path), {}, SimpleNamespace(), clock=lambda: 0.0, pause=pause)
    process._remove_beside_others()
    assert cleaner
    assert not (tmp_path / ".mfmesos").exists()


def test_an_executor_that_crashes_leaves_nothing(tmp_path):
    """What nobody expected, a driver that does not start for want of room, say: its folder and archive are removed."""
    class Driver:
        def update(self, *_):
            """Nothing."""

        def start(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / ".mfmesos" / "lib").mkdir(parents=True)
    (tmp_path / "mfmesos-executor.pyz").touch()
    with pytest.raises(OSError, match="No space left"):
        Executor(str(tmp_path), {}, SimpleNamespace(kill_all=lambda: None)).run(Driver())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("over", [False, True])
def test_the_end_of_the_run_is_reported_before_the_files_are_removed(tmp_path, monkeypatch, over):
    """Removing a large cache takes a while, for which nobody waits then; otherwise the room is free when it is offered
    again.
    """
    seen = []
    driver = SimpleNamespace(start=lambda: None, stop=lambda: None, wait_acknowledged=lambda _: seen.append(left()),
                             update=lambda *_: seen.append(left()))

    def left():
        return sorted(p.name for p in tmp_path.iterdir())
    process = Executor(str(tmp_path), {}, SimpleNamespace(kill_all=lambda: None))
    process.on_launch("r-1", b"{}")
    monkeypatch.setattr(process, "_serve", lambda _: Close("TASK_FINISHED", over=over))
    (tmp_path / ".mfmesos" / "cache").mkdir(parents=True)
    assert process.run(driver) == 0
    assert seen == [[".mfmesos"] if over else [], []]


def test_a_release_at_the_end_of_the_run_leaves_nothing(executor, staging):
    """What was cached is gone, too."""
    staging.run(run("1.1", "cat in > o", [staging.add("in", b"x" * 100_000)], ["o"]))
    staging.wait("1.1")
    staging.let_go(over=True)
    assert executor.end() == ("TASK_FINISHED", "")
    assert executor.left() == []


def test_it_ends_as_badly_when_the_next_attempt_is_to_start(executor, staging):
    """Nothing runs when the folder goes: the next attempt's start shows it."""
    staging.run(run("1.1", "true"))
    staging.wait("1.1")
    shutil.rmtree(next(executor.folder.glob(".mfmesos/*")))
    staging.run(run("2.1", "true"))
    assert executor.process.wait(20) == wire.FOLDER_GONE
    assert set(staging.results) == {"1.1"}


def test_a_task_that_removes_its_own_folder_is_to_blame_itself(executor, staging):
    """rm -rf of its own working folder: that attempt fails, the executor serves on."""
    staging.run(run("1.1", 'rm -rf "$PWD"', [], ["o"]), run("2.1", 'rm -rf "$PWD"; exit 3', [], ["o"]))
    assert {r.outcome for r in staging.wait("1.1", "2.1")} == {"failed"}
    staging.run(run("3.1", "echo x > o", [], ["o"]))
    assert staging.wait("3.1")[0].outcome == "finished"


@pytest.mark.parametrize("command", ["exit 1", "true"])
def test_a_folder_that_cannot_be_written_is_the_agents_trouble(executor, staging, tmp_path, command):
    """Read-only from one moment to the next: a command that fails meanwhile, or leaves its output out, is not blamed,
    nor is the next task that cannot start."""
    staging.run(run("1.1", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; {command}", [], ["o"]))
    wait_until(lambda: "1.1" in staging.running(), 20, "the attempt to run")
    (tasks,) = executor.folder.glob(".mfmesos/*/tasks")
    need(subprocess.run(["chattr", "+i", str(tasks)], capture_output=True).returncode == 0,
         "a folder could not be made immutable", "run the tests as root on a file system with chattr")
    try:
        (tmp_path / "go").touch()
        (first,) = staging.wait("1.1")
        staging.run(run("2.1", "true"), run("3.1", "true"))
        results = [first, *staging.wait("2.1", "3.1")]
    finally:
        subprocess.run(["chattr", "-i", str(tasks)], check=True)
    broken = [r for r in results if r.outcome == "broken"]
    assert first in broken
    assert "cannot be written: Operation not permitted" in first.reason
    assert len(broken) >= 2  # one may have got the skeleton that was there


def test_an_environment_too_large_ends_the_task(executor, staging):
    """200 kB in one variable never start anywhere: failed for good, with the variable's name."""
    staging.run(run("1.1", "true", env={"BIG": "x" * 200_000, "SMALL": "x"}))
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.final) == ("failed", True)
    assert "BIG has 195 KB" in result.reason


@pytest.mark.parametrize(("reason", "command"), [
    ("output o is nested more than 200 folders deep", "i=0; while [ $i -lt 250 ]; do mkdir d; cd d; i=$((i+1)); done"),
    ("output o is nested more than 200 folders deep", "i=0; while [ $i -lt 2500 ]; do mkdir d; cd d; i=$((i+1)); done"),
    ("an output cannot be read: File name too long",
     "n=$(printf %0250d); for i in $(seq 20); do mkdir $n; cd -P $n; done; echo > f"),
])
def test_an_output_nested_too_deep_fails_its_task(executor, staging, reason, command):
    """What the scheduler, Python or the system would refuse each time, at whatever agent: reported as the task's own,
    with the limit. All of it is removed."""
    try:
        staging.run(run("1.1", f"mkdir o; cd o; {command}", [], ["o"]))
        (result,) = staging.wait("1.1")
        assert result.outcome == "failed"
        assert reason in result.reason
        staging.let_go()
        assert executor.end() == ("TASK_FINISHED", "")
        assert executor.left() == []
    finally:
        subprocess.run(["rm", "-rf", str(executor.folder)], check=True)  # pytest cannot


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_of_the_executor_itself_ends_the_attempt(when):
    """Whatever goes wrong in the executor, an attempt ends, as the cluster's failure: nobody waits for it."""
    def fail(*_: object) -> bool:
        raise RecursionError("too deep")
    parts = {"skeletons": SimpleNamespace(take=fail), "reaper": SimpleNamespace(clear=fail),
             "monitor": SimpleNamespace(unwatch=lambda watched: None), "gpus": NoGpus(),
             "cache": SimpleNamespace(let_go=lambda attempt: "", recycle=lambda attempt, usable: None)}
    results: list[wire.Result] = []
    attempt = Attempt(run("1.1", "x"), SimpleNamespace(**parts), results.append)  # type: ignore[arg-type]
    if when == "before":
        attempt._prepare()
    else:
        attempt._leader, attempt._watched, attempt.sandbox = SimpleNamespace(status=0), object(), object()
        attempt._finish()
    assert [(r.outcome, r.reason) for r in results] == [("broken", "the executor failed: RecursionError: too deep")]


def test_a_name_too_long_fails_its_task(executor, staging):
    """No agent has room for a name of 300 characters."""
    staging.run(run("1.1", "true", [], ["o" * 300 + "/p"]))
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.final) == ("failed", True)


def test_an_input_that_changed_ends_the_task(executor, staging):
    """The scheduler answers that the input is no longer what was submitted: no other agent would get it."""
    item = staging.add("in", b"x")
    staging.file_status = 409
    staging.run(run("1.1", "true", [item]))
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.final) == ("broken", True)


def test_an_attempt_that_fills_the_disk_itself_is_to_blame(tmp_path):
    """Full is the disk because of this very attempt, beyond what it was given: it has exhausted its disk. Full because
    of others: broken."""
    attempt = Attempt(run("1.1", "x", disk_mb=100.0), None, lambda result: None)  # type: ignore[arg-type]
    for used_mb, outcome in ((50, "broken"), (150, "exhausted")):
        attempt._watched = type("Watched", (), {"disk": used_mb << 20})()
        result = wire.Result("1.1", "failed")
        attempt._judge_full_disk(result, "exit code 1")
        assert result.outcome == outcome


def test_work_is_done_where_no_more_threads_can_be_started(monkeypatch):
    """The agent is at its limit of threads: those that run do it all; without any, the job is refused."""
    pool, done = Pool(4), threading.Semaphore(0)
    pool.submit(done.release)
    assert done.acquire(timeout=5)

    def refuse(self):
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(8):
        pool.submit(done.release)
    for _ in range(8):
        assert done.acquire(timeout=5)
    with pytest.raises(OSError, match="thread"):
        Pool(4).submit(done.release)
