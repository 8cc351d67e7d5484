"""The example workflows, looked at without running them (tests/endtoend runs them)."""
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mfmesos.taskfiles.entries import Submitted
from mfmesos.taskfiles.reader import open_parser

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "workflows"
NAMES = sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())


def tasks_of(path: Path):
    reader = open_parser(path.parent)
    records = [*reader.feed(path.read_bytes()), *reader.finish()]
    assert all(isinstance(r, Submitted) for r in records), records
    return [r.task for r in records]


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_readme_and_a_makeflow(name):
    """A newcomer finds what it is and how to run it; nothing large or generated lies there."""
    assert (EXAMPLES / name / "Makeflow").exists()
    text = (EXAMPLES / name / "README.md").read_text()
    assert "mfmesos makeflow" in text
    assert f"examples/workflows/{name}/README.md" in (EXAMPLES.parents[1] / "README.md").read_text()


def test_the_sweep_is_the_same_in_both_formats():
    """tasks.info holds the tasks of tasks.jsonl; it cannot hold their category."""
    jsonl, info = tasks_of(EXAMPLES / "sweep/tasks.jsonl"), tasks_of(EXAMPLES / "sweep/tasks.info")
    assert [replace(task, category=None) for task in jsonl] == info


def test_the_sweep_s_task_file_is_its_makeflow():
    """The commands are those of the Makeflow's rules, in their order."""
    commands = re.findall(r"^\t(.+)$", (EXAMPLES / "sweep/Makeflow").read_text(), re.MULTILINE)
    assert [task.command for task in tasks_of(EXAMPLES / "sweep/tasks.jsonl")] == commands
