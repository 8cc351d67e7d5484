"""Predicts the remaining time from the usual run times of each category, and what another order would change."""
from __future__ import annotations

from collections.abc import Iterator

from mfmesos.core.forecast import starts_at
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState

MOST_UNKNOWN = 0.25
"""Share of the tasks; with more tasks of unknown length no prediction is made."""


def seconds_left(state: State) -> float | None:
    """Seconds until all known tasks have ended in the present claims; None if too little is known. Costs as much as
    there are waiting shapes, and running shapes times the seconds for which they have run.
    """
    cores = state.claims.cores[ClaimState.OPEN] + state.claims.cores[ClaimState.DRAINING]
    work = longest = 0.0
    unknown = 0
    for shape, count in state.queue.counts():
        need = state.glance(shape)
        if need.wall_s is None:
            unknown += count
        else:
            work += count * need.wall_s * _cores(state, need.cores)
            longest = max(longest, need.wall_s)
    for shape, some in state.under_way.by_shape():
        wall_s = state.glance(shape).wall_s
        if wall_s is None:
            unknown += sum(started.attempts for started in some)
            continue
        for at, _, its_cores in some:
            left = max(wall_s - (state.now - at), 0.0)
            work += left * its_cores
            longest = max(longest, left)
    if cores <= 0 or not state.tasks or unknown > MOST_UNKNOWN * len(state.tasks):
        return None
    return max(work / cores * len(state.tasks) / (len(state.tasks) - unknown), longest)


def _cores(state: State, cores: float | None) -> float:
    return state.policy.defaults.cores if cores is None else cores


NOTICED, NOTICED_S = 0.05, 1.0
"""Another time of a start differs by more than this part of the time until then, and than this."""
MOST_COUNTED = 20_000
"""Tasks that may wait where those of each shape are counted one by one."""


def otherwise(state: State, record: TaskRecord, at: float | None) -> Iterator[tuple[str, float]]:
    """The orders with which the task would start at another time than `at`, as predicted, and when."""
    if at is None or len(state.queue) > MOST_COUNTED:
        return
    for name, before in (("fifo", _submitted_before), ("shortest", _shorter)):
        if name != state.policy.ordering:
            then = starts_at(state, record, before(state, record))
            if then is not None and abs(then - at) > max(NOTICED * (at - state.now), NOTICED_S):
                yield name, then


def _submitted_before(state: State, record: TaskRecord) -> list[tuple[Shape, int]]:
    return [(shape, sum(one.order < record.order for one in state.queue.each(shape)))
            for shape, _ in state.queue.counts()]


def _shorter(state: State, record: TaskRecord) -> list[tuple[Shape, int]]:
    """Of categories of shorter tasks, or of which none has ended."""
    own_s = state.glance(record.shape()).wall_s or 0.0
    found = []
    for shape, count in _submitted_before(state, record):
        usual_s = state.glance(shape).wall_s or 0.0
        found.append((shape, state.queue.count(shape) if usual_s < own_s else count if usual_s == own_s else 0))
    return found
