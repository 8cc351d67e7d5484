"""A scheduler process that starts before it is known what it has to run: real processes."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import wait_until

from mfmesos.launchers.early import Early
from mfmesos.launchers.supervisor import Supervisor
from mfmesos.shared import procfs

PROGRAM = """
import os, sys
from mfmesos.launchers.early import EARLY, await_arguments
argv = sys.argv[1:]
early = argv[0] == EARLY
argv = await_arguments(argv[1]) if early else argv
links = []
for number in os.listdir("/proc/self/fd"):
    try:
        links.append(os.readlink("/proc/self/fd/" + number))
    except OSError:
        pass
with open("told", "a") as f:
    print(early, argv, sum(link.endswith("/held") for link in links), os.getsid(0) == os.getpid(), file=f)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py")]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "held", os.O_CREAT | os.O_RDWR)
    yield fd
    os.close(fd)


def ended(pid: int) -> bool:
    process = procfs.read(pid)
    return process is None or process.state in "ZX"


def test_it_runs_what_it_gets(tmp_path: Path, command: list[str], held: int) -> None:
    """With the arguments, the folder and the descriptors of the launcher, in a session of its own; a scheduler that has
    to follow it is started as ever."""
    folder = tmp_path / "folder"
    folder.mkdir()
    early = Early(command)
    one = Supervisor([*command, "a", "b c"], str(folder), dict(os.environ), print, pass_fds=(held,), early=early)
    for more in ((), ("--end",)):
        one.start(*more)
        assert one.process is not None
        assert one.process.wait(20) == 0
    early.close()
    assert (folder / "told").read_text() == "True ['a', 'b c'] 1 True\nFalse ['a', 'b c', '--end'] 1 True\n"


@pytest.mark.parametrize("other", ["command", "environment"])
def test_it_does_not_run_anything_else(tmp_path: Path, command: list[str], other: str) -> None:
    """For another program, or with other variables, it is of no use: it is gone, and has done nothing."""
    early = Early(command)
    pid = early._process.pid  # type: ignore[union-attr]
    argv, environ = [*command, "a"], dict(os.environ)
    if other == "command":
        argv[1] = "another"
    else:
        environ["MORE"] = "1"
    assert early.take(argv, str(tmp_path), environ, ()) is None
    assert ended(pid)
    assert not (tmp_path / "told").exists()


def test_the_scheduler_ends_with_a_launcher_that_needs_none(tmp_path: Path) -> None:
    """The launcher has died or has found an error: the real scheduler ends without a word."""
    program = "import os, mfmesos.launchers.early as e; print(e.Early()._process.pid, flush=True); os._exit(0)"
    with (tmp_path / "err").open("w") as err:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=err, cwd=tmp_path,
                              timeout=60, check=True)
    wait_until(lambda: ended(int(done.stdout)), what="the scheduler's end")
    assert (tmp_path / "err").read_text() == ""
    assert os.listdir(tmp_path) == ["err"]


def test_a_command_that_fails_leaves_none(tmp_path: Path) -> None:
    """`mfmesos makeflow` of a folder without a workflow: when the command has ended, so has the process."""
    done = subprocess.run([sys.executable, "-m", "mfmesos", "makeflow", "--master", "127.0.0.1:9"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _cwd(pid) == str(tmp_path)]


def _cwd(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
