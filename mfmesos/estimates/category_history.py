"""What is remembered of one category, bounded, and the levels that can be read from it.

A level is a first guess of a task's peak, such as "the largest of the last eight" or "the line through the input
sizes plus two standard deviations"; which one serves a category is judged by what each would have wasted.
"""
from __future__ import annotations

import math
from collections import OrderedDict, deque
from heapq import nsmallest
from itertools import islice
from typing import TypeVar

from mfmesos.estimates.line import Fit, Line

K = TypeVar("K")

WINDOW = 128
"""Peaks that are remembered, the newest."""
GROUPS, PER_GROUP = 256, 20
"""Input sizes and places that are remembered apart, the last that came, and the newest peaks of each."""
NEAREST = 64
"""The newest peaks among which the nearest input sizes are looked for."""
PENDING = 8
"""Exhausted attempts that are remembered until their tasks have ended, the newest."""
UNRESOLVED = 1.3
"""An exhausted attempt whose task has not ended yet counts as a peak of this many times its allocation."""

LEVELS: tuple[tuple[str, int], ...] = (
    ("the last peak", 1),
    ("the largest of the last 3", 3),
    ("the largest of the last 8", 8),
    ("the largest of the last 20", 20),
    ("the largest of the last 60", 60),
    ("the largest seen", 1000),
    ("the median of the last 30", 1),
    ("the mean of the last 30 + 3 deviations", 60),
    ("the largest of the last 20 of the same input size", 20),
    ("the largest of the 3 nearest input sizes", 3),
    ("the line through the input sizes", 2),
    ("the line through the input sizes + 2 deviations", 20),
    ("the line through the input sizes + 3 deviations", 60),
    ("the power law of the input sizes + 2 deviations", 20),
    ("the last 8 scaled by input size", 8),
    ("the last 8 scaled by the root of the input size", 8),
    ("the largest of the last 10 in the same place of the workflow", 10),
    ("the 95th percentile of the last 128", 20),
    ("the mean of the last 30 + 1 deviation, of their logarithms", 5),
    ("the mean of the last 30 + 1.5 deviations, of their logarithms", 14),
)
"""Each level's name for the user, and how many exchangeable peaks it is about the largest of: the next one
exceeds the largest of n in one case of n + 1."""
MARGINS = (1.0, 1.02, 1.05, 1.1, 1.25, 1.6)
"""Each level is tried times each of these, in ascending order."""


def size_group(input_mb: float) -> int:
    """Input sizes within about 5 % of each other are the same size."""
    return round(math.log(input_mb) * 20.0) if input_mb > 0 else -10_000


def mean_and_deviation(values: list[float], alone: float) -> tuple[float, float]:
    """Of at least one value; `alone` is the deviation of a single one."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, alone
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


class History:
    """The finished tasks of one category and one resource."""

    def __init__(self, fade: float, least_r2: float) -> None:
        self.samples = 0
        self.largest = 0.0
        self._least_r2 = least_r2
        self._window: deque[tuple[float | None, float]] = deque(maxlen=WINDOW)
        self._sizes: OrderedDict[int, deque[float]] = OrderedDict()
        self._places: OrderedDict[str, deque[float]] = OrderedDict()
        self._line, self._power = Line(fade), Line(fade)
        self._pending: deque[float] = deque(maxlen=PENDING)

    def add(self, peak: float, input_mb: float | None, context: str) -> None:
        """A task that ended, with its true peak."""
        for allocation in self._pending:
            if allocation < peak:
                self._pending.remove(allocation)
                break
        if input_mb is not None:
            self._line.add(input_mb, peak)
            if input_mb > 0:
                self._power.add(math.log(input_mb), math.log(peak))
            self._put(self._sizes, size_group(input_mb), peak)
        if context:
            self._put(self._places, context, peak)
        self._window.append((input_mb, peak))
        self.samples += 1
        self.largest = max(self.largest, peak)

    def add_exhausted(self, allocation: float) -> None:
        """An attempt that was not enough: its task's peak is larger, how much so is known when the task ends."""
        self._pending.append(allocation)

    @staticmethod
    def _put(groups: OrderedDict[K, deque[float]], key: K, peak: float) -> None:
        group = groups.get(key)
        if group is None:
            group = groups[key] = deque(maxlen=PER_GROUP)
            if len(groups) > GROUPS:
                groups.popitem(last=False)
        else:
            groups.move_to_end(key)
        group.append(peak)

    def peaks(self) -> list[float]:
        """The last peaks, oldest first; at the end the peaks expected of unfinished tasks with an exhausted
        attempt."""
        return [p for _, p in self._window] + [a * UNRESOLVED for a in self._pending]

    def beyond(self, allocation: float) -> list[float]:
        """The remembered peaks that an allocation would not have held."""
        return [p for _, p in self._window if p > allocation]

    def fit(self, input_mb: float | None) -> Fit | None:
        """The line at this input size, no lower than half of the smallest peak of the last 20."""
        fit = self._line.at(input_mb, self._least_r2) if input_mb is not None else None
        if fit is None:
            return None
        least = 0.5 * min(p for _, p in islice(reversed(self._window), 20))
        return fit if fit.value >= least else Fit(least, fit.deviation)

    def spread(self) -> float:
        """Standard deviation of the peaks that the line was drawn through, not knowing their input size."""
        return self._line.spread()

    def levels(self, input_mb: float | None, context: str) -> list[float]:
        """One value for each of LEVELS; a level that does not apply takes the value of a plainer one."""
        peaks = self.peaks()
        recent = peaks[-30:]
        mean, deviation = mean_and_deviation(recent, recent[0] / 3)
        log_mean, log_deviation = mean_and_deviation([math.log(p) for p in recent], 1 / 3)
        last8, last20 = max(peaks[-8:]), max(peaks[-20:])
        place = self._places.get(context)
        return [
            peaks[-1], max(peaks[-3:]), last8, last20, max(peaks[-60:]), max(self.largest, peaks[-1]),
            sorted(recent)[len(recent) // 2], mean + 3 * deviation,
            *self._by_size(input_mb, last8, last20),
            *self._by_line(input_mb, last8, mean + 2 * deviation),
            *self._scaled(input_mb, last8),
            max(islice(reversed(place), 10)) if place else last8,
            sorted(peaks)[min(math.ceil(len(peaks) * 0.95), len(peaks) - 1)],
            math.exp(log_mean + log_deviation), math.exp(log_mean + 1.5 * log_deviation),
        ]

    def _by_size(self, input_mb: float | None, last8: float, last20: float) -> list[float]:
        if input_mb is None:
            return [last20, last8]
        group = self._sizes.get(size_group(input_mb))
        near = nsmallest(3, (
            (abs(x - input_mb), i, p)
            for i, (x, p) in enumerate(islice(reversed(self._window), NEAREST)) if x is not None))
        return [max(group) if group else last20, max((p for _, _, p in near), default=last8)]

    def _by_line(self, input_mb: float | None, last8: float, wide: float) -> list[float]:
        line = self.fit(input_mb)
        values = [last8, wide, wide] if line is None else [line.value + n * line.deviation for n in (0, 2, 3)]
        power = self._power.at(math.log(input_mb), self._least_r2) if input_mb else None
        if power is None:
            return [*values, values[1]]
        return [*values, math.exp(min(power.value + 2 * power.deviation, math.log(self.largest * 20.0)))]

    def _scaled(self, input_mb: float | None, last8: float) -> list[float]:
        """The last peaks, scaled to this input size, for too few samples for a line: other categories show which
        scaling serves."""
        last = [(input_mb / x, p) for x, p in islice(reversed(self._window), 8) if x] if input_mb else []
        if not last:
            return [last8, last8]
        return [min(max(p * q for q, p in last), self.largest * 20.0), max(p * math.sqrt(q) for q, p in last)]
