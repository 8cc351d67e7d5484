"""Which allocation the next task of a category gets: the formula, each of its terms a named function or value.

**Candidates.** A level l reads one value v[l] from the category's history, such as the largest of the last eight peaks
(category_history.LEVELS). A candidate k is a level with a margin m of MARGINS, and allocates a[k] = v[l] m. The last
candidate, CAUTIOUS, allocates what was declared, or else what is surely enough.

**The choice** is the candidate of least expected cost per task, in the resource's unit times seconds (`choose`):

    cost[k] = W[k] + P R[k]

    W[k] = (n_own w_own[k] + n_pool use w_pool[k] + n_prior use w_prior[k]) / n      expected waste
    R[k] = (n_own r_own[k] + n_pool r_pool[k]     + n_prior r_prior[k])     / n      expected retries
    P    = price x average use                                                      price of a retry (retries.py)
    n    = n_own + n_pool + n_prior                                                 in tasks

Waste is what is allocated but not used times the run time, failed attempts included. So W already holds what retries
waste; P is what a retry costs beyond that, and it moves so that retries stay within the budget.

The three kinds of evidence, each with its weight n in tasks:

- own: faded means of what k would have wasted and failed on each task of this category that ended
  (hindsight.py). n_own = sum of f^i over tasks that ended i tasks ago, f = Tuning.fade.
- pool: the same over all categories with as many samples, as widely spread (Prior.stands), the waste as a share of use.
  n_pool = `pooled_weight`.
- prior: what a plain model of the spread of peaks expects: r by Prior.risk, w by `prior_waste`, a share of use.
  n_prior = Tuning.prior_weight.

`use` is the mean use of a task of this category, its peak times its run time. For the cautious candidate R = 0, and
both w_pool and w_prior are `beyond`: what it allocates above the expected peak, as a share of that.

**Sources.** The cost of a first allocation with its retry: Tovar et al., "A Job Sizing Strategy for High-Throughput
Scientific Workflows", IEEE TPDS 2018. The choice by the discounted past costs of all candidates: "follow the leader",
Cesa-Bianchi and Lugosi, "Prediction, Learning, and Games", 2006. The mean weighted in tasks: a conjugate prior enters
a posterior mean in this way, as samples seen before. The constants are in tuning.py.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mfmesos.estimates.category_history import LEVELS, MARGINS
from mfmesos.estimates.prior import LEAST, Prior
from mfmesos.estimates.scores import Scores
from mfmesos.estimates.tuning import Tuning

CAUTIOUS = len(LEVELS) * len(MARGINS)
"""The number of the last candidate: what was declared, or else what is surely enough as far as is known."""
CANDIDATES = CAUTIOUS + 1
_NO_RECORD = Scores(CANDIDATES, 1.0)


class Choice(NamedTuple):
    """The chosen candidate and what is expected of it."""

    allocation: float
    """In the resource's unit."""
    candidate: int
    """Its number: margins count fastest, CAUTIOUS is the last."""
    waste: float
    """W as a share of use: allocated but not used, failed attempts included, over used."""
    retries: float
    """R: per task."""


class Evidence:
    """What to expect of each candidate: three kinds of evidence, mixed by their weights."""

    __slots__ = ("_not_own", "_of_own", "_of_pool_retries", "_of_pool_waste", "_of_prior", "_own", "_pool", "use")

    def __init__(self, own: Scores, pool: Scores | None, average_use: float, tuning: Tuning) -> None:
        """`average_use` is that of a task of any category, for a category whose own tasks have not judged yet."""
        pool = pool or _NO_RECORD
        self._own, self._pool = own, pool
        self.use = own.used / own.tasks if own.tasks else average_use
        """Of an average task of the category, in the resource's unit times seconds."""
        n_own, n_pool, n_prior = own.count, pooled_weight(pool.count, tuning), tuning.prior_weight
        n = n_own + n_pool + n_prior
        self._not_own = 1.0 - n_own / n
        # What one unit of a record's faded sum, or of the prior, counts in the mean over n tasks.
        self._of_own = 1.0 / own.gain / n
        self._of_pool_waste = n_pool * self.use / pool.used / n if n_pool else 0.0
        self._of_pool_retries = n_pool / pool.tasks / n if n_pool else 0.0
        self._of_prior = n_prior / n

    def expected(self, candidate: int, prior_waste: float, prior_risk: float) -> tuple[float, float]:
        """W, in the resource's unit times seconds per task, and R, per task; `prior_waste` is a share of use."""
        return (
            prior_waste * self.use * self._of_prior + self._own.waste[candidate] * self._of_own
            + self._pool.waste[candidate] * self._of_pool_waste,
            prior_risk * self._of_prior + self._own.failures[candidate] * self._of_own
            + self._pool.failures[candidate] * self._of_pool_retries)

    def cautious_waste(self, beyond: float) -> float:
        """W of the cautious candidate; `beyond` is a share of use."""
        return self._own.waste[CAUTIOUS] * self._of_own + self._not_own * beyond * self.use


def pooled_weight(tasks: float, tuning: Tuning) -> float:
    """n_pool, in tasks of the category's own, of a record over `tasks` (faded) tasks of alike categories."""
    return tuning.pooled_weight * min(1.0, tasks / tuning.pooled_tasks)


def beyond(allocation: float, middle: float) -> float:
    """What an allocation exceeds the expected peak `middle` by, as a share of that."""
    return max(allocation / middle - 1.0, 0.0)


def prior_waste(allocation: float, middle: float, risk: float, loss: float) -> float:
    """w_prior, a share of use: what the allocation is `beyond` the expected peak, and with probability `risk` the loss
    by a failed attempt and its retry."""
    return max(allocation / middle - 1.0, 0.0) + risk * loss


def choose(levels: Sequence[float], cautious: float, prior: Prior, evidence: Evidence, price: float) -> Choice:
    """The candidate of least W + P R, and the first of equals; `levels` are the values of LEVELS, `cautious` is what
    the cautious candidate allocates, `price` is P, in the resource's unit times seconds.

    Candidates that allocate as much as the cautious one are left out. Few calls, for speed: docs/performance.md,
    Estimates.
    """
    middle, too_much = prior.middle, beyond(cautious, prior.middle)
    loss = max(1.0, too_much)
    least = evidence.cautious_waste(too_much)
    best = (cautious, CAUTIOUS, least, 0.0)
    candidate = -1
    for level, value in enumerate(levels):
        for margin in MARGINS:
            candidate += 1
            allocation = max(value * margin, LEAST)
            if allocation >= cautious:
                continue
            risk = prior.risk(level, margin, allocation)
            waste, retries = evidence.expected(candidate, prior_waste(allocation, middle, risk, loss), risk)
            cost = waste + price * retries
            if cost < least:
                least, best = cost, (allocation, candidate, waste, retries)
    allocation, candidate, waste, retries = best
    return Choice(allocation, candidate, waste / evidence.use, retries)


def described(candidate: int) -> str:
    """For the user: "the largest of the last 3 + 5 %"; not for the cautious candidate."""
    margin = MARGINS[candidate % len(MARGINS)]
    return f"{LEVELS[candidate // len(MARGINS)][0]}{plus(margin)}"


def plus(margin: float) -> str:
    """" + 5 %", or nothing for a margin of 1."""
    return f" + {round((margin - 1) * 100)} %" if margin > 1 else ""
