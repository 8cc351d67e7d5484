"""The list of a user's runs: bounded, private, and never needed."""
from __future__ import annotations

import os

from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.store import run_registry
from mfmesos.store.run_registry import Known, known, place, remember


def a_run(folder: str, started: float) -> Known:
    return Known(folder, "batch", "local", "here", started)


def test_one_line_for_each_folder(tmp_path, monkeypatch):
    """Its last run, the latest first; damaged files are left out; the oldest of too many are forgotten."""
    environ = {"XDG_DATA_HOME": str(tmp_path)}
    monkeypatch.setattr(run_registry, "MOST", 2)
    assert known(environ) == []
    for n, folder in enumerate(("/a", "/b", "/a", "/c")):
        remember(a_run(folder, float(n)), environ)
        for path in place(environ).iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            if f'"{folder}"' in path.read_text():
                os.utime(path, (n + 1, n + 1))  # they may all be written within the clock's resolution
    assert [(one.folder, one.started) for one in known(environ)] == [("/c", 3.0), ("/a", 2.0)]
    (place(environ) / "x.json").write_text("{")
    (place(environ) / "y.json").write_text('{"folder": 3}')
    assert len(known(environ)) == 2


def test_a_folder_that_is_gone(tmp_path, monkeypatch):
    """It stays in the list, as gone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = CliRunner().invoke(main, ["runs"])
    assert (done.exit_code, done.output) == (0, "no run of yours is known\n")
    remember(a_run(str(tmp_path / "missing"), 1.0))
    line = CliRunner().invoke(main, ["runs"]).output.splitlines()[1]
    assert line.split()[:2] == ["gone", "-"]
