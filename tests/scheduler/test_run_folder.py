"""A run notices that its folder, or ours in it, is not where it was; and nothing of that fails a task."""
from __future__ import annotations

import shutil

import pytest

from mfmesos.scheduler.run_folder import RunFolder
from mfmesos.staging.publish_errors import not_stored
from mfmesos.taskfiles.statefile import StateFile


@pytest.fixture
def run(tmp_path):
    workdir = tmp_path / "flow"
    (workdir / ".mfmesos").mkdir(parents=True)
    return workdir


def test_in_place(run):
    """What happens in the folders is no problem."""
    folder = RunFolder(run, run / ".mfmesos")
    (run / "a").write_text("x")
    (run / ".mfmesos" / "b").mkdir()
    assert folder.problem() == ""


@pytest.mark.parametrize("which", ["flow", "flow/.mfmesos"])
@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_gone(run, tmp_path, which, how):
    """One line with its name, whichever of the two it is; another folder of that name is not it."""
    folder = RunFolder(run, run / ".mfmesos")
    (tmp_path / which).rename(tmp_path / "elsewhere")
    if how == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    if how == "replaced":
        (tmp_path / which / ".mfmesos").mkdir(parents=True)
    assert folder.problem().startswith(f"{tmp_path / which} was removed, renamed or replaced")
    assert "\n" not in folder.problem()


def test_a_server_that_does_not_answer(run, monkeypatch):
    """A folder that this user may not look at is not gone."""
    folder = RunFolder(run, run / ".mfmesos")

    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mfmesos.scheduler.run_folder.os.stat", fail)
    assert folder.problem() == ""


def test_a_state_file_without_its_folder(run):
    """Lines that are still written find no folder: no error, so that the run ends in order."""
    state = StateFile(run / "mesos_task_state")
    state.known(1)
    run.rename(run.with_name("renamed"))
    state.finished(1)
    state.close()
    assert (run.with_name("renamed") / "mesos_task_state").read_text() == "1,finished\n"


def test_outputs_that_find_no_folder(run):
    """The attempt is not to blame: it waits, as for a full disk, until the run has noticed."""
    problem = not_stored(FileNotFoundError(2, "No such file or directory"), run / ".mfmesos" / "incoming")
    assert problem.full
    assert problem.local
