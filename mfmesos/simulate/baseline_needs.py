"""A simulation with a well-known allocation policy in the place of our estimates of memory, to compare them."""
from __future__ import annotations

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.policy import Policy
from mfmesos.core.records import Kind
from mfmesos.estimates.estimated_needs import EstimatedNeeds
from mfmesos.estimates.estimator import Estimator
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.replay import Policy as Baseline
from mfmesos.estimates.replay import Row


class BaselineNeeds(EstimatedNeeds):
    """Cores, disk and run times are estimated as usual."""

    def __init__(self, policy: Policy, baseline: Baseline) -> None:
        super().__init__(policy.estimates, Estimates.for_run(policy.retry_budget, policy.defaults))
        self._baseline = baseline

    def _fill(self, estimator: Estimator, kind: Kind, declared: float | None, own: float) -> float | None:
        if estimator is not self._estimates.memory or declared is None:
            return super()._fill(estimator, kind, declared, own)
        return self._baseline.first(_row(kind, declared))

    def _learn(self, attempt: Attempt, *, judge: bool = True) -> None:
        super()._learn(attempt, judge=judge)
        if attempt.outcome == "finished" and attempt.requested_memory_mb and attempt.measured_memory_mb:
            self._baseline.done(Row(
                attempt.category, attempt.measured_memory_mb, attempt.wall_s or 0.0, attempt.requested_memory_mb,
                attempt.input_mb), ())

    def retry(
            self, kind: Kind, resource: str, allocation: float, declared: float | None, largest: float | None) -> float:
        if resource != "memory" or declared is None:
            return super().retry(kind, resource, allocation, declared, largest)
        return max(self._baseline.retry(_row(kind, declared), allocation), allocation + 1.0)


def _row(kind: Kind, declared: float) -> Row:
    return Row(kind.category, 0.0, 0.0, declared, kind.input_mb or None, context=kind.context)
