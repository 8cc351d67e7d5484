"""Outputs of different tasks of which one lies in the other."""
from __future__ import annotations

import pytest

from mfmesos.core.model import Task
from mfmesos.taskfiles.overlaps import Overlaps, writes_file


def task(number: int, command: str, *outputs: str) -> Task:
    return Task(number, command, (), outputs)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_folder_and_something_in_it(order: tuple[int, int]) -> None:
    """Reported once, in whichever order the tasks come; another attempt of either is no news."""
    tasks = (task(1, "mkdir res; echo > res/a", "res"), task(2, "mkdir -p res; echo > res/b", "res/b"))
    overlaps = Overlaps()
    assert overlaps.add(tasks[order[0]]) == []
    found = overlaps.add(tasks[order[1]])
    assert [str(one) for one in found] == [
        "task 1 makes 'res', and task 2 makes 'res/b' in it: each task replaces only its own files"]
    assert not found[0].impossible
    assert overlaps.add(task(3, "mkdir res; echo > res/a", "res")) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_file_and_something_in_it(order: tuple[int, int]) -> None:
    """Impossible, each time."""
    tasks = (task(1, "date > a", "a"), task(2, "mkdir a; date > a/b", "a/b"))
    overlaps = Overlaps()
    overlaps.add(tasks[order[0]])
    for _ in range(2):
        found = overlaps.add(tasks[order[1]])
        assert [one.impossible for one in found] == [True]
        assert "task 2 makes 'a/b', but task 1 makes 'a' as a file" in str(found[0])


def test_one_task_may_declare_both() -> None:
    """A folder and a file in it, of one task, are no overlap."""
    assert Overlaps().add(task(1, "make", "res", "res/b")) == []


def test_names_that_only_look_alike() -> None:
    """res-2 and result lie not in res."""
    overlaps = Overlaps()
    overlaps.add(task(1, "x", "res"))
    assert overlaps.add(task(2, "x", "res-2", "result/a", "other/res/b")) == []


@pytest.mark.parametrize(("command", "is_file"), [
    ("echo > a", True), ("echo 2>>'a'", True), ("x >|./a", True), ("touch -c a", True), ("x | tee a b", True),
    ("mkdir a; echo > a/b", False), ("echo > aa", False), ("echo > a.txt", False), ("cp -r x a", False),
    ("mytouch a", False), ("echo > b a", False),
])
def test_what_surely_is_a_file(command: str, is_file: bool) -> None:
    """Only a redirection, touch and tee show it."""
    assert writes_file(command, "a") is is_file
