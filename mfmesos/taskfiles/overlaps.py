"""Nested outputs of different tasks, reported when the tasks become known.

Whether `res` is a folder is known only after its task has run. Beside `res/b` it must be one, and both are then merged.
If the command shows that `res` is a file, the two exclude each other.
"""
from __future__ import annotations

import re

from mfmesos.core.model import Task
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.values import value
from mfmesos.taskfiles.plan_graph import folders_above

SHOWN = 20
"""Possible overlaps are reported up to this number."""


@value(frozen=True)
class Overlap:
    """`inner` lies in `outer`; different tasks make them."""

    outer: str
    outer_task: Task
    inner: str
    inner_task: Task

    @property
    def impossible(self) -> bool:
        """Whether `outer` is surely a file."""
        return writes_file(self.outer_task.command, self.outer)

    def __str__(self) -> str:
        first, second = printable(self.outer), printable(self.inner)
        if self.impossible:
            return m.MADE_AS_FILE(task=self.inner_task.id, name=second, other=self.outer_task.id, outer=first)
        return m.MADE_INSIDE(task=self.outer_task.id, name=first, other=self.inner_task.id, inner=second)


class Overlaps:
    """Accepts tasks in any order. Time and memory are linear in the names and their depth."""

    def __init__(self) -> None:
        self._makers: dict[str, Task] = {}
        self._below: dict[str, tuple[str, Task]] = {}
        """Folder -> the first output in it."""
        self._seen: set[str] = set()

    def add(self, task: Task) -> list[Overlap]:
        """The overlaps with outputs of earlier tasks; of the possible ones one per folder, up to SHOWN."""
        found = []
        for name in task.outputs:
            inside = self._below.get(name)
            if inside is not None and inside[1].id != task.id:
                found.append(Overlap(name, task, *inside))
            for folder in folders_above(name):
                if folder == ".":
                    continue
                maker = self._makers.get(folder)
                if maker is not None and maker.id != task.id:
                    found.append(Overlap(folder, maker, name, task))
        for name in task.outputs:
            self._makers[name] = task
            for folder in folders_above(name):
                self._below.setdefault(folder, (name, task))
        return [one for one in found if one.impossible or self._is_new(one)]

    def _is_new(self, one: Overlap) -> bool:
        if one.outer in self._seen or len(self._seen) >= SHOWN:
            return False
        self._seen.add(one.outer)
        return True


def writes_file(command: str, name: str) -> bool:
    """Whether a command surely makes `name` as a file: by a redirection, touch or tee."""
    if name not in command:
        return False
    before = r"(?:>>?\|?|(?<![\w./-])(?:touch|tee)(?:\s+-\w+)*)\s*"
    return re.search(rf"{before}(['\"]?)(?:\./)*{re.escape(name)}\1(?![\w./*?~+-])", command) is not None
