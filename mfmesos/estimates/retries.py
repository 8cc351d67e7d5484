"""Retries: their price, which keeps them within the budget, and what an attempt gets after one that exhausted its
allocation."""
from __future__ import annotations

import math
from collections.abc import Sequence

from mfmesos.estimates.scores import Scores
from mfmesos.estimates.tuning import Tuning

_USE_FADE = 0.995
"""Of the average use of a task: the last 200 tasks."""
MARGIN = 1.02
"""Over peaks that are known well, and over an allocation that was too little."""
_KNOWN_WELL = 3
"""Peaks beyond an allocation, from which on the largest of them is known well."""
_OUTGROWN_MARGIN = 1.1
"""Over the largest known peak, where the declared amount was exhausted."""


class Budget:
    """Counts tasks and retries of all categories of one resource, faded, and derives the price of a retry.

        price = clip(first_price ((retried + grace) / (retry_budget ended + grace)) ** steepness, *prices)

    The price is the multiplier of the constraint "at most `retry_budget` retries per task" in the cost that
    choice.py minimizes (Lagrange): no theory gives its value beforehand, so feedback moves it. It rises steeply
    while there are more retries than allowed, and falls while there are fewer. Its unit is the use of an average task
    (its peak times its run time): at price 4 a retry is worth avoiding at the cost of four tasks' use.
    """

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._ended = 0.0
        self._retried = 0.0
        self._use = Scores(0, _USE_FADE)

    def task_ended(self, use: float) -> None:
        """A task ended that used `use`, in the resource's unit times seconds."""
        fade = self._tuning.budget_fade
        self._ended = self._ended * fade + 1.0
        self._retried *= fade
        self._use.add((), (), use)

    def retried(self) -> None:
        """An attempt exhausted its allocation, so that its task is tried again."""
        self._retried += 1.0

    def average_use(self) -> float:
        """What an average task of any category uses, in the resource's unit times seconds; 1 before the first."""
        return self._use.used / self._use.tasks if self._use.tasks else 1.0

    def price(self) -> float:
        """Of one retry, in uses of an average task."""
        tuning = self._tuning
        allowed = tuning.retry_budget * self._ended
        excess = (self._retried + tuning.grace) / (allowed + tuning.grace)
        return min(max(tuning.first_price * math.pow(excess, tuning.steepness), tuning.prices[0]), tuning.prices[1])


def next_allocation(
    exhausted: float, beyond: Sequence[float], spread: float, declared: float | None, largest: float | None,
) -> float:
    """What a task gets after an attempt that exhausted `exhausted`; always more, up to the `largest` agent.

    - Peaks `beyond` the exhausted allocation are known, and less than the declared amount was exhausted: the largest
      of them, with MARGIN where _KNOWN_WELL or more are known, else with 1 + 2 `spread` (the deviation of the
      logarithms of peaks); no more than the declared amount.
    - None are known: the declared amount.
    - The declared amount was exhausted, or is not known: double; more where the largest peak is larger.
    """
    below_declared = declared is not None and exhausted < declared
    if beyond and (declared is None or below_declared):
        wanted = max(beyond) * (MARGIN if len(beyond) >= _KNOWN_WELL else 1.0 + 2.0 * spread)
        wanted = wanted if declared is None else min(wanted, declared)
    elif declared is not None and below_declared:
        wanted = declared
    else:
        wanted = max(exhausted * 2.0, max(beyond, default=0.0) * _OUTGROWN_MARGIN)
    wanted = max(wanted, exhausted * MARGIN)
    return wanted if largest is None else min(wanted, max(largest, exhausted))
