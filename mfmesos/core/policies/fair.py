"""Groups of tasks share the cores: the group that has used least of late comes first.

What a group has used are core-seconds, those of its running attempts included, halved every HALF_LIFE_S. Decay does not
change the order of two groups: so a rank is kept as of time 0, and only groups whose tasks start or end are looked at.
A rank may be too low meanwhile, since running attempts continue to use cores. It is corrected as soon as a task of the
group starts: at most one task starts too early.
"""
from __future__ import annotations

import math
import sys
from collections.abc import Collection
from dataclasses import dataclass

from mfmesos.core.policies.fifo import Fifo
from mfmesos.core.records import TaskRecord

HALF_LIFE_S = 3600.0
RATE = math.log(2) / HALF_LIFE_S
NOTHING = -sys.float_info.max
"""The rank of a group that has used nothing."""
NOTICED = 0.001
"""A group moves when its use has changed by about this part: each move costs as much as the group has shapes."""
FIRST_GUESS_S = 1.0
"""Run time of an attempt while none has ended."""


@dataclass
class Use:
    core_s: float = 0.0
    """Decayed, at `at`."""
    cores: float = 0.0
    """Of running attempts."""
    running: int = 0
    at: float = 0.0
    rank: float = NOTHING

    def pass_time(self, now: float) -> None:
        """Decay what was used, and add what running attempts used meanwhile."""
        left = math.exp(-RATE * (now - self.at))
        self.core_s = self.core_s * left + self.cores * (1 - left) / RATE
        self.at = now


class Fair(Fifo):
    by_arrival = False

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}
        self._moved: dict[str, None] = {}
        self._usual_s = FIRST_GUESS_S

    def group(self, record: TaskRecord) -> str:
        return record.task.group or record.kind.category

    def rank(self, group: str) -> float:
        use = self._uses.get(group)
        return NOTHING if use is None else use.rank

    def started(self, group: str, cores: float, now: float) -> None:
        """It counts at once with about half of what it will probably use: otherwise all free cores would go to one
        group.
        """
        use = self._uses.setdefault(group, Use(at=now))
        use.pass_time(now)
        use.cores += cores
        use.running += 1
        self._look(group, use)

    def used(self, group: str, cores: float, lasted_s: float, now: float) -> None:
        use = self._uses.setdefault(group, Use(at=now))
        use.pass_time(now)
        use.running = max(use.running - 1, 0)
        use.cores = max(use.cores - cores, 0.0) if use.running else 0.0
        self._look(group, use)

    def finished(self, group: str, lasted_s: float) -> None:
        self._usual_s += (lasted_s - self._usual_s) / 16

    def _look(self, group: str, use: Use) -> None:
        counted = use.core_s + use.cores * self._usual_s / 2
        rank = math.log(counted) + RATE * use.at if counted > 0 else NOTHING
        if abs(rank - use.rank) > NOTICED:
            use.rank = rank
            self._moved[group] = None

    def take_moved(self) -> Collection[str]:
        moved, self._moved = self._moved, {}
        return moved
