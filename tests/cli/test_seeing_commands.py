"""`mfmesos status`, `why` and `logs` where there is little to see."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_runs import sample

from mfmesos.cli.command_line import main
from mfmesos.shared.phrases import cut
from mfmesos.store.run_reading import RunReader


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *argv: CliRunner().invoke(main, argv)


def test_any_command_works_in_another_folder(tmp_path, invoke):
    """-C FOLDER: before anything else is looked at."""
    (tmp_path / "there").mkdir()
    done = invoke("status", "-C", "there")
    assert done.exit_code == 0
    assert done.output.splitlines() == [cut(str(tmp_path / "there"), 80), "no run of mfmesos yet"]
    assert Path.cwd() == tmp_path / "there"
    assert invoke("history", "-C", "missing").exit_code == 2


@pytest.mark.parametrize("command", ["why", "logs"])
def test_a_folder_without_a_record(tmp_path, invoke, command):
    """One line that says what to do."""
    done = invoke(command, "3")
    assert done.exit_code == 1
    assert "no run of mfmesos is recorded here" in done.output
    assert done.output.count("\n") == 1


def test_a_record_that_is_none(tmp_path, invoke):
    """A foreign file in its place is named, and left alone."""
    (tmp_path / ".mfmesos").mkdir()
    (tmp_path / ".mfmesos/record.sqlite").write_bytes(b"something else " * 100)
    for argv in (["status"], ["why", "1"]):
        done = invoke(*argv)
        assert done.exit_code == 1
        assert "record.sqlite" in done.output


def test_a_record_that_is_about_to_be_made(tmp_path, invoke):
    """The first run of a folder creates the file before its tables: that is no error."""
    (tmp_path / ".mfmesos").mkdir()
    (tmp_path / ".mfmesos/record.sqlite").touch()
    done = invoke("status")
    assert done.exit_code == 0
    assert "no run of mfmesos yet" in done.output


def test_seeing_needs_neither_the_core_nor_asyncio():
    """Half of what `mfmesos status` and `why` take is their start, so they load nothing that only a scheduler needs."""
    done = subprocess.run([sys.executable, "-c", """
import sys
import mfmesos.cli.command_line, mfmesos.control.control_client, mfmesos.store.run_reading, mfmesos.store.runlog
import mfmesos.views.status_view, mfmesos.views.why_view
print([name for name in sys.modules if name.startswith(("mfmesos.core", "mfmesos.shared.wire", "asyncio"))])
"""], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_what_status_and_why_read_does_not_grow_with_the_run(tmp_path):
    """Steps of SQLite: as many for 3,000 tasks as for 100; the failed ones are found without a look at the others."""
    def steps(folder: Path) -> dict[str, int]:
        counted = {}
        with RunReader(folder / ".mfmesos") as reader:
            for name, ask in (("last", reader.last), ("task", lambda: reader.task(50)),
                              ("attempts", lambda: reader.attempts(1, 50)), ("failures", lambda: reader.failures(1))):
                taken = []
                reader._db.set_progress_handler(lambda taken=taken: taken.append(1) or 0, 1)
                ask()
                counted[name] = len(taken)
        return counted

    sample(tmp_path / "small", 100)
    sample(tmp_path / "large", 3000)
    small, large = steps(tmp_path / "small"), steps(tmp_path / "large")
    assert {name: large[name] - small[name] for name in ("last", "task", "attempts")} == {
        "last": 0, "task": 0, "attempts": 0}
    assert large["failures"] < 30 * 31
