"""What one exact command used before, and how well that foretells what it uses next.

The same command on inputs of the same size most often uses the same again, whatever the others of its category do. How
far that holds is recorded apart from the levels of the category, which many commands share.
"""
from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import NamedTuple

from mfmesos.estimates.category_history import size_group

MARGINS = (1.02, 1.05, 1.1, 1.25, 1.6)
_EXPECTED_FAILURES = (0.2, 0.1, 0.04, 0.015, 0.005)
"""Before anything is known."""
_PRIOR, _POOLED = 3.0, 4.0
"""In tasks of the category's own."""
_FADE = 0.985
_LOST = 1.0
"""What an attempt that was not enough has wasted, as a share of what its task uses."""
LAST = 3
"""Of a command's peaks; the largest of them counts."""
MOST_COMMANDS = 100_000
MEMORY_STEP, DISK_STEP = 1.05, 1.1
"""What is known is rounded up to these, so that there are not as many shapes as tasks."""


class Record:
    """For each of MARGINS, how often a command's own peak times the margin was too little, and what it wasted."""

    def __init__(self) -> None:
        self.tasks = 0.0
        self.failures = [0.0] * len(MARGINS)
        self.waste = [0.0] * len(MARGINS)

    def add(self, own: float, peak: float) -> None:
        """A task ended whose command had used `own` before."""
        self.tasks = self.tasks * _FADE + 1.0
        for i, margin in enumerate(MARGINS):
            over = own * margin / peak - 1.0
            self.failures[i] = self.failures[i] * _FADE + (over < 0.0)
            self.waste[i] = self.waste[i] * _FADE + (over if over >= 0.0 else _LOST)

    def best(self, pool: Record, price: float) -> tuple[float, float, float]:
        """The margin that is expected to cost least, with its waste (share of use) and its retries; `price` is that of
        a retry in waste of a task."""
        pooled = min(_POOLED, pool.tasks)
        total, share = self.tasks + pooled + _PRIOR, pooled / pool.tasks if pooled else 0.0
        found = []
        for i, (margin, prior) in enumerate(zip(MARGINS, _EXPECTED_FAILURES)):
            risk = (self.failures[i] + share * pool.failures[i] + _PRIOR * prior) / total
            waste = (self.waste[i] + share * pool.waste[i] + _PRIOR * (margin - 1.0 + prior * _LOST)) / total
            found.append((waste + price * risk, margin, waste, risk))
        return min(found)[1:]


def believed(own: float, allocation: float, error: float, cost: float, price: float) -> float:
    """What the category's `allocation` will cost a task whose command used `own`. As far as commands err little that
    says more than `cost`, which it has had on average."""
    belief = max(1.0 - 2.0 * error, 0.0)
    here = _LOST + price if allocation < own else max(allocation / own - 1.0, 0.0)
    return belief * here + (1.0 - belief) * cost


class Known(NamedTuple):
    """What a command used before at most, in MB; 0 where that is not known."""

    memory_mb: float = 0.0
    disk_mb: float = 0.0


class Commands:
    """The last peaks of each exact command, by its digest and the size of its inputs."""

    def __init__(self, most: int = MOST_COMMANDS) -> None:
        self._most = most
        self._peaks: OrderedDict[tuple[str, int], deque[tuple[float, float]]] = OrderedDict()

    def of(self, digest: str, input_mb: float | None) -> Known:
        """The largest of its last peaks, a little rounded up."""
        peaks = self._peaks.get((digest, size_group(input_mb or 0.0)))
        if not peaks:
            return Known()
        return Known(_up(max(m for m, _ in peaks), MEMORY_STEP), _up(max(d for _, d in peaks), DISK_STEP))

    def add(self, digest: str, input_mb: float | None, memory_mb: float | None, disk_mb: float | None) -> None:
        """It ended by itself."""
        if not digest:
            return
        key = digest, size_group(input_mb or 0.0)
        self._peaks.setdefault(key, deque(maxlen=LAST)).append((memory_mb or 0.0, disk_mb or 0.0))
        self._peaks.move_to_end(key)
        if len(self._peaks) > self._most:
            self._peaks.popitem(last=False)


def _up(value: float, step: float) -> float:
    return step ** math.ceil(math.log(value, step) - 1e-9) if value > 0.0 else 0.0
