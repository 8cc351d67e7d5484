"""Which tasks have changed: whoever shows a table of tasks looks only at these."""
from __future__ import annotations

from collections import deque
from itertools import islice

MOST = 10_000


class Changes:
    """The last MOST changes, by task, numbered from 1."""

    def __init__(self, most: int = MOST) -> None:
        self._tasks: deque[int] = deque(maxlen=most)
        self.number = 0
        """Of the latest change."""

    def note(self, task_id: int) -> None:
        self.number += 1
        self._tasks.append(task_id)

    def since(self, number: int) -> frozenset[int] | None:
        """The tasks that have changed after change `number`; None: all, since that is too long ago or unknown here."""
        count = self.number - number
        if not 0 <= count <= len(self._tasks):
            return None
        return frozenset(islice(reversed(self._tasks), count))
