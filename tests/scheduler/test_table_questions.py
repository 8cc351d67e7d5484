"""What the page asks about all tasks of a run: each answer is about few of them."""
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from mfmesos.control.control_server import BadQuestion
from mfmesos.core.model import Resources, Task
from mfmesos.core.snapshot import ChangedTasks, TaskView
from mfmesos.core.states import TaskState
from mfmesos.core.waiting import Binding, NextTask, Waiting
from mfmesos.scheduler.table_questions import MOST_REASONS, MOST_ROWS, TableQuestions

VIEWS = {
    1: TaskView(1, TaskState.RUNNING, 2, "c1", 50.0, Task(1, "do 1", (), ("a", "b")), "do", hostname="node1",
                allocation=Resources(1.0, 512.0, 0.0)),
    2: TaskView(2, TaskState.WAITING, 0, "", 40.0, Task(2, "x" * 2000, (), ("c",)), "do"),
    3: TaskView(3, TaskState.WAITING, 0, "", 40.0, Task(3, "do 3", (), ()), "do", held=True)}


def answer(
    name: str, known: dict[int, Task] | None = None, write: Callable[[], None] = lambda: None, **question: Any,
) -> Any:
    views = SimpleNamespace(
        task=VIEWS.get, known=lambda: tuple(VIEWS), why_each_waits=lambda some: [
            Waiting(number, Binding.FULL, 40.0, Resources(1.0), before=number) for number in some if number > 1],
        next_tasks=lambda most: [NextTask("do", 2, Resources(1.0, 64.0, 10.0), None)][:most],
        changes_since=lambda number: ChangedTasks(9, frozenset({1, 2}) if number >= 0 else None))
    engine = SimpleNamespace(tasks=lambda: known or {}, unmet=lambda number: [("in", (1,))] if number == 4 else [])
    found = TableQuestions(views, engine, 1000.0, write).answers()[name](question)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


def test_numbers():
    """Of all tasks that the core knows or, of an engine that knows more, of these; as ranges."""
    assert answer("numbers") == [[1, 3]]
    many = {number: Task(number, "x", (), ()) for number in (*range(5, 9000), 2, 3, 10_000)}
    assert answer("numbers", many) == [[5, 8999], [2, 3], [10_000, 10_000]]


def test_changes():
    """Since a number, or all; the record then gets what has ended, since the page looks there next."""
    assert answer("changed", since=5) == {"changes": 9, "tasks": [1, 2]}
    written: list[int] = []
    assert answer("changed", write=lambda: written.append(1), since=-1) == {"changes": 9, "tasks": None}
    assert written == [1]


def test_what_comes_next():
    """Of each category, with what it would be given."""
    assert answer("next") == [
        {"category": "do", "task": 2, "cores": 1.0, "memory_mb": 64.0, "disk_mb": 10.0, "wall_s": None}]


def test_rows():
    """What runs, waits, is held by its user or held back for its inputs; null for what has ended. Texts are bounded."""
    held_back = {4: Task(4, "do 4", ("in",), ("d",), category="last"), 5: Task(5, "do 5", (), ())}
    rows = answer("rows", held_back, tasks=[1, 2, 3, 4, 5, 6])
    assert rows[0] == [1, "running", "do", "node1", 2, 1050.0, 512.0, "do 1", "a\nb", 1.0]
    assert (rows[1][:7], len(rows[1][7])) == ([2, "waiting", "do", "", 0, 1040.0, None], 600)
    assert (rows[2][1], rows[3][:3], rows[4:]) == ("held", [4, "inputs", "last"], [None, None])


def test_reasons():
    """As `why` has them, for the tasks of one page."""
    (number, why), = answer("reasons", tasks=[1, 2])
    assert (number, why["binding"], why["before"], why["start_at"]) == (2, "full", 2, None)


@pytest.mark.parametrize(("name", "question"), [
    ("rows", {}), ("rows", {"tasks": ["1"]}), ("rows", {"tasks": [1] * (MOST_ROWS + 1)}), ("changed", {}),
    ("reasons", {"tasks": [1] * (MOST_REASONS + 1)})])
def test_questions_that_are_refused(name, question):
    """No answer is about more tasks than its bound."""
    with pytest.raises(BadQuestion):
        answer(name, **question)
