"""Tasks start in the order in which they were submitted."""
from __future__ import annotations

from collections.abc import Collection

from mfmesos.core.records import TaskRecord


class Fifo:
    by_arrival = True
    starves = False

    def group(self, record: TaskRecord) -> str:
        return ""

    def key(self, record: TaskRecord) -> float:
        return 0.0

    def rank(self, group: str) -> float:
        return 0.0

    def started(self, group: str, cores: float, now: float) -> None:
        """All tasks are of one group."""

    def used(self, group: str, cores: float, lasted_s: float, now: float) -> None:
        """All tasks are of one group."""

    def finished(self, group: str, lasted_s: float) -> None:
        """Run times do not matter."""

    def take_moved(self) -> Collection[str]:
        return ()
