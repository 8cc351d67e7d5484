"""What is read of processes: the executor's own descendants alone, as completely as from the table of them all."""
from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mfmesos_executor import procs
from support import wait_until

from mfmesos.shared import procfs

NEST = "sh -c 'sleep 60 & setsid sh -c \"sleep 60; true\" & wait; true'; true"
"""Nobody in it loses his parent, so that the tree is whole when it is ended."""

ORPHANS = """
import os, subprocess, sys, time
from mfmesos_executor import procs, reap
reap.become_subreaper()
before = set(procs.descendants(os.getpid()))
subprocess.run(["sh", "-c", "(setsid sleep 300 &)"])
found = set(procs.descendants(os.getpid())) - before
print(reap.is_subreaper(), len(before), len(found))
for pid in found:
    os.kill(pid, 9)
"""


@pytest.fixture
def nested():
    """A process with descendants of several generations; all of them end with the test."""
    process = subprocess.Popen(["/bin/sh", "-c", NEST], start_new_session=True)
    try:
        yield process.pid
    finally:
        for pid in procs.table().tree([process.pid]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()


def started(pid: int) -> bool:
    return len(procs.table().tree([pid])) >= 5


def test_descendants_are_those_of_the_whole_table(nested):
    """The same processes, with the same parents and sessions; nobody else's."""
    wait_until(lambda: started(nested), 10, "the descendants to be there")
    wait_until(lambda: set(procs.descendants(nested)) == procs.table().tree([nested]), 10, "both to agree")
    whole, ours = procs.table(), procs.descendants(nested)
    assert all((p.ppid, p.session, p.group) == (whole[p.pid].ppid, whole[p.pid].session, whole[p.pid].group)
               for p in ours.values())
    assert os.getpid() not in ours


def test_children_of_every_thread_are_found():
    """The kernel lists a child under the thread that started it."""
    go, made = threading.Event(), []

    def start() -> None:
        made.append(subprocess.Popen(["sleep", "300"]))
        go.wait(60)

    thread = threading.Thread(target=start)
    thread.start()
    try:
        wait_until(lambda: bool(made), 10, "the child")
        assert made[0].pid in procs.descendants(os.getpid())
    finally:
        go.set()
        thread.join()
        made[0].kill()
        made[0].wait()


def test_orphans_come_to_the_subreaper():
    """In a session of its own, its parent dead: still a descendant."""
    done = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "1", "1"], done.stderr


LEFT = """
import os, sys, threading
from mfmesos_executor import reap
reap.become_subreaper()
reaper = reap.Reaper()
for number, command in enumerate(("true", "sleep 300 &", "(setsid sleep 300 &)", "true")):
    over, attempt = threading.Event(), f"{number}.1"
    environ = {"PATH": os.environ["PATH"], reap.MARKER: attempt}
    leader = reaper.spawn(attempt, command, "/", environ, os.devnull, os.devnull, "", over.set)
    assert over.wait(60)
    print(reaper.is_clear(leader), reaper.clear(leader, 0.0))
    reaper.forget(leader)
"""


def test_what_is_left_of_an_attempt():
    """Processes in its group, and those that the executor has adopted; such an attempt does not end on the claim's own
    thread.
    """
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:4] == ["True True", "False True", "False True", "True True"], done.stderr


def test_nobody_is_a_subreaper_by_itself():
    """Then all processes are looked at, so that orphans are found by their sessions."""
    code = "from mfmesos_executor.reap import *; print(is_subreaper(), 1 in Reaper().table())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_where_the_kernel_does_not_tell_children(monkeypatch):
    """A kernel without /proc/PID/task/TID/children: everything is looked at."""
    real = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda path: not str(path).endswith("/children") and real(path))
    assert 1 in procs.descendants(os.getpid())


FORKS = """
import os, sys, time
x = b"x" * (100 << 20)
for _ in range(3):
    if not os.fork():
        time.sleep(300)
print(flush=True)
time.sleep(300)
"""


@pytest.fixture
def forks():
    """A process of 100 MB and three children that share them: the table of all four, taken while they lived."""
    process = subprocess.Popen([sys.executable, "-c", FORKS], stdout=subprocess.PIPE)
    table = procs.descendants(process.pid)
    try:
        process.stdout.readline()
        table = procs.descendants(process.pid)
        assert len(table) == 4
        yield process.pid, table
    finally:
        for pid in table:  # also those that have lost their parent
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("ends", ["before", "between", "after"])
@pytest.mark.parametrize("who", ["children", "parent", "all"])
def test_what_forks_share_is_counted_once_whoever_ends_while_we_look(forks, monkeypatch, ends, who):
    """Before the first of them was measured, when half of them were, or when all were."""
    root, table = forks
    victims = {"children": set(table) - {root}, "parent": {root}, "all": set(table)}[who]
    real, measured = procs.pss_bytes, []

    def end_them() -> None:
        for pid in victims:
            os.kill(pid, 9)
        wait_until(lambda: all(procs._has_ended(pid) for pid in victims), 10, "them to end")

    def pss(pid: int) -> int | None:
        if len(measured) == {"before": 0, "between": 2, "after": 99}[ends]:
            end_them()
        found = real(pid)
        measured.append(pid)
        if ends == "after" and len(measured) == 4:
            end_them()
        return found

    monkeypatch.setattr(procs, "pss_bytes", pss)
    assert procs.memory_bytes(procs.Charges().look(table.values())) / 2**20 == pytest.approx(115, abs=20)
    assert len(measured) >= 4


def test_what_forks_share_is_counted_once_while_all_of_them_stay(forks):
    _, table = forks
    assert procs.memory_bytes(procs.Charges().look(table.values())) / 2**20 == pytest.approx(120, abs=20)


def test_where_the_kernel_does_not_tell_what_is_shared(forks, monkeypatch):
    """All is counted, rather too much than too little."""
    _, table = forks
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    assert procs.memory_bytes(procs.Charges().look(table.values())) / 2**20 > 400


def test_a_process_that_is_not_there():
    """Nothing, and no error."""
    gone = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert procfs.read(gone) is None
    assert procs._children(procfs.Process(gone, 1, 1, 1, "S", 0, 0.0, threads=2)) == []
    assert procs._children(procfs.Process(gone, 1, 1, 1, "S", 0, 0.0)) == []
