"""Well-known allocation policies, to compare the estimator with (replay.Policy). Each keeps its whole history."""
from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mfmesos.estimates.replay import Policy, Row

MB = 250.0
"""Width of the buckets of cctools' first allocations."""
REFRESH = 25


class _Double:
    """Retries double, whatever was declared."""

    def retry(self, row: Row, allocation: float) -> float:
        return allocation * 2.0


class _DeclaredOrDouble:
    """A retry gets what was declared; beyond that it doubles."""

    def retry(self, row: Row, allocation: float) -> float:
        return row.declared_mb if allocation < row.declared_mb else allocation * 2.0


class Declared(_DeclaredOrDouble):
    """What the user declared."""

    def first(self, row: Row) -> float:
        return row.declared_mb

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        """Learns nothing."""


class MaxSeen(_DeclaredOrDouble):
    """The largest peak of the category so far, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor
        self._largest: dict[str, float] = {}

    def first(self, row: Row) -> float:
        largest = self._largest.get(row.category)
        return row.declared_mb if largest is None else min(row.declared_mb, largest * self._factor)

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        self._largest[row.category] = max(row.peak_mb, self._largest.get(row.category, 0.0))


class Percentile(_Double):
    """A percentile of the category's peaks, between the two nearest in proportion."""

    def __init__(self, share: float = 0.95) -> None:
        self._share = share
        self._peaks: defaultdict[str, list[float]] = defaultdict(list)

    def first(self, row: Row) -> float:
        peaks = self._peaks[row.category]
        if not peaks:
            return row.declared_mb
        at = self._share * (len(peaks) - 1)
        low, high = peaks[math.floor(at)], peaks[math.ceil(at)]
        return min(row.declared_mb, low + (high - low) * (at - math.floor(at)))

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        insort(self._peaks[row.category], row.peak_mb)


@dataclass
class _Pairs:
    """Running moments of (input size, peak), for a line; and what the line does not need."""

    tasks: int = 0
    largest: float = 0.0
    pairs: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.pairs += 1
        off_x, off_y = x - self.mean_x, y - self.mean_y
        self.mean_x += off_x / self.pairs
        self.mean_y += off_y / self.pairs
        self.xx += off_x * (x - self.mean_x)
        self.yy += off_y * (y - self.mean_y)
        self.xy += off_x * (y - self.mean_y)

    def line(self, x: float) -> tuple[float, float] | None:
        """Value and residual deviation at x; None where input size explains too little (correlation up to 0.3)."""
        if self.xx <= 0 or self.yy <= 0 or self.xy / math.sqrt(self.xx * self.yy) <= 0.3:
            return None
        slope = self.xy / self.xx
        rest = max(self.yy - slope * self.xy, 0.0)
        return self.mean_y + slope * (x - self.mean_x), math.sqrt(rest / self.pairs)


class PonderLike(_DeclaredOrDouble):
    """After five samples: a line through the input sizes plus max(128 MB, two deviations), or the largest peak plus
    128 MB. Source: the idea of Ponder (Lehmann et al. 2024), simplified."""

    def __init__(self) -> None:
        self._known: defaultdict[str, _Pairs] = defaultdict(_Pairs)

    def first(self, row: Row) -> float:
        known = self._known[row.category]
        if known.tasks < 5:
            return row.declared_mb
        line = known.line(row.input_mb) if row.input_mb is not None and known.pairs == known.tasks else None
        if line is None:
            return min(row.declared_mb, known.largest + 128.0)
        return max(1.0, min(row.declared_mb, line[0] + max(128.0, 2.0 * line[1])))

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        known = self._known[row.category]
        known.tasks += 1
        known.largest = max(known.largest, row.peak_mb)
        if row.input_mb is not None:
            known.add(row.input_mb, row.peak_mb)


@dataclass
class _Buckets:
    """Tasks and seconds per bucket of peaks, and the allocation chosen at the last refresh."""

    tasks: int = 0
    counts: defaultdict[float, int] = field(default_factory=lambda: defaultdict(int))
    seconds: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))
    chosen_at: int = 0
    chosen: float = 0.0


class Tovar(_DeclaredOrDouble):
    """First allocations of cctools: buckets of 250 MB, chosen again every 25 completions; declared until then.

    Source: Tovar et al., "A Job Sizing Strategy for High-Throughput Scientific Workflows", IEEE TPDS 2018.
    """

    def __init__(self, *, throughput: bool = False) -> None:
        """Least waste, or most tasks per time and memory."""
        self._throughput = throughput
        self._known: defaultdict[str, _Buckets] = defaultdict(_Buckets)

    def first(self, row: Row) -> float:
        known = self._known[row.category]
        turn = known.tasks // REFRESH
        if not turn:
            return row.declared_mb
        if known.chosen_at != turn:
            known.chosen_at, known.chosen = turn, self._choose(known, row.declared_mb)
        return known.chosen

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        known = self._known[row.category]
        bucket = max(1, math.ceil(row.peak_mb / MB)) * MB
        known.tasks += 1
        known.counts[bucket] += 1
        known.seconds[bucket] += row.seconds

    def _choose(self, known: _Buckets, declared: float) -> float:
        mean = sum(known.seconds.values()) / known.tasks

        def score(allocation: float) -> float:
            beyond = sum(s for b, s in known.seconds.items() if b > allocation) / known.tasks
            if not self._throughput:
                return allocation * mean + declared * beyond
            held = sum(n for b, n in known.counts.items() if b <= allocation)
            return -((declared / allocation) * held + (known.tasks - held)) / (mean + beyond)

        return min([*sorted(b for b in known.counts if b < declared), declared], key=score)


def all_baselines() -> list[tuple[str, Policy]]:
    """Every baseline, fresh, with its name."""
    return [
        ("declared", Declared()),
        ("max seen", MaxSeen()),
        ("max seen x 1.1", MaxSeen(1.1)),
        ("95th percentile", Percentile()),
        ("Tovar, min waste", Tovar()),
        ("Tovar, throughput", Tovar(throughput=True)),
        ("Ponder-like", PonderLike()),
    ]
