"""What one exact command used before, and how well that foretells what it uses next.

The same command on inputs of the same size most often uses the same again, whatever the other commands of its category
do. How far that holds is recorded apart from the levels of the category, which many commands share.

A command that used `own` before may be given own x m, for one of MARGINS. The choice is that of choice.py in
shares of use: the margin of least cost (`Record.best`), and the command's own peaks rather than the category's
candidate where they cost less (`believed`):

    cost[m]  = w[m] + price r[m]
    w[m], r[m] = mean waste and failures of m, as recorded for this category, for all of them, and as expected before
    category = belief x cost of its allocation if the command uses `own` again + (1 - belief) x its expected cost
    belief   = 1 - 2 (w + r), at least 0: how far commands repeat themselves
"""
from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import NamedTuple

from mfmesos.core.records import Known
from mfmesos.estimates.category_history import size_group

MARGINS = (1.02, 1.05, 1.1, 1.25, 1.6)
_EXPECTED_FAILURES = (0.2, 0.1, 0.04, 0.015, 0.005)
"""Of each margin, per task, before anything is known."""
_PRIOR = 3.0
"""What is expected before anything is known counts like this many tasks of the category."""
_POOLED = 4.0
"""The tasks of all categories count like this many of the category, or as many as they are."""
_FADE = 0.985
"""Per task: at most 67 tasks count."""
_LOST = 1.0
"""What an attempt that was not enough has wasted, as a share of what its task uses."""
LAST = 3
"""Of a command's peaks; the largest of them counts."""
MOST_COMMANDS = 100_000
MEMORY_STEP, DISK_STEP = 1.05, 1.1
"""Known peaks are rounded up to powers of these, so that shapes stay fewer than tasks."""


class Repeat(NamedTuple):
    """A margin over a command's own last peaks, and what is expected of it."""

    margin: float
    waste: float
    """As a share of use."""
    retries: float
    """Per task."""


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

    def best(self, pool: Record, price: float) -> Repeat:
        """The margin of least expected cost; `pool` is the record of all categories, `price` that of a retry in uses of
        a task."""
        pooled = min(_POOLED, pool.tasks)
        n, of_pool = self.tasks + pooled + _PRIOR, pooled / pool.tasks if pooled else 0.0
        found = []
        for i, (margin, prior) in enumerate(zip(MARGINS, _EXPECTED_FAILURES)):
            risk = (self.failures[i] + of_pool * pool.failures[i] + _PRIOR * prior) / n
            waste = (self.waste[i] + of_pool * pool.waste[i] + _PRIOR * (margin - 1.0 + prior * _LOST)) / n
            found.append((waste + price * risk, Repeat(margin, waste, risk)))
        return min(found)[1]


def believed(own: float, allocation: float, error: float, cost: float, price: float) -> float:
    """What the category's `allocation` costs a task whose command used `own`, in uses of the task.

    As far as commands err little (`error`: the waste and retries of their own peaks), that they use `own` again says
    more than `cost`, which the allocation has had on average.
    """
    belief = max(1.0 - 2.0 * error, 0.0)
    here = _LOST + price if allocation < own else max(allocation / own - 1.0, 0.0)
    return belief * here + (1.0 - belief) * cost


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
