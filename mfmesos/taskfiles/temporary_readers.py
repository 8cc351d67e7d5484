"""Temporary outputs of a task file: who makes each, and how many of its readers have not ended. Pure."""
from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from mfmesos.core.model import Task


class TemporaryReaders:
    """`add` every task once, then `ended` for each."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self.makers: dict[str, Task] = {}
        """By temporary output."""
        self.complete = True
        """Whether no reader will come later; before, no output counts as unneeded."""
        self._left: Counter[str] = Counter()
        self._made: dict[str, None] = {}
        for task in tasks:
            self.add(task)

    def add(self, task: Task) -> None:
        self.makers.update(dict.fromkeys(task.temporary, task))
        for name in task.inputs:
            self._left[name] += 1

    def ended(self, task: Task, finished: bool) -> None:
        """It has finished, or will never run (again)."""
        if finished:
            self._made.update(dict.fromkeys(task.temporary))
        for name in task.inputs:
            self._left[name] -= 1

    def again(self, task: Task) -> None:
        """It has ended without finishing, and runs again."""
        for name in task.inputs:
            self._left[name] += 1

    def take_unneeded(self) -> tuple[str, ...]:
        """Those that were made and whose last reader has ended, each once."""
        if not self.complete or not self._made:
            return ()
        found = tuple(name for name in self._made if self._left[name] <= 0)
        for name in found:
            del self._made[name]
        return found

    def needed_makers(self, readers: Iterable[Task], done: Container[int]) -> list[Task]:
        """The tasks in `done` whose temporary outputs these tasks read, and the makers of what those read."""
        found: dict[int, Task] = {}
        waiting = [name for task in readers for name in task.inputs]
        while waiting:
            maker = self.makers.get(waiting.pop())
            if maker is not None and maker.id in done and maker.id not in found:
                found[maker.id] = maker
                waiting += maker.inputs
        return list(reversed(found.values()))
