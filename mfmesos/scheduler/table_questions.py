"""What the page of a run asks for its table of tasks: it copies their rows once, then those that have changed, so that
the scheduler looks at few tasks at a time.
"""
from __future__ import annotations

import asyncio
from typing import Any, Callable

from mfmesos.control.control_server import BadQuestion, Question
from mfmesos.core.snapshot import TaskView
from mfmesos.engines.engine import Engine
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.scheduler.questions import AT_ONCE, waiting_as_data
from mfmesos.shared.messages import control as m
from mfmesos.shared.phrases import cut
from mfmesos.store.run_record import COMMAND, FILES

MOST_ROWS = 500
"""In one answer: some 5 ms of the loop."""
MOST_REASONS = 50
MOST_CATEGORIES = 100


class TableQuestions:
    """For the loop's thread. `offset_s`: epoch minus the core's clock. `write`: have the record what is known by now;
    returns at once.
    """

    def __init__(self, views: CoreViews, engine: Engine, offset_s: float, write: Callable[[], None]) -> None:
        self._views = views
        self._engine = engine
        self._offset_s = offset_s
        self._write = write

    def answers(self) -> dict[str, Callable[[Question], Any]]:
        return {"numbers": self._numbers, "changed": self._changed, "rows": self._rows, "reasons": self._reasons,
                "next": self._next}

    async def _numbers(self, question: Question) -> list[list[int]]:
        """All tasks that may not have ended, as [[first, last], ...]."""
        known = tuple(self._engine.tasks()) or self._views.known()
        ranges: list[list[int]] = []
        for start in range(0, len(known), AT_ONCE):
            for number in known[start:start + AT_ONCE]:
                if ranges and ranges[-1][1] + 1 == number:
                    ranges[-1][1] = number
                else:
                    ranges.append([number, number])
            await asyncio.sleep(0)
        return ranges

    def _changed(self, question: Question) -> dict[str, Any]:
        """{"since": NUMBER}: the tasks that have changed since, null: ask for all; and the number for the next time.
        Whoever asks looks at the record next.
        """
        number = question.get("since")
        if type(number) is not int:
            raise BadQuestion(m.UNKNOWN_QUESTION())
        self._write()
        found = self._views.changes_since(number)
        return {"changes": found.changes, "tasks": None if found.tasks is None else list(found.tasks)}

    def _rows(self, question: Question) -> list[list[Any] | None]:
        """{"tasks": [NUMBER, ...]}: for each a row (see _row), null for one that has ended or is unknown."""
        return [self._row(number) for number in _some(question, MOST_ROWS)]

    def _row(self, number: int) -> list[Any] | None:
        """Number, state, category, host, attempts, since when, MB of its allocation, command, outputs, cores of its
        allocation.
        """
        view = self._views.task(number)
        if view is None:
            task = self._engine.tasks().get(number)
            if task is None or not self._engine.unmet(number):
                return None
            return [number, "inputs", task.category or "", "", 0, None, None, cut(task.command, COMMAND),
                    cut("\n".join(task.outputs), FILES), None]
        task = view.task
        return [number, _state(view), view.category, view.hostname, view.attempts, view.since + self._offset_s,
                None if view.waits else view.allocation.memory_mb, cut(task.command, COMMAND),
                cut("\n".join(task.outputs), FILES), None if view.waits else view.allocation.cores]

    def _reasons(self, question: Question) -> list[list[Any]]:
        """{"tasks": [NUMBER, ...]}: for each that waits its number and why."""
        found = self._views.why_each_waits(_some(question, MOST_REASONS))
        return [[one.task_id, waiting_as_data(one, self._offset_s)] for one in found]

    def _next(self, question: Question) -> list[dict[str, Any]]:
        """Of each category the first task that waits, and what it would be given now."""
        return [{"category": one.category, "task": one.task_id, "cores": one.need.cores,
                 "memory_mb": one.need.memory_mb, "disk_mb": one.need.disk_mb, "wall_s": one.wall_s}
                for one in self._views.next_tasks(MOST_CATEGORIES)]


def _state(view: TaskView) -> str:
    return "held" if view.held else view.state.value


def _some(question: Question, most: int) -> list[int]:
    numbers = question.get("tasks")
    if not isinstance(numbers, list) or len(numbers) > most or not all(type(number) is int for number in numbers):
        raise BadQuestion(m.UNKNOWN_QUESTION())
    return numbers
