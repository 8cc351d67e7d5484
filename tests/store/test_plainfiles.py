"""Pipes, sockets and devices where files are wanted: refused in one line, never waited for."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mfmesos.core.events import TaskRefused
from mfmesos.core.model import Task
from mfmesos.engines.stager import Stager
from mfmesos.launchers import clean, launching
from mfmesos.scheduler import batch_run
from mfmesos.settings.config import ConfigError
from mfmesos.staging.inputs import InputIndex
from mfmesos.store.plainfiles import oddity


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": lambda path: os.mkfifo(path), "socket": _socket, "device": lambda path: path.symlink_to("/dev/zero")}


@pytest.fixture(params=list(ODD))
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd"
    ODD[request.param](path)
    assert oddity(path) == f"a {request.param}"
    return path


def test_a_task_file_is_a_file(odd: Path) -> None:
    """By name or in its folder, and what lies where the state is kept."""
    assert "not a file; write the tasks to a file" in str(batch_run.find(odd))
    odd.rename("tasks.jsonl")
    assert "not a file; write the tasks to a file" in str(batch_run.find(odd.parent))
    os.rename("tasks.jsonl", "mesos_task_state")
    Path("tasks.jsonl").touch()
    assert "mesos_task_state: this is" in str(batch_run.find(odd.parent))
    os.unlink("mesos_task_state")
    Path("mesos_done").mkdir()
    assert "mesos_done: this is a folder" in str(batch_run.find(odd.parent))


@pytest.mark.parametrize("name", ["engine", "lock", "report.jsonl", "scheduler.log"])
def test_what_lies_in_our_own_folder_is_a_file(odd: Path, name: str) -> None:
    """Refused by both engines, and by `mfmesos clean`, before anything is read."""
    Path(".mfmesos").mkdir()
    odd.rename(f".mfmesos/{name}")
    Path("tasks.jsonl").touch()
    assert f".mfmesos/{name}: this is a " in str(batch_run.find(odd.parent))
    with pytest.raises(ConfigError, match="own files; remove it"), launching.folder(
            odd.parent, "makeflow", print):
        pass
    with pytest.raises(ConfigError, match="remove it"):
        clean.clean(odd.parent, dry_run=True, echo=print)


def test_our_own_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").touch()
    (tmp_path / ".mfmesos").touch()
    assert ".mfmesos: this is a file" in str(batch_run.find(tmp_path))
    with pytest.raises(ConfigError, match=r"not a folder; .* move it away"), launching.folder(
            tmp_path, "makeflow", print):
        pass


def test_a_makeflow_is_a_file(odd: Path) -> None:
    """So is the log beside it; makeflow itself would wait for a writer."""
    if not oddity("Makeflow"):
        odd.rename("Makeflow")
    for cure in ("write the workflow to a file", "makeflow keeps its log there"):
        ended = subprocess.run([sys.executable, "-m", "mfmesos", "makeflow", "--master", "127.0.0.1:1"],
                               capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert f"not a file; {cure}" in ended.stderr
        os.rename("Makeflow", "Makeflow.makeflowlog")
        Path("Makeflow").touch()


def test_inputs_are_files_or_folders_of_files(odd: Path) -> None:
    """One of them as an input, or in a folder that is one, is refused when it is looked at."""
    Path("sub").mkdir()
    os.link("odd", "sub/odd", follow_symlinks=False)
    stager = Stager(odd.parent, InputIndex(odd.parent), lambda *events: None)
    for name in ("odd", "sub"):
        event = stager.look(Task(1, "cat odd", inputs=(name,)))
        assert isinstance(event, TaskRefused)
        assert "device, pipe or socket" in event.reason
    stager.close()
