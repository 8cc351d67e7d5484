"""Processes as /proc shows them: this one, a child with a strange name, a zombie, and one that has ended."""
from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support import wait_until

from mfmesos.shared import procfs
from mfmesos.shared.procfs import Process, Table


@pytest.fixture
def gone():
    return int(Path("/proc/sys/kernel/pid_max").read_text()) + 1


@pytest.fixture
def child(tmp_path):
    """A sleep called `a) Z (b`, with one variable in its environment."""
    program = tmp_path / "a) Z (b"
    shutil.copy(shutil.which("sleep"), program)
    began = time.time()
    process = subprocess.Popen([program, "300"], env={"NAME": "a=b\udcff", "NAMES": "x"}, start_new_session=True)
    yield process, began
    process.kill()
    process.wait()


def test_ourselves():
    """Numbers agree with those that Python has of its own process."""
    found = procfs.read(os.getpid())
    assert (found.pid, found.ppid) == (os.getpid(), os.getppid())
    assert (found.session, found.group) == (os.getsid(0), os.getpgid(0))
    assert found.cpu_s == pytest.approx(time.process_time(), abs=1.0)
    assert found.rss_bytes > 5 << 20
    assert os.getpid() in Table(procfs.everything())
    assert procfs.bytes_read(os.getpid()) > 0


def test_a_name_with_brackets(child):
    """Whatever a program is called, its fields are found."""
    process, began = child
    wait_until(lambda: procfs.command_line(process.pid)[1:] == ["300"])
    assert procfs.name_of(process.pid) == "a) Z (b"
    found = procfs.read(process.pid)
    assert (found.ppid, found.session, found.group) == (os.getpid(), process.pid, process.pid)
    assert found.state in "SRD"
    assert -0.1 <= procfs.started_at(process.pid) - began < 10
    assert process.pid in procfs.children_of_thread(os.getpid(), os.getpid())


def test_variables(child):
    """A value is given as Python has it in os.environ; a name is not taken for another that begins with it."""
    process, _ = child
    wait_until(lambda: procfs.variable(process.pid, "NAMES") == "x")
    assert procfs.variable(process.pid, "NAME") == "a=b\udcff"
    assert procfs.variable(process.pid, "NAM") is None


def test_a_zombie(child):
    """It has no name and no memory, but is there until its parent asks for its end."""
    process, _ = child
    process.kill()
    wait_until(lambda: procfs.read(process.pid).state == "Z")
    assert procfs.name_of(process.pid) == ""
    assert procfs.read(process.pid).rss_bytes == 0
    assert procfs.command_line(process.pid) == []


def test_what_has_ended_reads_as_nothing(gone):
    assert procfs.read(gone) is None
    assert procfs.name_of(gone) == ""
    assert procfs.started_at(gone) == 0.0
    assert procfs.command_line(gone) == []
    assert procfs.variable(gone, "PATH") is None
    assert procfs.children_of_thread(gone, gone) is None
    assert procfs.bytes_read(gone) is None
    assert procfs.pss(gone) is None


def test_a_tree_is_of_those_that_are_in_the_table():
    """Roots that are not there have no descendants; a ring, of numbers used again while we looked, has an end."""
    table = Table(Process(pid, ppid, 1, 1, "S", 0, 0.0) for pid, ppid in ((2, 1), (3, 2), (4, 9), (5, 6), (6, 5)))
    assert table.tree([2]) == {2, 3}
    assert table.tree([1, 9]) == set()
    assert table.tree([4, 5]) == {4, 5, 6}


def test_memory_in_bytes():
    """The kernel gives kB; a name is not found in the middle of another."""
    raw = b"Rss: 9 kB\nPss:              12 kB\nPss_File:  4 kB\n"
    assert procfs.bytes_in(raw, b"Pss") == 12 * 1024
    assert procfs.bytes_in(raw, b"Pss_File") == 4 * 1024
    assert procfs.bytes_in(raw, b"File") is None
