"""A worker's program, its command and its size."""
from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import need

from mfmesos.core.model import Resources
from mfmesos.engines.pool_programs import choose
from mfmesos.engines.pool_worker import (
    KEPT_LOGS,
    MARGIN,
    TAG,
    Program,
    Protocol,
    copied_password,
    distinct_size,
    identity,
    leaves,
    libraries_of,
    prepare,
    protocol_of,
    remove_old_logs,
    size_of,
)
from mfmesos.settings.config import ConfigError
from mfmesos.settings.worker_options import WorkerOptions
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
    program = prepare(folder, str(script))
    secret = copied_password(folder, str(tmp_path / "password"))
    task = program.task(7, replace(MANAGER, ssl=True), Resources(2, 300, 400, 1), secret)
    assert (task.category, size_of(task)) == ("my project h:9123", Resources(2, 300, 400, 1))
    assert task.command == (
        "exec ./my_worker --cores=2 --memory=300 --disk=400 --gpus=1 --connect-timeout=60 --idle-timeout=300 "
        f"--max-backoff=5 --password={secret} --ssl h 9123")
    assert task.inputs == ("my_worker", secret)
    assert not leaves(task)
    short = program.task(7, MANAGER, Resources(2, 300, 400), idle_s=9.5)
    assert "--idle-timeout=10 " in short.command
    assert leaves(short)
    debug = program.task(7, MANAGER, Resources(2, 300, 400), debug=True)
    assert debug.command.startswith("touch worker-7.debug; exec ./my_worker --debug=all --debug-file=worker-7.debug ")
    assert debug.outputs == ("worker-7.debug",)
    assert program.task(7, replace(MANAGER, blocked=("a",)), Resources(1), blocked=("b",)).not_on == ("a", "b")
    assert (folder / secret).stat().st_mode & 0o777 == 0o600


def test_the_newest_debug_logs_stay(tmp_path: Path) -> None:
    """The number of debug logs in the pool's folder is bounded; nothing else is removed."""
    for n in range(KEPT_LOGS + 2):
        (tmp_path / f"worker-{n}.debug").touch()
        os.utime(tmp_path / f"worker-{n}.debug", (1000 - n, 1000 - n))
    (tmp_path / "worker-old").touch()
    remove_old_logs(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "worker-old", *(f"worker-{n}.debug" for n in range(KEPT_LOGS))}


def test_a_program_with_its_libraries(tmp_path: Path) -> None:
    """Started as an agent starts it, by its own loader, it finds every library in its folder; a second time nothing is
    copied."""
    program = prepare(tmp_path, str(shutil.which("env")))
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
    prepare(tmp_path, str(shutil.which("env")))
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == times


def test_what_cannot_start(tmp_path: Path) -> None:
    """No such program, no program at all, no password: one line with the cure."""
    with pytest.raises(ConfigError, match="no work_queue_nobody on PATH; install"):
        prepare(tmp_path, "work_queue_nobody")
    text = tmp_path / "text"
    text.write_text("hello")
    text.chmod(0o755)
    with pytest.raises(ConfigError, match="not a program for this machine"):
        libraries_of(text)
    text.write_text("#!/bin/sh\n")
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        copied_password(tmp_path, str(tmp_path / "nowhere"))


def test_a_real_worker_s_protocol() -> None:
    """It is started here, and says what it speaks; another program says nothing."""
    worker = shutil.which("work_queue_worker")
    need(worker, "no work_queue_worker here", "apt-get install coop-computing-tools")
    assert protocol_of(Path(str(worker))) == Protocol("work_queue_worker", 9)
    assert protocol_of(Path("/bin/true"), 0.3) is None


@pytest.mark.parametrize(("worker", "protocol", "chosen"), [
    ("work_queue_worker", 0, "old"), ("work_queue_worker", 9, "old"), ("work_queue_worker", 11, "new"),
    ("vine_worker", 13, "vine"), ("vine_worker", 12, None), ("work_queue_worker", 12, None)])
def test_which_program_works_for_a_manager(worker: str, protocol: int, chosen: str | None) -> None:
    """The first of its type and protocol; a manager that reports none is an old one. Without one, what they speak."""
    programs = [Program("vine", "", (), Protocol("vine_worker", 13)),
                Program("new", "", (), Protocol("work_queue_worker", 11)),
                Program("old", "", (), Protocol("work_queue_worker", 9))]
    manager = replace(MANAGER, worker=worker, protocol=protocol)
    if chosen is not None:
        assert choose(programs, manager).name == chosen
        return
    with pytest.raises(ConfigError, match=f"needs a {worker} with protocol 12, not .* with protocol 1"):
        choose(programs, manager)


def test_a_script_works_for_any_manager() -> None:
    """What it speaks is unknown; only the name of a usual program says the type."""
    script = Program("/opt/my_worker", "", ())
    assert choose([script], replace(MANAGER, worker="vine_worker", protocol=13)) == script
    with pytest.raises(ConfigError, match="needs a vine_worker"):
        choose([Program("/opt/work_queue_worker", "", ())], replace(MANAGER, worker="vine_worker"))


def test_what_a_worker_is_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, wrapper and environment come before it, features and options of its own after it; files travel."""
    for name in ("poncho_package_run", "vine_worker", "helper", "env.tar.gz"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    folder = tmp_path / "pool"
    folder.mkdir()
    options = WorkerOptions(("big disk",), ("A=1 2",), "./helper -x", (str(tmp_path / "helper"),),
                            str(tmp_path / "env.tar.gz"), "-d all", "9000:9010")
    task = prepare(folder, "vine_worker", options).task(7, MANAGER, Resources(1, 2, 3))
    assert task.command.startswith(
        "exec env 'A=1 2' ./helper -x ./poncho_package_run -e env.tar.gz -- ./vine_worker '--feature=big disk' "
        "--transfer-port=9000:9010 -d all --cores=1 --memory=2 --disk=3 ")
    assert sorted(task.inputs) == ["env.tar.gz", "helper", "poncho_package_run", "vine_worker"]
    assert "--transfer-port" not in prepare(folder, str(shutil.which("env")), options).task(
        7, MANAGER, Resources(1, 2, 3)).command
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="no poncho_package_run on PATH"):
        prepare(folder, str(tmp_path / "vine_worker"), options)
