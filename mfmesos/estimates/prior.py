"""What is expected of a candidate before it has been judged: a plain model of how peaks are spread."""
from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from mfmesos.estimates.category_history import LEVELS, History, mean_and_deviation

UNKNOWN_SPREAD = 0.3
LEAST = 1e-6
"""No peak and no allocation counts as less: what is compared in ratios is not to be zero."""
LEAST_SPREAD = 0.02
SURE = 9.0
"""A line counts when its slope is three of its errors or more (the square of that)."""
ABOVE = 0.6
"""How much of the share of recent peaks beyond an allocation is taken for risk before anything is known better."""
LATEST, ABOVE_LATEST = 2, 0.8
"""The same of the last two peaks alone: tasks resemble those just before them, so a jump upwards may well stay."""
_SPREADS = (0.01, 0.06, 0.25)


@dataclass(frozen=True)
class Prior:
    """A model of the next peak: its middle, and how fast the risk of a larger one falls.

    With a line through the input sizes that explains something, the next peak lies about the line; else it lies
    where the last ones did, and exceeds the largest of n of them in one case of n + 1, the excess being smaller the
    less they were spread (logarithms, so that a heavy tail stays one).
    """

    middle: float
    deviation: float
    spread: float
    samples: int
    recent: list[float]
    latest: list[float]
    stands: tuple[int, int]
    """Categories with as many samples and as wide a spread learn from each other; this is the key."""

    @classmethod
    def of(cls, history: History, input_mb: float | None) -> Prior:
        n = history.samples
        recent = history.peaks()[-30:]
        middle = math.fsum(recent) / len(recent)
        deviation, spread, stands = 0.0, UNKNOWN_SPREAD, (1, 0)
        if n > 1:
            _, sd = mean_and_deviation([math.log(p) for p in recent[-8:]], 0.0)
            spread = max(sd * (1.0 + 1.0 / n), LEAST_SPREAD + UNKNOWN_SPREAD / n / n)
            stands = (min(n.bit_length(), 5), sum(sd >= s for s in _SPREADS))
        line = history.fit(input_mb) if n > 3 else None
        if line is not None:
            sd = max(line.deviation, LEAST_SPREAD * line.value, 1e-9)
            if sd * sd * (1.0 + SURE / n) < history.spread() ** 2:
                middle, deviation = max(line.value, LEAST), sd
        return cls(middle, deviation, spread, n, sorted(recent), sorted(recent[-LATEST:]), stands)

    def risk(self, level: int, margin: float, allocation: float) -> float:
        """The chance that the next peak exceeds an allocation of the level's value times the margin."""
        if self.deviation:
            tail = 1.7 - 2.5 / max(self.samples, 3)
            z = tail * (allocation - self.middle) / self.deviation
            rest = 0.1 / (self.samples + 1) * max(self.middle / allocation, 0.2)
            return 1.0 / (1.0 + math.exp(min(max(z, -50.0), 50.0))) + rest
        n = min(LEVELS[level][1], self.samples)
        steepness = math.sqrt(2.0 * math.log(n + 1.0)) / self.spread
        return max(
            math.exp(-steepness * math.log(margin)) / (n + 1.0),
            ABOVE * _share_above(self.recent, allocation), ABOVE_LATEST * _share_above(self.latest, allocation))


def _share_above(ordered: list[float], allocation: float) -> float:
    """Of at least one peak in ascending order: the share that does not lie below the allocation."""
    return 1.0 - bisect_left(ordered, allocation) / len(ordered)
