"""Scores an allocation policy on a trace of tasks. Pure: rows in, scores out."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mfmesos.estimates.estimator import Estimator
from mfmesos.estimates.tuning import DEFAULT_TUNING, Tuning
from mfmesos.shared.messages import estimates as m


@dataclass(frozen=True)
class Row:
    """One task of a trace, in arrival order; None where the source has nothing. Units: MB, seconds."""

    category: str
    peak_mb: float
    seconds: float
    declared_mb: float
    input_mb: float | None = None
    submit_s: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    context: str = ""
    """The category of the task that arrived before it: known before it runs."""


@dataclass(frozen=True)
class Score:
    """`waste`: allocated but unused MB x seconds over used ones; `retries`: per 100 tasks."""

    waste: float
    retries: float

    def __str__(self) -> str:
        return f"waste {self.waste:.3f} retries {self.retries:.3f}"


class Policy(Protocol):
    """What is scored."""

    def first(self, row: Row) -> float:
        """MB for a task's first attempt."""

    def retry(self, row: Row, allocation: float) -> float:
        """MB for the next attempt after `allocation` was not enough."""

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        """A task completed; the allocations of its failed attempts."""


class Learned:
    """The estimator that also serves live."""

    def __init__(self, tuning: Tuning = DEFAULT_TUNING) -> None:
        self.estimator = Estimator(tuning)

    def first(self, row: Row) -> float:
        return self.estimator.predict(
            row.category, row.input_mb, declared=row.declared_mb, context=row.context).allocation

    def retry(self, row: Row, allocation: float) -> float:
        return self.estimator.retry(row.category, allocation, row.input_mb, declared=row.declared_mb)

    def done(self, row: Row, exhausted: Sequence[float]) -> None:
        for allocation in exhausted:
            self.estimator.exhausted(row.category, allocation)
        self.estimator.observe(
            row.category, row.peak_mb, row.seconds, row.input_mb, declared=row.declared_mb, context=row.context)


def replay(rows: Sequence[Row], policy: Policy, *, causal: bool = False) -> Score:
    """Ask the policy for each task in turn.

    Sequentially, every earlier task has completed when the next is asked for. Causally, those that ended before it
    started; rows then need `start_s` and `end_s` (else ValueError). An attempt with less than the peak fails after
    the task's full run time.
    """
    used = spent = 0.0
    retries = 0
    failures: dict[int, list[float]] = {}
    for starts, i in _order(rows, causal):
        row = rows[i]
        if not starts:
            policy.done(row, failures.pop(i, ()))
            continue
        allocation = policy.first(row)
        while allocation < row.peak_mb:
            spent += allocation * row.seconds
            retries += 1
            failures.setdefault(i, []).append(allocation)
            allocation = max(policy.retry(row, allocation), allocation * 1.0001)
        spent += allocation * row.seconds
        used += row.peak_mb * row.seconds
    return Score((spent - used) / used, 100.0 * retries / len(rows)) if rows else Score(0.0, 0.0)


def _order(rows: Sequence[Row], causal: bool) -> list[tuple[bool, int]]:
    """(whether it starts, which row), in time; where one ends as another starts, the end comes first."""
    if not causal:
        return [(starts, i) for i in range(len(rows)) for starts in (True, False)]
    events: list[tuple[float, int, int]] = []
    for i, row in enumerate(rows):
        if row.start_s is None or row.end_s is None:
            raise ValueError(m.ROW_WITHOUT_TIMES(row=i + 1))
        events += [(row.end_s, 0, i), (row.start_s, 1, i)]
    return [(kind == 1, i) for _, kind, i in sorted(events)]
