"""Our scheduler beside an installed makeflow, and the original back again."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import need, wait_until

from mfmesos.launchers.link import KEPT, NAME, link, status, unlink
from mfmesos.settings.config import ConfigError
from mfmesos.shared.own_programs import command


@pytest.fixture
def bindir(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "makeflow").touch()
    (folder / NAME).write_text("the original\n")
    (folder / NAME).chmod(0o755)
    return folder


def test_link_and_unlink(bindir: Path) -> None:
    """The original is kept and put back; both may be done twice."""
    assert status(bindir) == "original"
    link(bindir)
    link(bindir)
    assert status(bindir) == "linked"
    assert (bindir / KEPT).read_text() == "the original\n"
    assert os.access(bindir / NAME, os.X_OK)
    unlink(bindir)
    unlinked = status(bindir)
    assert unlinked == "original"
    assert (bindir / NAME).read_text() == "the original\n"
    assert not (bindir / KEPT).exists()


def test_without_an_original(bindir: Path) -> None:
    """Debian's makeflow may come without one: then nothing is left after unlink."""
    (bindir / NAME).unlink()
    link(bindir)
    unlink(bindir)
    unlink(bindir)
    assert status(bindir) == "none"
    assert sorted(p.name for p in bindir.iterdir()) == ["makeflow"]


def test_another_interpreter_replaces_ours(bindir: Path) -> None:
    """After a new installation link is run again; the original stays kept."""
    link(bindir, "/old/python")
    link(bindir, "/new/py thon")
    assert "/new/py thon" in (bindir / NAME).read_text()
    assert (bindir / KEPT).read_text() == "the original\n"


def test_refusals(bindir: Path, tmp_path: Path) -> None:
    """No makeflow there; a foreign file on unlink; a relative interpreter: one clear line each, nothing changed."""
    with pytest.raises(ConfigError, match="contains no makeflow"):
        link(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="must be absolute"):
        link(bindir, "python3")
    with pytest.raises(ConfigError, match="was not created by mfmesos"):
        unlink(bindir)
    assert (bindir / NAME).read_text() == "the original\n"
    assert not (bindir / KEPT).exists()


def test_after_an_upgrade(bindir: Path) -> None:
    """A newer original lies where our scheduler was: unlink drops the older one that was kept, link keeps the newer."""
    for again in (False, True):
        link(bindir)
        (bindir / NAME).write_text("a newer original\n")
        if again:
            link(bindir)
            assert status(bindir) == "linked"
            assert (bindir / KEPT).read_text() == "a newer original\n"
        unlink(bindir)
        assert (bindir / NAME).read_text() == "a newer original\n"
        assert not (bindir / KEPT).exists()


@pytest.mark.parametrize("wrapper", [False, True])
def test_makeflow_that_lies_elsewhere(tmp_path: Path, bindir: Path, wrapper: bool) -> None:
    """A symbolic link or a wrapper script in BINDIR (modules, stow): makeflow looks beside its own binary, so our
    scheduler is installed and removed there; a line names that folder."""
    (bindir / "makeflow").write_bytes(b"\x7fELF...")
    other, said = tmp_path / "other", []
    other.mkdir()
    if wrapper:
        (other / "makeflow").write_text(f'#!/bin/sh\nexec {bindir}/makeflow "$@"\n')
    else:
        (other / "makeflow").symlink_to("../bin/makeflow")
    link(other, echo=said.append)
    assert (status(other), status(bindir)) == ("linked", "linked")
    assert sorted(p.name for p in other.iterdir()) == ["makeflow"]
    unlink(other, echo=said.append)
    assert (bindir / NAME).read_text() == "the original\n"
    assert len(said) == 2
    assert all(str(bindir) in line for line in said)


def test_unlink_of_what_an_older_version_has_linked(tmp_path: Path, bindir: Path) -> None:
    """It had put our scheduler beside the symbolic link, where no makeflow looks."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "makeflow").symlink_to("../bin/makeflow")
    link(bindir)
    (bindir / NAME).rename(other / NAME)
    (bindir / KEPT).rename(bindir / NAME)
    unlink(other)
    assert sorted(p.name for p in other.iterdir()) == ["makeflow"]
    assert status(bindir) == "original"


def test_no_permission(bindir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused in one line, and the original is still in its place."""
    def refuse(self: Path, data: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ConfigError, match="Permission denied; run this as the owner"):
        link(bindir)
    assert (bindir / NAME).read_text() == "the original\n"
    assert not (bindir / KEPT).exists()


def recorder(folder: Path) -> Path:
    """An interpreter that notes how it was called."""
    script = folder / "inter preter"
    script.write_text(f"""#!{sys.executable}
import json, os, sys
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1]
json.dump([sys.argv[1:], dict(os.environ), fds, os.readlink("/proc/self/fd/0")], open({str(folder / "seen")!r}, "w"))
open("mesos_task_state", "a").write("1,finished\\n")
""")
    script.chmod(0o755)
    return script


def test_the_script_runs_our_interpreter(bindir: Path, tmp_path: Path) -> None:
    """With CWD and MASTER, an empty environment and no leaked descriptor."""
    link(bindir, str(recorder(tmp_path)))
    leaked = os.open("/dev/null", os.O_RDONLY)
    try:
        subprocess.run(
            [sys.executable, str(bindir / NAME), "/some where", "h:5050/", "ignored"], env={}, cwd=tmp_path,
            pass_fds=(leaked,), check=True)
    finally:
        os.close(leaked)
    seen = (tmp_path / "seen").read_text()
    assert json.dumps([*command("mfmesos.scheduler")[1:], "--makeflow", "/some where", "h:5050/"]) in seen
    assert "[0, 1, 2]" in seen
    assert '"/dev/null"' in seen


def test_interpreter_that_is_gone(bindir: Path) -> None:
    """The line names the cure; it lands in makeflow's mesoslog."""
    link(bindir, "/nowhere/python")
    done = subprocess.run([sys.executable, str(bindir / NAME), "/", "m"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run `mfmesos link` again" in done.stderr


def real_makeflow(tmp_path: Path) -> Path:
    """A folder with a copy of it."""
    need(shutil.which("makeflow"), "no makeflow on PATH", "apt-get install coop-computing-tools openmpi-bin")
    bindir = tmp_path / "bin"
    bindir.mkdir()
    shutil.copy(str(shutil.which("makeflow")), bindir / "makeflow")
    return bindir


@pytest.mark.once
@pytest.mark.parametrize(("text", "said"), [
    ("", "No such file or directory"), ("echo \"No module named 'mfmesos'\" >&2; exit 1", "No module named 'mfmesos'"),
    ("echo mfmesos: the master is away >&2; exit 1", "mfmesos: the master is away"),
    ("kill -9 $$", "killed by signal 9")])
def test_scheduler_that_does_not_start(tmp_path: Path, text: str, said: str) -> None:
    """A Python environment that has moved or cannot be read: plain makeflow would wait for ever, deaf to SIGTERM. It
    is ended, and the cure is printed on its own stderr."""
    bindir, interpreter = real_makeflow(tmp_path), tmp_path / "python"
    if text:
        interpreter.write_text(f"#!/bin/sh\n{text}\n")
        interpreter.chmod(0o755)
    link(bindir, str(interpreter))
    (tmp_path / "Makeflow").write_text("a:\n\techo 1 > a\n")
    done = subprocess.run(
        [str(bindir / "makeflow"), "-T", "mesos", "--mesos-master=h:1/"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode != 0
    line = next(line for line in done.stderr.splitlines() if said in line)
    assert line.startswith("mfmesos: ")
    assert ("run `mfmesos link` again, or `mfmesos unlink`" in line) == ("No " in line)
    wait_until(lambda: not (tmp_path / "mesos_task_state").exists(), what="the folder to be put right")


@pytest.mark.once
def test_a_master_that_is_no_address(tmp_path: Path) -> None:
    """One line with what is expected, on makeflow's own stderr as in its mesoslog, as `mfmesos makeflow` has it."""
    bindir = real_makeflow(tmp_path)
    link(bindir)
    (tmp_path / "Makeflow").write_text("a:\n\techo 1 > a\n")
    done = subprocess.run(
        [str(bindir / "makeflow"), "-T", "mesos", "--mesos-master=foo:bar"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode != 0
    line = "mfmesos: master 'foo:bar': 'foo:bar' is not an address: HOST:PORT is expected, with a port from 1 to 65535"
    assert line in done.stderr.splitlines()
    assert line in (tmp_path / "Makeflow.mesoslog").read_text().splitlines()
    wait_until(lambda: not (tmp_path / "mesos_task_state").exists(), what="the folder to be put right")


@pytest.mark.once
def test_real_makeflow_starts_it(tmp_path: Path) -> None:
    """A plain makeflow -T mesos with the linked scheduler in its folder runs ours."""
    bindir = real_makeflow(tmp_path)
    link(bindir, str(recorder(tmp_path)))
    (tmp_path / "Makeflow").write_text("a:\n\techo 1 > a\n")
    (tmp_path / "a").touch()
    makeflow = subprocess.Popen(
        [str(bindir / "makeflow"), "-T", "mesos", "-r", "0", "--mesos-master=h:1/"], cwd=tmp_path,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        record = tmp_path / "seen"
        seen = wait_until(lambda: record.exists() and record.read_text(), what="our scheduler")
        assert json.dumps([*command("mfmesos.scheduler")[1:], "--makeflow", str(tmp_path), "h:1/"]) in seen
    finally:
        makeflow.kill()
        makeflow.wait()
