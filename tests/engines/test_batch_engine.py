"""The batch runner's view of an earlier run: which of its tasks continue, and which begin again."""
from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mfmesos.core.model import Resources, SavedTask
from mfmesos.engines.batchfile import Batch
from mfmesos.staging.inputs import InputIndex


class Folder:
    """A workflow's folder with a task file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "tasks.jsonl"

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def tasks(self, *tasks: dict[str, Any]) -> Batch:
        """The file with these lines, as a new run reads it."""
        self.file.write_text("".join(json.dumps(task) + "\n" for task in tasks))
        batch = Batch(self.file, self.path)
        assert batch.read(whole=True) == []
        batch.skip_done(self.path / ".mfmesos")
        return batch


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("in", "1\n")
    os.utime(tmp_path / "in", (1, 1))
    return made


def saved(folder: Folder, batch: Batch) -> list[SavedTask]:
    """As the journal has them: each task at its first attempt."""
    index = InputIndex(folder.path)
    return [SavedTask(t, index.stage(t), t.id, "", 1, "c", Resources(1, 1, 1), stem=f"{t.id}.ab")
            for t in batch.tasks.values()]


SORT = {"command": "sort in > a", "inputs": ["in"], "outputs": ["a"], "env": {"LC_ALL": "C"}, "memory": 100}


def test_what_was_running_goes_on_under_its_present_number(folder: Folder) -> None:
    """A line was inserted above it: the same task, though it has another number now."""
    old = saved(folder, folder.tasks(SORT))
    (going_on,) = folder.tasks({"command": "true"}, SORT).still_wanted(old)
    assert (going_on.task.id, going_on.stem, going_on.attempts) == (2, "1.ab", 1)


@pytest.mark.parametrize("edit", [
    {"command": "sort -r in > a"}, {"env": {"LC_ALL": "de_DE"}}, {"env": {}}, {"outputs": ["a", "b"]}, {"memory": 200},
    {"inputs": []}])
def test_what_was_edited_begins_again(folder: Folder, edit: dict[str, Any]) -> None:
    old = saved(folder, folder.tasks(SORT))
    assert folder.tasks({**SORT, **edit}).still_wanted(old) == []


def test_what_has_other_inputs_begins_again(folder: Folder) -> None:
    """Content and mode count; a new time alone does not."""
    old = saved(folder, folder.tasks(SORT))
    os.utime(folder.path / "in", (9, 9))
    assert len(folder.tasks(SORT).still_wanted(old)) == 1
    (folder.path / "in").chmod(0o755)
    assert folder.tasks(SORT).still_wanted(old) == []
    folder.write("in", "2\n")
    (folder.path / "in").chmod(0o644)
    assert folder.tasks(SORT).still_wanted(old) == []


def test_what_waits_for_a_task_that_runs_again_begins_again(folder: Folder) -> None:
    """Its input exists, from the earlier run, but will be made again."""
    count = {"command": "wc a > b", "inputs": ["a"], "outputs": ["b"]}
    folder.write("a", "1\n")
    batch = folder.tasks(SORT, count)
    assert [one.task.id for one in batch.still_wanted(saved(folder, batch))] == [1]


def test_tasks_that_read_alike_go_on_once_each(folder: Folder) -> None:
    """Two of three that make no files were running."""
    batch = folder.tasks({"command": "true"}, {"command": "true"}, {"command": "true"})
    old = saved(folder, batch)[:2]
    assert [one.stem for one in batch.still_wanted(old)] == ["1.ab", "2.ab"]
    assert len({one.task.id for one in batch.still_wanted(old)}) == 2


def test_one_object_is_held_of_each_task(folder: Folder) -> None:
    """What is submitted to the core takes the place of what was read, everywhere: 100,000 tasks are in memory once."""
    batch = folder.tasks(SORT, {"command": "wc a", "inputs": ["a"]})
    (task,) = batch.plan.ready()
    submitted = replace(task, read=batch.plan.read_of(task))
    batch.keep(submitted)
    assert batch.tasks[1] is submitted
    assert batch.plan.order()[0] is submitted
    assert [waiting.id for waiting in batch.plan.finished(1)] == [2]
