"""Finding makeflow and setting up its private copy."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import wait_until

from mfmesos.launchers import binaries
from mfmesos.settings.config import ConfigError

STUB_SOURCE = Path(binaries.__file__).with_name("makeflow_stub.py")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Something like conda's: PREFIX/bin/makeflow and PREFIX/lib."""
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    makeflow = prefix / "bin" / "makeflow"
    shutil.copy2("/bin/true", makeflow)
    return makeflow


def test_private_copy(installed: Path, tmp_path: Path) -> None:
    """The copy has our stub beside it and the libraries where a relative search path finds them; twice is once."""
    copy = binaries.private_copy(installed, tmp_path / ".mfmesos", {})
    assert copy == tmp_path / ".mfmesos" / "makeflow" / "bin" / "makeflow"
    assert copy.read_bytes() == installed.read_bytes()
    assert copy.with_name("mf_mesos_scheduler").read_bytes() == STUB_SOURCE.read_bytes()
    assert os.readlink(copy.parent.parent / "lib") == str(installed.parent.parent / "lib")
    inode = copy.stat().st_ino
    assert binaries.private_copy(installed, tmp_path / ".mfmesos", {}).stat().st_ino == inode
    installed.write_bytes(b"newer")
    assert binaries.private_copy(installed, tmp_path / ".mfmesos", {}).read_bytes() == b"newer"


def test_noexec_folder(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be executed the copy goes to the user's cache; when that will not do either, one line."""
    real = os.statvfs

    def statvfs(path: Path) -> object:
        flags = os.ST_NOEXEC if ".mfmesos" in str(path) else 0
        return SimpleNamespace(f_flag=real(path).f_flag & ~os.ST_NOEXEC | flags)

    monkeypatch.setattr(os, "statvfs", statvfs)
    copy = binaries.private_copy(installed, tmp_path / ".mfmesos", {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert copy.is_relative_to(tmp_path / "cache" / "mfmesos")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    with pytest.raises(ConfigError, match="XDG_CACHE_HOME"):
        binaries.private_copy(installed, tmp_path / ".mfmesos", {"XDG_CACHE_HOME": str(tmp_path / "cache")})


def test_links_are_resolved(installed: Path, tmp_path: Path) -> None:
    """A link on PATH leads to the binary itself."""
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "makeflow").symlink_to(installed)
    assert binaries.find_makeflow({"PATH": f"/nowhere:{tmp_path / 'links'}"}) == installed


def test_makeflow_that_does_not_start(tmp_path: Path) -> None:
    """Its last line and the cure are in the message."""
    script = tmp_path / "makeflow"
    script.write_text("#!/bin/sh\necho cannot open shared object >&2\nexit 127\n")
    script.chmod(0o755)
    with pytest.raises(ConfigError, match=r"fails with exit code 127 \(cannot open shared object\).*openmpi-bin"):
        binaries.probe(script, {})


def start_stub(tmp_path: Path, parent: str) -> subprocess.Popen[bytes]:
    """A program of the name `parent` that starts the stub, and waits for its own input to end."""
    shell = shutil.copy("/bin/sh", tmp_path / parent)
    return subprocess.Popen(
        [str(shell), "-c", f'"{sys.executable}" "{STUB_SOURCE}" "{tmp_path}" & echo $!; read x'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("how", ["done", "orphan", "stranger"])
def test_stub_ends(tmp_path: Path, how: str) -> None:
    """It ends when makeflow is done, when makeflow is gone, and at once when its parent is none."""
    parent = start_stub(tmp_path, "stranger" if how == "stranger" else "makeflow")
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline())
    try:
        if how == "done":
            wait_until(lambda: not gone(pid), what="the stub")
            (tmp_path / "mesos_done").touch()
        elif how == "orphan":
            parent.kill()
        wait_until(lambda: gone(pid), 10, "the stub to end")
    finally:
        parent.kill()
        parent.stdin.close()
        parent.stdout.close()
        parent.wait()
