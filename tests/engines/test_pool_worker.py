"""A worker's program, its command and its size."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.core.model import Resources
from mfmesos.engines.pool_worker import MARGIN, TAG, distinct_size, identity, libraries_of, prepare, size_of
from mfmesos.settings.config import ConfigError
from mfmesos.settings.pool_settings import PoolSettings
from mfmesos.shares.pool_values import ManagerStatus
from mfmesos.taskfiles.workers import OWN_MB

MANAGER = ManagerStatus("my project", "h", 9123)


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(1, 1000), st.floats(1, 1000)), max_size=60))
def test_no_two_alike(sizes: list[tuple[int, float, float]]) -> None:
    """Up to TAG * TAG workers of one manager are distinguished, and none takes more than the margin."""
    taken = set()
    for cores, memory, disk in sizes:
        size = distinct_size(Resources(cores, memory, disk), taken)
        assert identity(size) not in taken
        taken.add(identity(size))
        assert 0 <= size.memory_mb + OWN_MB - int(memory) <= MARGIN.memory_mb
        assert 0 <= size.disk_mb + OWN_MB - int(disk) <= MARGIN.disk_mb
        assert size.memory_mb - int(memory) < TAG


def test_a_task_and_back(tmp_path: Path) -> None:
    """A resumed scheduler learns from the journal whose worker it is and how large; the command has both, too."""
    (tmp_path / "password").write_text("sesame")
    script = tmp_path / "my_worker"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    folder = tmp_path / "pool"
    folder.mkdir()
    program = prepare(folder, str(script), PoolSettings(password=str(tmp_path / "password"), ssl=True))
    task = program.task(7, MANAGER, Resources(2, 300, 400, 1))
    assert (task.category, size_of(task)) == ("my project h:9123", Resources(2, 300, 400, 1))
    assert task.command == (
        "exec ./my_worker --cores=2 --memory=300 --disk=400 --gpus=1 --connect-timeout=60 --idle-timeout=300 "
        "--max-backoff=5 --password=worker-password --ssl h 9123")
    assert task.inputs == ("my_worker", "worker-password")
    assert (folder / "worker-password").stat().st_mode & 0o777 == 0o600


def test_a_program_with_its_libraries(tmp_path: Path) -> None:
    """Started as an agent starts it, by its own loader, it finds every library in its folder; a second time nothing is
    copied."""
    program = prepare(tmp_path, str(shutil.which("env")), PoolSettings())
    assert program.inputs == ("env", "worker-lib-env")
    shown = subprocess.run(["/bin/sh", "-c", f"LD_TRACE_LOADED_OBJECTS=1 {program.command}"], cwd=tmp_path,
                           capture_output=True, text=True, timeout=30, check=True).stdout
    found = [line.split()[2] for line in shown.splitlines() if "=>" in line and "(0x" in line.split("=>")[1]]
    assert found
    assert [p for p in found if p.startswith("/") and not p.startswith(str(tmp_path))] == []
    done = subprocess.run(["/bin/sh", "-c", f"{program.command} A=1"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=30, env={}, check=True)
    assert "LD_LIBRARY_PATH" not in done.stdout
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    (tmp_path / "worker-lib-env" / "libold.so").touch()
    prepare(tmp_path, str(shutil.which("env")), PoolSettings())
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == times


def test_what_cannot_start(tmp_path: Path) -> None:
    """No such program, no program at all, no password: one line with the cure."""
    with pytest.raises(ConfigError, match="no work_queue_nobody on PATH; install"):
        prepare(tmp_path, "work_queue_nobody", PoolSettings())
    text = tmp_path / "text"
    text.write_text("hello")
    text.chmod(0o755)
    with pytest.raises(ConfigError, match="not a program for this machine"):
        libraries_of(text)
    text.write_text("#!/bin/sh\n")
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        prepare(tmp_path / ".", str(text), PoolSettings(password=str(tmp_path / "nowhere")))
