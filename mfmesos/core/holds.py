"""Claims that are held for tasks, each until its task has started or until its deadline.

All holds are in one order, that of their tasks, and only the first gathers room: so no two of them wait for each other.
"""
from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from mfmesos.core.records import PlannedStart


class Holds:
    """At most one per task."""

    def __init__(self) -> None:
        self._holds: list[PlannedStart] = []
        self.tried_at = -1e9
        """When the last one was made, or could not be made."""
        self.corrected_at = -1e9
        """When the time of the first one was last looked at."""
        self.aged: int | None = None
        """The task that has waited too long because others preceded it, the oldest one."""
        self.looked_at = -1e9

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[PlannedStart]:
        """In their order."""
        return iter(tuple(self._holds))

    @property
    def first(self) -> PlannedStart | None:
        """The one that gathers."""
        return self._holds[0] if self._holds else None

    def add(self, hold: PlannedStart) -> None:
        self._holds = [one for one in self._holds if one.task_id != hold.task_id]
        insort(self._holds, hold)

    def remove(self, hold: PlannedStart) -> None:
        self._holds.remove(hold)
