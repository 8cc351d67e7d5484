"""Keeps the page's copy of the live tasks: all of them once, a few thousand at each look, then those that change."""
from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from mfmesos.web.task_table import TaskTable

AT_ONCE = 500
"""Rows of one question."""
MOST = 5_000
"""Rows of one look: the first copy of a large run takes the scheduler a few hundredths of a second each time."""
RELIST_S = 10.0
NEVER = -1
"""Before the first look at a scheduler: its answer is that all tasks may have changed."""
Ask = Callable[..., Any]


class LiveTasks:
    """For one thread. `ask(name, **more)`: the scheduler's answer, None if it is gone."""

    def __init__(self, table: TaskTable, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._table, self._ask, self._clock = table, ask, clock
        self._scheduler: Any = None
        self._changes = NEVER
        self._pending: dict[int, None] = {}
        """Tasks whose rows are to be asked for, in this order."""
        self._seen: set[int] = set()
        """Tasks that were asked for."""
        self._for_inputs: set[int] = set()
        """Those of them that their engine holds back: of these the scheduler notes no changes."""
        self._listed_at = 0.0
        self.version = 0
        """Counts up with each change of the table."""

    @property
    def lacks(self) -> int:
        """Tasks that are not in the table yet."""
        return len(self._pending)

    def look(self, live: Mapping[str, Any] | None) -> None:
        """`live`: the scheduler's status, None while there is none."""
        scheduler = None if live is None else (live["pid"], live["started"])
        if scheduler != self._scheduler:
            self._scheduler, self._changes = scheduler, NEVER
            self._forget()
        if live is None:
            return
        self._note_changes()
        held_back = live["counts"]["for_inputs"]
        if held_back != len(self._for_inputs) and not self._pending and self._clock() - self._listed_at >= RELIST_S:
            self._list()
        self._fetch()

    def _forget(self) -> None:
        self._table.clear()
        self._pending, self._seen, self._for_inputs = {}, set(), set()
        self.version += 1

    def _list(self) -> None:
        """Tasks that are new or held back are to be asked for."""
        self._listed_at = self._clock()
        found = self._ask("numbers")
        if found is not None:
            known = self._seen - self._for_inputs
            numbers = itertools.chain.from_iterable(range(first, last + 1) for first, last in found)
            self._pending.update(dict.fromkeys(self._for_inputs))
            self._pending.update((number, None) for number in numbers if number not in known)

    def _note_changes(self) -> None:
        found = self._ask("changed", since=self._changes)
        if found is None:
            return
        self._changes = found["changes"]
        if found["tasks"] is None:  # too long ago
            self._seen.clear()
            self._list()
        elif found["tasks"]:
            self._pending = {**dict.fromkeys(found["tasks"]), **self._pending}

    def _fetch(self) -> None:
        for _ in range(MOST // AT_ONCE):
            numbers = list(itertools.islice(self._pending, AT_ONCE))
            rows = self._ask("rows", tasks=numbers) if numbers else None
            if rows is None:
                break
            for number in numbers:
                del self._pending[number]
            self._take(numbers, rows)
            self.version += 1

    def _take(self, numbers: Iterable[int], rows: Iterable[Any]) -> None:
        found = dict(zip(numbers, rows))
        self._seen.update(found)
        for number, row in found.items():
            if row is not None and row[1] == "inputs":
                self._for_inputs.add(number)
            else:
                self._for_inputs.discard(number)
        self._table.update(found, self._clock())
