"""Tasks start in the order in which they were submitted."""
from __future__ import annotations

from collections.abc import Collection

from mfmesos.core.records import TaskRecord


class Fifo:
    by_arrival = True

    def group(self, record: TaskRecord) -> str:
        return ""

    def key(self, record: TaskRecord) -> float:
        return 0.0

    def rank(self, group: str) -> float:
        return 0.0

    def used(self, group: str, core_s: float) -> None:
        """All tasks are of one group."""

    def take_moved(self) -> Collection[str]:
        return ()
