"""Predicts the remaining time, from the usual run times of each category."""
from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.resources import SLACK

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


MOST_EXACT = 2_000
"""Tasks that are started one by one in `starts_at`; with more of them the order hardly matters."""


def starts_at(state: State, record: TaskRecord, before: Sequence[tuple[Shape, int]] | None = None) -> float | None:
    """When the waiting task will probably start, in the clock's seconds: as if all cores that run tasks now were one
    claim, and tasks started in their order, those of `before` first. None if too little is known, or if nothing runs.
    """
    ahead = [(state.glance(shape), count) for shape, count in (
        state.queue.ahead(record) if before is None else before)]
    running = [(state.glance(shape).wall_s, some) for shape, some in state.under_way.by_shape()]
    known = [(wall_s, one.attempts) for wall_s, some in running for one in some if wall_s is not None]
    known += [(need.wall_s, count) for need, count in ahead if need.wall_s is not None]
    if not running or not known:
        return None
    mean = sum(wall_s * count for wall_s, count in known) / sum(count for _, count in known)
    ends = [(max(one.at + (wall_s or mean), state.now), one.cores) for wall_s, some in running for one in some]
    jobs = [(need.wall_s or mean, _cores(state, need.cores), count) for need, count in ahead]
    own = _cores(state, state.glance(record.shape()).cores)
    return _after(state.now, ends, jobs, min(own, sum(cores for _, cores in ends)))


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


def _after(now: float, ends: list[tuple[float, float]], jobs: list[tuple[float, float, int]], own: float) -> float:
    """When `own` cores are free after these jobs (seconds, cores, how many) have started, on the cores of what ends at
    these times.
    """
    capacity = sum(cores for _, cores in ends)
    count = sum(n for _, _, n in jobs)
    if count > MOST_EXACT:  # all but the last ones just pass through
        part = (count - MOST_EXACT) / count
        delay = sum(lasts * cores * n for lasts, cores, n in jobs) * part / capacity
        ends = [(at + delay, cores) for at, cores in ends]
        jobs = [(lasts, cores, round(n * (1 - part))) for lasts, cores, n in jobs]
    heapq.heapify(ends)
    free, at = 0.0, now
    for lasts, cores in (*_in_turns(jobs), (0.0, own)):
        while free < cores - SLACK and ends:
            at, released = heapq.heappop(ends)
            free += released
        free -= cores
        heapq.heappush(ends, (at + lasts, cores))
    return at


def _in_turns(jobs: list[tuple[float, float, int]]) -> Iterator[tuple[float, float]]:
    """As if jobs of each sort had come evenly spread among the others."""
    places = sorted(((i + 0.5) / n, lasts, cores) for lasts, cores, n in jobs for i in range(n))
    return ((lasts, cores) for _, lasts, cores in places)
