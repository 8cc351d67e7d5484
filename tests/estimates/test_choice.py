"""The formula of the estimator's choice, term by term, against plain sums; and that its scores stay what they are."""
from __future__ import annotations

import random

import families
import pytest

from mfmesos.estimates.category_history import LEVELS, MARGINS, History
from mfmesos.estimates.choice import CANDIDATES, CAUTIOUS, Evidence, beyond, choose, described, prior_waste
from mfmesos.estimates.hindsight import blur_of, judged, retry_of
from mfmesos.estimates.prior import Prior
from mfmesos.estimates.replay import Learned, replay
from mfmesos.estimates.retries import Budget, next_allocation
from mfmesos.estimates.scores import Scores
from mfmesos.estimates.tuning import DEFAULT_TUNING, Tuning

Task = tuple[list[float], list[tuple[int, float]], float]
"""What each candidate wasted, which of them failed by what share, what the task used."""


def tasks(seed: int, count: int) -> list[Task]:
    r = random.Random(seed)
    return [([r.uniform(0, 900) for _ in range(CANDIDATES)], [(i, r.random()) for i in range(0, CANDIDATES, 3)],
             r.uniform(100, 1000)) for _ in range(count)]


def record(ended: list[Task], fade: float) -> Scores:
    scores = Scores(CANDIDATES, fade)
    for task in ended:
        scores.add(*task)
    return scores


def mean(values: list[float], fade: float) -> float:
    """Of values in order of time, faded."""
    weights = [fade ** i for i in reversed(range(len(values)))]
    return sum(w * v for w, v in zip(weights, values)) / sum(weights)


def failures(ended: list[Task], candidate: int) -> list[float]:
    return [dict(failed).get(candidate, 0.0) for _, failed, _ in ended]


@pytest.mark.parametrize(("own", "pool"), [(0, 0), (1, 0), (3, 2), (40, 400)])
def test_expected_waste_and_retries_are_means_weighted_in_tasks(own, pool):
    """W and R of the formula, computed from the tasks themselves."""
    tuning = Tuning()
    mine, others = tasks(1, own), tasks(2, pool)
    evidence = Evidence(
        record(mine, tuning.fade), record(others, tuning.pooled_fade) if others else None, 500.0, tuning)
    use = mean([used for *_, used in mine], tuning.fade) if mine else 500.0
    n_own = sum(tuning.fade ** i for i in range(own))
    n_pool = tuning.pooled_weight * min(1.0, sum(tuning.pooled_fade ** i for i in range(pool)) / tuning.pooled_tasks)
    n_prior = tuning.prior_weight
    for k in (0, 1, 60, CAUTIOUS - 1):
        w_own = mean([waste[k] for waste, _, _ in mine], tuning.fade) if mine else 0.0
        r_own = mean(failures(mine, k), tuning.fade) if mine else 0.0
        w_pool = (mean([waste[k] for waste, _, _ in others], tuning.pooled_fade)
                  / mean([used for *_, used in others], tuning.pooled_fade)) if others else 0.0
        r_pool = mean(failures(others, k), tuning.pooled_fade) if others else 0.0
        n = n_own + n_pool + n_prior
        waste, retries = evidence.expected(k, 0.7, 0.2)
        assert evidence.use == pytest.approx(use)
        assert waste == pytest.approx((n_own * w_own + n_pool * use * w_pool + n_prior * use * 0.7) / n)
        assert retries == pytest.approx((n_own * r_own + n_pool * r_pool + n_prior * 0.2) / n)


@pytest.mark.parametrize("price", [0.0, 300.0, 1e6])
@pytest.mark.parametrize("cautious", [120.0, 2000.0])
def test_the_choice_is_the_candidate_of_least_cost(price, cautious):
    """Among all candidates below the cautious one, and that; the dearer a retry, the more is allocated."""
    history, tuning = History(0.99, 0.1), DEFAULT_TUNING
    for i in range(12):
        history.add(100.0 + 17 * (i % 5), None, "")
    prior, levels = Prior.of(history, None), history.levels(None, "")
    evidence = Evidence(record(tasks(3, 4), tuning.fade), None, 1.0, tuning)
    loss = max(1.0, beyond(cautious, prior.middle))
    costs = {CAUTIOUS: evidence.cautious_waste(beyond(cautious, prior.middle))}
    for k in range(CAUTIOUS):
        level, margin = k // len(MARGINS), MARGINS[k % len(MARGINS)]
        allocation = levels[level] * margin
        if allocation < cautious:
            risk = prior.risk(level, margin, allocation)
            waste, retries = evidence.expected(k, prior_waste(allocation, prior.middle, risk, loss), risk)
            costs[k] = waste + price * retries
    choice = choose(levels, cautious, prior, evidence, price)
    assert choice.candidate == min(costs, key=lambda k: (costs[k], k != CAUTIOUS))
    assert choice.waste * evidence.use + price * choice.retries == pytest.approx(costs[choice.candidate])


def test_a_candidate_is_named_by_its_level_and_margin():
    """As the user reads it in `mfmesos estimates`."""
    assert described(0) == "the last peak"
    assert described(len(MARGINS) + 2) == f"{LEVELS[1][0]} + 5 %"


def test_the_price_of_a_retry_follows_the_budget():
    """At the budget it is the first price; a hundred tasks without a retry make it cheaper, some retries dear."""
    budget = Budget(Tuning(retry_budget=0.02, budget_fade=1.0))
    assert budget.price() == 4.0
    for _ in range(100):
        budget.task_ended(50.0)
    assert budget.average_use() == pytest.approx(50.0)
    assert budget.price() == pytest.approx(max(4.0 * (1 / 3) ** 4, 0.3))
    for _ in range(2):
        budget.retried()
    assert budget.price() == pytest.approx(4.0)
    for _ in range(3):
        budget.retried()
    assert budget.price() == pytest.approx(4.0 * 2 ** 4)


@pytest.mark.parametrize(("beyond", "declared", "largest", "wanted"), [
    ([], None, None, 200.0),  # nothing known: double
    ([], 500.0, None, 500.0),  # the declared amount
    ([], 100.0, None, 200.0),  # the declared amount was exhausted: double
    ([150.0, 160.0, 170.0], None, None, 170.0 * 1.02),  # known well: just more than the largest
    ([150.0, 170.0], None, None, 170.0 * 1.5),  # not known well: by twice the spread
    ([150.0, 170.0], 180.0, None, 180.0),  # no more than the declared amount
    ([150.0, 170.0], 90.0, None, 200.0),  # the declared amount was exhausted
    ([150.0, 400.0], 90.0, None, 440.0),  # and a larger peak is known
    ([100.5] * 3, None, None, 100.5 * 1.02),
    ([], None, 150.0, 150.0),  # the largest agent
    ([], None, 80.0, 100.0),  # no less than before
])
def test_the_next_allocation_after_100_mb_were_exhausted(beyond, declared, largest, wanted):
    """Each case of the docstring, with a spread of 0.25."""
    assert next_allocation(100.0, beyond, 0.25, declared, largest) == pytest.approx(wanted)


def test_hindsight_by_hand():
    """A task of 100 MB and 10 s, 20 MB of blur, 200 MB declared: 150 MB waste 50; 100 MB fail by half and 80 MB in
    full, each then tried again with the 102 MB of the largest peak."""
    waste, failed = judged([150.0, 100.0, 80.0], 200.0, 100.0, 10.0, 20.0, 100.0)
    assert retry_of(100.0, 200.0, 100.0) == 102.0
    first = [waste[level * len(MARGINS)] for level in range(3)]
    assert first == pytest.approx([50 * 10, (0.5 * 102) * 10, (80 + 102 - 100) * 10])
    shares = dict(failed)
    assert [shares.get(level * len(MARGINS), 0.0) for level in range(3)] == [0.0, 0.5, 1.0]
    assert waste[-1] == 100 * 10


def test_blur_is_nothing_where_peaks_repeat_and_grows_with_their_distance():
    """It is bounded by the spread of the peaks."""
    assert blur_of(100.0, [100.0] * 5, 0.3, DEFAULT_TUNING) == pytest.approx(1e-4)
    assert blur_of(100.0, [99.0, 101.5, 90.0], 1.0, DEFAULT_TUNING) == pytest.approx(15.0)
    assert blur_of(100.0, [99.0, 101.5, 90.0], 0.5, DEFAULT_TUNING) == pytest.approx(7.5)


GOLDEN = {
    "constant": (0.041607630, 0.0),
    "normal": (0.305711504, 2.659574468),
    "lognormal": (1.304556009, 3.164556962),
    "bimodal": (0.866591002, 2.116402116),
    "linear": (0.588164784, 2.531645570),
    "rising": (0.295709018, 4.651162791),
    "falling": (0.198345623, 0.507614213),
    "blocks": (0.213746885, 4.232804233),
}
"""Waste as a share of use, and retries per 100 tasks."""


@pytest.mark.parametrize("kind", families.KINDS)
def test_the_scores_of_families_stay_what_they_are(kind):
    """A change of the estimator that is not meant to change estimates changes none of these; one that is writes the new
    ones down here."""
    score = replay(families.workflow(kind, 0, 8, (3, 40)), Learned())
    assert (score.waste, score.retries) == pytest.approx(GOLDEN[kind], rel=1e-6)
