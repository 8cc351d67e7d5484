"""What `mfmesos clean` takes for a leftover, and its messages when the master does not help."""
from __future__ import annotations

from pathlib import Path

import pytest

from mfmesos.launchers.clean import clean
from mfmesos.settings.config import ConfigError
from mfmesos.store import framework
from mfmesos.store.leftovers import FILES, FolderLock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what makeflow and the scheduler leave when they are killed, and with an output."""
    state_dir = tmp_path / ".mfmesos"
    (state_dir / "incoming").mkdir(parents=True)
    (state_dir / "incoming" / "1.1-1.0").write_text("half an output")
    (state_dir / "scheduler.json").write_text("{}")
    (state_dir / "makeflow.debug").write_text("the environments of its tasks")
    (state_dir / "report.jsonl").write_text("")
    for name in (*FILES, "output"):
        (tmp_path / name).write_text("x")
    return tmp_path


def said_by(folder: Path, **options) -> tuple[int, list[str]]:
    said: list[str] = []
    return clean(folder, echo=said.append, **{"dry_run": False, **options}), said


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_framework_file(tmp_path):
    """What was saved is loaded; a file with only an id, as older versions wrote it, is too; none is None."""
    assert framework.load(tmp_path) is None
    framework.save(tmp_path, framework.Framework("F-1", "127.0.0.1:1", "batch"))
    assert framework.load(tmp_path) == framework.Framework("F-1", "127.0.0.1:1", "batch")
    (tmp_path / framework.FILE).write_text("F-2")
    assert framework.load(tmp_path) == framework.Framework("F-2")
    framework.forget(tmp_path)
    framework.forget(tmp_path)
    assert framework.load(tmp_path) is None


def test_the_users_own_task_file_stays(folder):
    """Without a framework, or with one of the batch runner, files of the protocol may be the user's own."""
    before = names(folder)
    code, _ = said_by(folder)
    assert code == 0
    assert before - names(folder) == {
        ".mfmesos/incoming/1.1-1.0", ".mfmesos/scheduler.json", ".mfmesos/makeflow.debug"}


def test_dry_run_removes_nothing(folder):
    """Everything is named, nothing is gone."""
    framework.save(folder / ".mfmesos", framework.Framework("F-1", "127.0.0.1:1", "makeflow"))
    before = names(folder)
    code, said = said_by(folder, dry_run=True)
    assert code == 0
    assert all(line.startswith("would remove ") for line in said)
    assert sum(any(name in line for name in FILES) for line in said) == 3
    assert names(folder) - {".mfmesos/lock"} == before


@pytest.mark.parametrize(("master", "cure"), [("127.0.0.1:1", "does not answer"), ("", "--master HOST:PORT")])
def test_a_framework_that_cannot_be_ended(folder, master, cure):
    """One line with the cure, exit 1, and the framework is remembered for the next time; the rest is cleaned."""
    framework.save(folder / ".mfmesos", framework.Framework("F-1", master, "makeflow"))
    code, said = said_by(folder)
    assert code == 1
    assert sum("not removed" in line and "F-1" in line and cure in line for line in said) == 1
    assert framework.load(folder / ".mfmesos") == framework.Framework("F-1", master, "makeflow")
    assert not any((folder / name).exists() for name in FILES)
    assert (folder / "output").exists()


def test_a_run_at_work_is_left_alone(folder):
    """The lock is held: nothing is removed."""
    before = names(folder)
    with FolderLock(folder / ".mfmesos", print), pytest.raises(ConfigError, match="another mfmesos run"):
        said_by(folder)
    assert names(folder) - {".mfmesos/lock"} == before


def test_nothing_there(tmp_path):
    """A folder without .mfmesos/ is reported as clean, and none is made."""
    code, said = said_by(tmp_path)
    assert (code, len(said), list(tmp_path.iterdir())) == (0, 1, [])
