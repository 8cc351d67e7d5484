"""What is expected of a candidate before it has been judged: a plain model of how peaks are spread.

The model gives the middle of the next peak, and the risk that the next peak exceeds an allocation a of a level's value
times a margin m. Its three cases, by what is known:

- **A line through the input sizes explains something.** The peak lies about the line, with the standard deviation of a
  new point (line.py):

      risk = 1 / (1 + exp(tail (a - middle) / deviation)) + wrong max(middle / a, 0.2)

  With tail = 1.7 the logistic function is the normal distribution within 0.01 (Haley 1952); with n samples it is
  1.7 - 2.5 / n, since few samples have heavier tails (Student). `wrong` is the risk that the line itself is wrong:
  0.1 in n + 1, and less for larger allocations.

- **None does.** The peak exceeds the largest of n exchangeable ones in one case of n + 1. Logarithms of peaks are taken
  for normal with the deviation `spread`, so that a heavy tail stays one; the excess over the largest of n of them then
  is about exponential with the rate sqrt(2 ln n) / spread (extreme value theory: Leadbetter, Lindgren and Rootzen,
  "Extremes and Related Properties of Random Sequences and Processes", 1983):

      risk = m ** -(sqrt(2 ln (n + 1)) / spread) / (n + 1)

  and no less than ABOVE times the share of recent peaks beyond a, or ABOVE_LATEST times that of the last two.

- **One sample only.** As before, with the spread UNKNOWN_SPREAD.
"""
from __future__ import annotations

import math
from bisect import bisect_left

from mfmesos.estimates.category_history import LEVELS, History, mean_and_deviation
from mfmesos.shared.values import value

UNKNOWN_SPREAD = 0.3
"""Of the logarithms of peaks, while one peak is known."""
LEAST = 1e-6
"""No peak and no allocation counts as less: what is compared in ratios is not to be zero."""
LEAST_SPREAD = 0.02
"""Of the logarithms of peaks: equal peaks so far may be chance."""
RECENT, LATEST, FOR_SPREAD = 30, 2, 8
"""The last peaks that the middle and the shares beyond, the latest share, and the spread are taken from."""
SURE = 9.0
"""A line counts when its slope is three of its errors or more (the square of that)."""
ABOVE = 0.6
"""How much of the share of recent peaks beyond an allocation is taken for risk before anything is known better."""
ABOVE_LATEST = 0.8
"""The same of the last two peaks alone: tasks resemble those just before them, so a jump upwards may well stay."""
_SPREADS = (0.01, 0.06, 0.25)
"""Categories are alike that lie between the same two of these..."""
_SAMPLES = 5
"""...and have the same number of binary digits of samples, up to this many."""


@value(frozen=True)
class Prior:
    """The model of a category's next peak, of given input size."""

    middle: float
    """The expected peak: the line's value, or the mean of the recent peaks; in the resource's unit."""
    deviation: float
    """About the line, in the resource's unit; 0 without a line."""
    spread: float
    """Standard deviation of the logarithms of the last peaks, widened while there are few."""
    samples: int
    recent: list[float]
    """In ascending order, as `latest`."""
    latest: list[float]
    tail: float
    """About the line: how fast the risk falls, per deviation."""
    wrong: float
    """The risk that the line itself is wrong."""
    stands: tuple[int, int]
    """Categories with as many samples and as wide a spread learn from each other; this is the key."""

    @classmethod
    def of(cls, history: History, input_mb: float | None) -> Prior:
        n = history.samples
        recent = history.peaks()[-RECENT:]
        middle = math.fsum(recent) / len(recent)
        deviation, spread, stands = 0.0, UNKNOWN_SPREAD, (1, 0)
        if n > 1:
            _, sd = mean_and_deviation([math.log(p) for p in recent[-FOR_SPREAD:]], 0.0)
            spread = max(sd * (1.0 + 1.0 / n), LEAST_SPREAD + UNKNOWN_SPREAD / n / n)
            stands = (min(n.bit_length(), _SAMPLES), sum(sd >= s for s in _SPREADS))
        line = history.fit(input_mb) if n > 3 else None
        if line is not None:
            sd = max(line.deviation, LEAST_SPREAD * line.value, 1e-9)
            if sd * sd * (1.0 + SURE / n) < history.spread() ** 2:
                middle, deviation = max(line.value, LEAST), sd
        return cls(middle, deviation, spread, n, sorted(recent), sorted(recent[-LATEST:]), 1.7 - 2.5 / max(n, 3),
                   0.1 / (n + 1), stands)

    def risk(self, level: int, margin: float, allocation: float) -> float:
        """The probability that the next peak exceeds an allocation of the level's value times the margin."""
        if self.deviation:
            z = self.tail * (allocation - self.middle) / self.deviation
            return 1.0 / (1.0 + math.exp(min(max(z, -50.0), 50.0))) + self.wrong * max(self.middle / allocation, 0.2)
        n = min(LEVELS[level][1], self.samples)
        rate = math.sqrt(2.0 * math.log(n + 1.0)) / self.spread
        # The shares of peaks that do not lie below the allocation.
        above = 1.0 - bisect_left(self.recent, allocation) / len(self.recent)
        above_latest = 1.0 - bisect_left(self.latest, allocation) / len(self.latest)
        return max(math.exp(-rate * math.log(margin)) / (n + 1.0), ABOVE * above, ABOVE_LATEST * above_latest)
