"""How much of one resource the next task of a category should get: learned online, pure, no clock, no randomness.

Every task that ends shows what each candidate would have wasted, and whether it would have failed (hindsight.py). The
next task gets the candidate that is expected to cost least (**the formula: choice.py**), or about what its very command
used before, where commands repeat themselves (own_command.py).

Cost: bounded windows only; a prediction or an update takes the same time however many records there were.
"""
from __future__ import annotations

from dataclasses import dataclass

from mfmesos.estimates.category_history import History
from mfmesos.estimates.choice import CANDIDATES, CAUTIOUS, Choice, Evidence, choose, described, plus
from mfmesos.estimates.hindsight import blur_of, judged
from mfmesos.estimates.own_command import Record, Repeat, believed
from mfmesos.estimates.prior import LEAST, Prior
from mfmesos.estimates.retries import Budget, next_allocation
from mfmesos.estimates.scores import Scores
from mfmesos.estimates.tuning import DEFAULT_TUNING, Tuning
from mfmesos.shared.messages import estimates as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.values import value

_LEAST_SECONDS = 1e-3
CAUTION = 2.0
"""What is surely enough: this times the largest peak known, where that exceeds what was declared or nothing was."""


@value(frozen=True)
class Estimate:
    """An allocation and why, in the resource's unit."""

    allocation: float
    why: str
    samples: int
    expected_waste: float = 0.0
    """Allocated but not used, failed attempts included, as a share of what is used."""
    expected_retries: float = 0.0
    """Per task."""


@dataclass
class _Category:
    history: History
    scores: Scores
    own: Record
    """Of commands that ran before."""


class Estimator:
    """One resource of all categories."""

    def __init__(self, tuning: Tuning = DEFAULT_TUNING, default: float = 512.0) -> None:
        """`default` is what a task of an unknown category without a declared amount gets."""
        self._tuning = tuning
        self._default = default
        self._categories: dict[str, _Category] = {}
        self._pools: dict[tuple[int, int], Scores] = {}
        """The records of categories that are alike, by Prior.stands."""
        self._budget = Budget(tuning)
        self._own = Record()
        """Of the commands of all categories."""

    # -- asking

    def predict(
        self, category: str, input_mb: float | None = None, *, declared: float | None = None,
        largest: float | None = None, context: str = "", own: float = 0.0,
    ) -> Estimate:
        """The first allocation of a task.

        `declared` is the most that the user expects: an estimate exceeds it only when tasks did. `largest` is what the
        largest agent has. `context` is the task's place in the workflow, such as the category of the task submitted
        before it. `own` is what its very command used before, 0 where that is not known.
        """
        known = self._categories.get(category)
        if known is None or not known.history.peaks():
            first = declared if declared is not None else self._default
            return Estimate(_at_most(first, largest), _cold_reason(declared), 0)
        samples = known.history.samples
        choice = self._choose(known, input_mb, context, self._cautious(known.history, declared, largest))
        repeat = self._repeat(known, own, choice) if own > 0.0 else None
        if repeat is None:
            why = _reason(choice, samples, declared)
            return Estimate(choice.allocation, why, samples, choice.waste, choice.retries)
        allocation = own * repeat.margin if declared is None else min(own * repeat.margin, max(declared, own))
        why = m.OWN_PEAKS(margin=plus(repeat.margin), tasks=counted(samples, "task"))
        return Estimate(_at_most(allocation, largest), why, samples, repeat.waste, repeat.retries)

    def retry(
        self, category: str, allocation: float, input_mb: float | None = None, *, declared: float | None = None,
        largest: float | None = None,
    ) -> float:
        """The next allocation of a task that exhausted `allocation`: always larger, up to the largest agent
        (retries.next_allocation)."""
        known = self._categories.get(category)
        beyond = known.history.beyond(allocation) if known else []
        spread = Prior.of(known.history, input_mb).spread if known and beyond else 0.0
        return next_allocation(allocation, beyond, spread, declared, largest)

    def typical(self, category: str, input_mb: float | None = None) -> float | None:
        """What a task most likely needs, neither more nor less; None for an unknown category."""
        known = self._categories.get(category)
        return Prior.of(known.history, input_mb).middle if known and known.history.samples else None

    def categories(self) -> list[str]:
        """All that were seen, in the order of their first task."""
        return list(self._categories)

    def recent(self, category: str) -> list[float]:
        """The last peaks that are remembered (up to category_history.WINDOW), oldest first."""
        known = self._categories.get(category)
        return known.history.peaks() if known else []

    def _cautious(self, history: History, declared: float | None, largest: float | None) -> float:
        """What the cautious candidate allocates: what was declared, as long as no peak exceeded that; else CAUTION
        times the largest peak, up to the largest agent."""
        most = max(history.largest, history.peaks()[-1])
        if declared is not None and most <= declared:
            return declared
        return _at_most(max(declared or self._default, most * CAUTION), largest)

    def _choose(self, known: _Category, input_mb: float | None, context: str, cautious: float) -> Choice:
        """The candidate of the category that is expected to cost least (choice.py)."""
        prior = Prior.of(known.history, input_mb)
        average_use = self._budget.average_use()
        evidence = Evidence(known.scores, self._pools.get(prior.stands), average_use, self._tuning)
        levels = known.history.levels(input_mb, context)
        return choose(levels, cautious, prior, evidence, self._budget.price() * average_use)

    def _repeat(self, known: _Category, own: float, choice: Choice) -> Repeat | None:
        """What the command's own last peaks promise, where that is expected to cost less than the choice."""
        price = self._budget.price()
        repeat = known.own.best(self._own, price)
        cost = believed(
            own, choice.allocation, repeat.waste + repeat.retries, choice.waste + price * choice.retries, price)
        return repeat if repeat.waste + price * repeat.retries < cost else None

    # -- learning

    def observe(
        self, category: str, peak: float, seconds: float, input_mb: float | None = None, *,
        declared: float | None = None, context: str = "", judge: bool = True, own: float = 0.0,
    ) -> None:
        """A task ended with its true peak after `seconds`; `own` is what was known of its command before. Without
        `judge` only its peak is remembered: far cheaper (docs/performance.md, Estimates)."""
        peak, seconds = max(peak, LEAST), max(seconds, _LEAST_SECONDS)
        known = self._category(category)
        self._budget.task_ended(peak * seconds)
        if judge and known.history.peaks():
            self._judge(known, peak, seconds, input_mb, declared, context)
        if own > 0.0:
            known.own.add(own, peak)
            self._own.add(own, peak)
        known.history.add(peak, input_mb, context)

    def exhausted(self, category: str, allocation: float) -> None:
        """An attempt failed because `allocation` was not enough: its task's peak is larger."""
        self._budget.retried()
        self._category(category).history.add_exhausted(max(allocation, LEAST))

    def _category(self, name: str) -> _Category:
        known = self._categories.get(name)
        if known is None:
            tuning = self._tuning
            known = self._categories[name] = _Category(
                History(tuning.line_fade, tuning.least_r2), Scores(CANDIDATES, tuning.fade), Record())
        return known

    def _judge(
        self, known: _Category, peak: float, seconds: float, input_mb: float | None, declared: float | None,
        context: str,
    ) -> None:
        """Charge every candidate with what it would have cost this task, in the category's record and in the pool's.

        Much larger a peak than any before starts something new: then the category's record fades at once.
        """
        history, tuning = known.history, self._tuning
        prior = Prior.of(history, input_mb)
        blur = blur_of(peak, history.peaks(), prior.spread, tuning)
        waste, failed = judged(
            history.levels(input_mb, context), self._cautious(history, declared, None), peak, seconds, blur,
            history.largest)
        known.scores.add(waste, failed, peak * seconds)
        if peak > history.largest * tuning.jump and history.samples > 2:
            known.scores.forget(tuning.remains)
        pool = self._pools.get(prior.stands)
        if pool is None:
            pool = self._pools[prior.stands] = Scores(CANDIDATES, tuning.pooled_fade)
        pool.add(waste, failed, peak * seconds)


def _at_most(allocation: float, largest: float | None) -> float:
    return allocation if largest is None else min(allocation, largest)


def _cold_reason(declared: float | None) -> str:
    return m.DECLARED_AT_FIRST() if declared is not None else m.DEFAULT_AT_FIRST()


def _reason(choice: Choice, samples: int, declared: float | None) -> str:
    if choice.candidate == CAUTIOUS:
        few = f"{counted(samples, 'sample')} {'does' if samples == 1 else 'do'}"
        return m.DECLARED_STILL(samples=few) if declared is not None else m.CAUTIOUS_STILL(samples=few)
    return f"{described(choice.candidate)}; {counted(samples, 'task')}"
