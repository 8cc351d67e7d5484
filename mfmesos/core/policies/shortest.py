"""Tasks of the category with the shortest run times start first.

The run time of a category is the mean of its last two attempts that finished, as in Tsafrir et al. (2007). A category
of which none has finished comes first, so that its run time becomes known.
"""
from __future__ import annotations

from collections.abc import Collection

from mfmesos.core.policies.fifo import Fifo
from mfmesos.core.records import TaskRecord

NOTICED = 0.1
"""A category moves when its run time has changed by this part: each move costs as much as it has shapes."""


class Shortest(Fifo):
    by_arrival = False
    starves = True

    def __init__(self) -> None:
        self._last_s: dict[str, float] = {}
        self._rank: dict[str, float] = {}
        self._moved: dict[str, None] = {}

    def group(self, record: TaskRecord) -> str:
        return record.kind.category

    def rank(self, group: str) -> float:
        return self._rank.get(group, 0.0)

    def finished(self, group: str, lasted_s: float) -> None:
        usual_s = (self._last_s.get(group, lasted_s) + lasted_s) / 2
        self._last_s[group] = lasted_s
        if abs(usual_s - self.rank(group)) > NOTICED * self.rank(group):
            self._rank[group] = usual_s
            self._moved[group] = None

    def take_moved(self) -> Collection[str]:
        moved, self._moved = self._moved, {}
        return moved
