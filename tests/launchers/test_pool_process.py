"""mfmesos.Pool: a pool for a Python program's own manager."""
from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import wait_until

import mfmesos
from mfmesos.launchers import pool_process


@pytest.mark.parametrize(("manager", "options", "arguments"), [
    ("project", {"max": 3, "folder": "f"}, ["project", "--max=3", "--folder=f"]),
    ("h:9123", {"folder": "f"}, ["--manager=h:9123", "--folder=f"]),
    (SimpleNamespace(name="p", port=1), {"folder": "f"}, ["p", "--folder=f"]),
    (SimpleNamespace(name=None, port=7), {"feature": ["a", "b"], "ssl": True, "password": None, "folder": "f"},
     [f"--manager={socket.gethostname()}:7", "--feature=a", "--feature=b", "--ssl", "--folder=f"]),
    ("p", {"factory_timeout": 5, "folder": "f"}, ["p", "--factory-timeout=5", "--folder=f"])])
def test_its_command_line(manager: Any, options: dict[str, Any], arguments: list[str]) -> None:
    """The options are those of `mfmesos pool`."""
    assert mfmesos.Pool(manager, **options)._arguments == arguments


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)
    monkeypatch.setattr(pool_process.sys, "executable", str(program))


def test_it_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to end by SIGTERM, however the block ends; its own folder is removed."""
    fake(tmp_path, monkeypatch, f"""
import signal, sys, pathlib
def end(*_):
    pathlib.Path({str(tmp_path / "ended")!r}).write_text(" ".join(sys.argv[1:]))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path({str(tmp_path / "ready")!r}).touch()
while True:
    signal.pause()
""")
    with contextlib.suppress(KeyError), mfmesos.Pool("p"):
        wait_until((tmp_path / "ready").exists, 20, "the pool")
        raise KeyError
    said = (tmp_path / "ended").read_text().split()
    assert said[:4] == ["-m", "mfmesos", "pool", "p"]
    assert not Path(said[4].partition("=")[2]).exists()


def test_a_pool_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is an error of the program's."""
    fake(tmp_path, monkeypatch, "import sys; sys.exit(1)")
    pool = mfmesos.Pool("p").start()
    assert pool._process is not None
    pool._process.wait(20)
    with pytest.raises(RuntimeError, match="exit code 1"):
        pool.stop()
    pool.stop()
