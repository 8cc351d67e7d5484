"""Predicts the remaining time, from the usual run times of each category."""
from __future__ import annotations

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
