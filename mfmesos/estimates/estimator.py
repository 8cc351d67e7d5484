"""How much of one resource the next task of a category should get: learned online, pure, no clock, no randomness.

Several levels are read from a category's history (estimate_history.LEVELS), each times a few margins: the candidates.
Every task that ends tells what each of them would have wasted, failed attempts included, and whether it would have
failed. The next allocation is the candidate with the least expected waste plus the price of its expected retries.
Expectation mixes the category's own record, that of categories alike in number and spread of samples, and a plain
model (estimate_prior). The price of a retry moves so that retries stay within the budget.

Cost: bounded windows only; a prediction or an update takes the same time however many records there were.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

from mfmesos.estimates.category_history import LEVELS, History
from mfmesos.estimates.own_command import Record, believed
from mfmesos.estimates.prior import LEAST, Prior
from mfmesos.estimates.scores import Scores
from mfmesos.shared.phrases import counted

MARGINS = (1.0, 1.02, 1.05, 1.1, 1.25, 1.6)
CAUTIOUS = len(LEVELS) * len(MARGINS)
"""The last candidate: what was declared, or else what is surely enough as far as anybody knows."""


@dataclass(frozen=True)
class Tuning:
    """The estimator's constants; found on made families of tasks, not on any real trace."""

    retry_budget: float = 0.02
    """Expected retries per task."""
    fade: float = 0.985
    pooled_fade: float = 0.99
    pooled_tasks: float = 5.0
    """So many pooled tasks count in full, fewer in proportion."""
    pooled_weight: float = 4.0
    prior_weight: float = 3.0
    """In tasks of the category's own."""
    first_price: float = 4.0
    """Of a retry, in waste of an average task."""
    grace: float = 1.0
    """Retries that are not held against it."""
    steepness: float = 4.0
    budget_fade: float = 0.998
    prices: tuple[float, float] = (0.3, 1000.0)
    blur: float = 5.0
    """In distances between neighbouring peaks."""
    most_blur: float = 0.15
    """In logarithmic deviations."""
    jump: float = 1.5
    """A peak so many times the largest before it is something new: of the candidates' record little remains."""
    remains: float = 0.1
    line_fade: float = 0.99
    least_r2: float = 0.1


DEFAULT_TUNING = Tuning()


@dataclass(frozen=True)
class Estimate:
    """An allocation and why, in the resource's unit."""

    allocation: float
    why: str
    samples: int
    expected_waste: float = 0.0
    """Allocated but not used, failed attempts included, as a share of what is used."""
    expected_retries: float = 0.0
    """Per task."""


def clamp(allocation: float, declared: float | None, largest: float | None, *, override: bool = False) -> float:
    """What a task is really given: no less than declared unless that is overridden, no more than the largest agent
    has, where that does not go below what was declared."""
    if largest is not None:
        allocation = min(allocation, largest)
    if declared is not None and not override:
        allocation = max(allocation, declared)
    return allocation


@dataclass
class _Category:
    history: History
    scores: Scores
    own: Record


class Estimator:
    """One resource of all categories."""

    def __init__(self, tuning: Tuning = DEFAULT_TUNING, default: float = 512.0) -> None:
        """`default` is what a task of an unknown category without a declared amount gets."""
        self._tuning = tuning
        self._default = default
        self._categories: dict[str, _Category] = {}
        self._pools: dict[tuple[int, int], Scores] = {}
        self._ended = self._retried = 0.0
        self._mean = Scores(0, 0.995)
        self._own = Record()

    # -- asking

    def predict(
        self, category: str, input_mb: float | None = None, *, declared: float | None = None,
        largest: float | None = None, context: str = "", own: float = 0.0,
    ) -> Estimate:
        """The first allocation of a task; `context` is its place in the workflow, such as the category of the task
        submitted before it; `own` is what its very command used before, 0 if that is not known. `declared` is the most
        that the user expects; an estimate exceeds it only when tasks did."""
        known = self._categories.get(category)
        if known is None or not known.history.peaks():
            first = declared if declared is not None else self._default
            return Estimate(first if largest is None else min(first, largest), _cold_reason(declared), 0)
        history = known.history
        cautious = self._cautious(history, declared, largest)
        allocation, index, waste, risk = self._best(known, input_mb, context, cautious)
        if own > 0.0:
            price = self._price()
            margin, own_waste, own_risk = known.own.best(self._own, price)
            others = believed(own, allocation, own_waste + own_risk, waste + price * risk, price)
            if own_waste + price * own_risk < others:
                allocation = own * margin if declared is None else min(own * margin, max(declared, own))
                why = f"the last peaks of this command + {round((margin - 1) * 100)} %"
                return Estimate(allocation if largest is None else min(allocation, largest),
                                f"{why}; {counted(history.samples, 'task')}", history.samples, own_waste, own_risk)
        return Estimate(allocation, _reason(index, history.samples, declared), history.samples,
                        waste, risk)

    def retry(
        self, category: str, allocation: float, input_mb: float | None = None, *, declared: float | None = None,
        largest: float | None = None,
    ) -> float:
        """The next allocation of a task that exhausted `allocation`: always larger, up to the largest agent.

        More than the largest remembered peak beyond, by more if there are few; else what was declared; else double.
        """
        known = self._categories.get(category)
        result = allocation * 2.0
        beyond = known.history.beyond(allocation) if known else []
        if known and beyond and (declared is None or allocation < declared):
            spread = Prior.of(known.history, input_mb).spread
            result = max(beyond) * (1.02 if len(beyond) > 2 else 1.0 + 2.0 * spread)
            result = result if declared is None else min(result, declared)
        elif declared is not None and allocation < declared:
            result = declared
        elif beyond:
            result = max(result, max(beyond) * 1.1)
        result = max(result, allocation * 1.02)
        return result if largest is None else min(result, max(largest, allocation))

    def typical(self, category: str, input_mb: float | None = None) -> float | None:
        """What a task most likely needs, neither more nor less; None for an unknown category."""
        known = self._categories.get(category)
        return Prior.of(known.history, input_mb).middle if known and known.history.samples else None

    def categories(self) -> list[str]:
        """All that were seen, in the order of their first task."""
        return list(self._categories)

    def recent(self, category: str) -> list[float]:
        """The last peaks that are remembered (up to estimate_history.WINDOW), oldest first."""
        known = self._categories.get(category)
        return known.history.peaks() if known else []

    def _cautious(self, history: History, declared: float | None, largest: float | None) -> float:
        most = max(history.largest, history.peaks()[-1])
        if declared is not None and most <= declared:
            return declared
        cautious = max(declared or self._default, most * 2.0)
        return cautious if largest is None else min(cautious, largest)

    def _best(
        self, known: _Category, input_mb: float | None, context: str, cautious: float,
    ) -> tuple[float, int, float, float]:
        """The best candidate: its allocation, number, expected waste (share of use) and expected retries."""
        tuning, own = self._tuning, known.scores
        prior = Prior.of(known.history, input_mb)
        pool = self._pools.get(prior.stands)
        own_tasks = own.count
        average = self._mean.used / self._mean.tasks if self._mean.tasks else 1.0
        unit = own.used / own.tasks if own.tasks else average
        price = self._price() * average
        pool_weight = tuning.pooled_weight * min(1.0, pool.count / tuning.pooled_tasks) if pool else 0.0
        total = own_tasks + pool_weight + tuning.prior_weight
        own_share = 1.0 / own.gain / total
        pool_waste = pool_weight * unit / pool.used / total if pool else 0.0
        pool_risk = pool_weight / pool.tasks / total if pool else 0.0
        prior_share = tuning.prior_weight / total
        beyond = max(cautious / prior.middle - 1.0, 0.0)
        least = own.waste[CAUTIOUS] * own_share + (1.0 - own_tasks / total) * beyond * unit
        best = (cautious, CAUTIOUS, least, 0.0)
        loss = max(1.0, beyond)
        i = -1
        for level, value in enumerate(known.history.levels(input_mb, context)):
            for margin in MARGINS:
                i += 1
                allocation = max(value * margin, LEAST)
                if allocation >= cautious:
                    continue
                risk = prior.risk(level, margin, allocation)
                waste = (max(allocation / prior.middle - 1.0, 0.0) + risk * loss) * unit * prior_share
                waste += own.waste[i] * own_share
                risk = risk * prior_share + own.failures[i] * own_share
                if pool:
                    waste += pool.waste[i] * pool_waste
                    risk += pool.failures[i] * pool_risk
                cost = waste + price * risk
                if cost < least:
                    least, best = cost, (allocation, i, waste, risk)
        return best[0], best[1], best[2] / unit, best[3]

    # -- learning

    def observe(
        self, category: str, peak: float, seconds: float, input_mb: float | None = None, *,
        declared: float | None = None, context: str = "", judge: bool = True, own: float = 0.0,
    ) -> None:
        """A task ended with its true peak after `seconds`; `own` is what was known of its command before. Not to judge
        the candidates by it costs a thirtieth."""
        peak, seconds = max(peak, LEAST), max(seconds, 1e-3)
        known = self._category(category)
        fade = self._tuning.budget_fade
        self._ended = self._ended * fade + 1.0
        self._retried *= fade
        self._mean.add((), (), peak * seconds)
        if judge and known.history.peaks():
            self._judge(known, peak, seconds, input_mb, declared, context)
        if own > 0.0:
            known.own.add(own, peak)
            self._own.add(own, peak)
        known.history.add(peak, input_mb, context)

    def exhausted(self, category: str, allocation: float) -> None:
        """An attempt failed because `allocation` was not enough: its task's peak is larger."""
        self._retried += 1.0
        self._category(category).history.add_exhausted(max(allocation, LEAST))

    def _category(self, name: str) -> _Category:
        known = self._categories.get(name)
        if known is None:
            tuning = self._tuning
            known = self._categories[name] = _Category(
                History(tuning.line_fade, tuning.least_r2), Scores(CAUTIOUS + 1, tuning.fade), Record())
        return known

    def _price(self) -> float:
        """Of a retry, in waste of an average task: low while retries stay behind the budget, else steeply higher."""
        tuning = self._tuning
        allowed = tuning.retry_budget * self._ended
        excess = (self._retried + tuning.grace) / (allowed + tuning.grace)
        return min(max(tuning.first_price * math.pow(excess, tuning.steepness), tuning.prices[0]), tuning.prices[1])

    def _judge(
        self, known: _Category, peak: float, seconds: float, input_mb: float | None, declared: float | None,
        context: str,
    ) -> None:
        """Charge every candidate with what it would have cost this task."""
        history = known.history
        cautious = self._cautious(history, declared, None)
        retried = min(history.largest * 1.02, cautious)
        if retried < peak:
            retried = max(cautious, peak)
        prior = Prior.of(history, input_mb)
        blur = self._blur(history, peak, prior.spread)
        above, blur = peak + blur, 2.0 * blur
        waste: list[float] = []
        failed: list[tuple[int, float]] = []
        for value in history.levels(input_mb, context):
            for margin in MARGINS:
                allocation = min(value * margin, cautious)
                if allocation >= above or allocation >= cautious >= peak:
                    waste.append((allocation - peak) * seconds)
                    continue
                share = min((above - allocation) / blur, 1.0)
                failed.append((len(waste), share))
                waste.append((allocation + share * retried - peak) * seconds)
        if cautious < peak:
            failed.append((CAUTIOUS, 1.0))
        waste.append((cautious - peak if cautious >= peak else cautious + retried - peak) * seconds)
        known.scores.add(waste, failed, peak * seconds)
        if peak > history.largest * self._tuning.jump and history.samples > 2:
            known.scores.forget(self._tuning.remains)
        pool = self._pools.get(prior.stands)
        if pool is None:
            pool = self._pools[prior.stands] = Scores(CAUTIOUS + 1, self._tuning.pooled_fade)
        pool.add(waste, failed, peak * seconds)

    def _blur(self, history: History, peak: float, spread: float) -> float:
        """How near a peak has to come to an allocation to count as a part of a failure: with few tasks a near miss
        tells more than its luck does. None where peaks repeat exactly, more where they lie far apart."""
        gaps = sorted(abs(peak - p) for p in history.peaks()[-30:])
        near = gaps[min(2, len(gaps) - 1)]
        return max(min(self._tuning.blur * near, self._tuning.most_blur * spread * peak), 1e-6 * peak)


def _cold_reason(declared: float | None) -> str:
    return "declared; no task of the category has ended yet" if declared is not None else (
        "the default; no task of the category has ended yet")


def _reason(index: int, samples: int, declared: float | None) -> str:
    of = counted(samples, "task")
    if index == CAUTIOUS:
        return f"declared; {of} do not let expect less" if declared is not None else f"kept cautious; only {of} known"
    name, margin = LEVELS[index // len(MARGINS)][0], MARGINS[index % len(MARGINS)]
    extra = f" + {round((margin - 1) * 100)} %" if margin > 1 else ""
    return f"{name}{extra}; {of}"
