"""The price of a retry: what keeps retries within the budget."""
from __future__ import annotations

import math

from mfmesos.estimates.scores import Scores
from mfmesos.estimates.tuning import Tuning

_USE_FADE = 0.995
"""Of the average use of a task: the last 200 tasks."""


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
