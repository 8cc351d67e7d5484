"""The estimator's constants, each with its unit.

They were found on made families of tasks (tests/estimates/families.py), not on any real trace, and no theory stands
behind their digits.
"""
from __future__ import annotations

from mfmesos.shared.values import value


@value(frozen=True)
class Tuning:
    """A fade f is per task: a task that ended i tasks ago counts f ** i, and all of them together at most 1 / (1 - f)
    tasks."""

    retry_budget: float = 0.02
    """Acceptable retries per task (--retry-budget is per 100 tasks)."""

    # The weight of each kind of evidence (choice.Evidence), in tasks.
    fade: float = 0.985
    """Of a category's own record: at most 67 tasks."""
    pooled_fade: float = 0.99
    """Of the record of alike categories."""
    pooled_weight: float = 4.0
    """What the record of alike categories counts, in tasks of the category's own."""
    pooled_tasks: float = 5.0
    """From this many tasks on, the record of alike categories has its full weight; below, in proportion."""
    prior_weight: float = 3.0
    """What the plain model of peaks counts, in tasks of the category's own."""

    # The price of a retry (retries.Budget).
    first_price: float = 4.0
    """Before any retry, in uses of an average task."""
    grace: float = 1.0
    """Retries that do not raise the price."""
    steepness: float = 4.0
    """The price grows with this power of retries over allowed retries."""
    budget_fade: float = 0.998
    """Of the retries and of the tasks that they are compared with: the last 500 tasks."""
    prices: tuple[float, float] = (0.3, 1000.0)
    """The least and the greatest price, in uses of an average task."""

    # What a task teaches about each candidate (hindsight.py).
    blur: float = 5.0
    """How near a miss counts as part of a failure, in distances between neighbouring peaks..."""
    most_blur: float = 0.15
    """...and at most, in deviations of the peaks' logarithms."""
    jump: float = 1.5
    """A peak of more than this times the largest before it starts something new..."""
    remains: float = 0.1
    """...and this share of the candidates' record remains."""

    # The lines through input sizes (line.py).
    line_fade: float = 0.99
    least_r2: float = 0.1
    """A line that explains a smaller share of the peaks' variance is not used."""


DEFAULT_TUNING = Tuning()
