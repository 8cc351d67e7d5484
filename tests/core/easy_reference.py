"""EASY backfilling (Lifka, 1995) on one machine, as experiments compare with it: jobs in, start times out."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Job(NamedTuple):
    arrival: int
    cores: int
    lasts: int
    """Seconds that it runs."""
    expected: int
    """Seconds for which it is believed to run when it is planned; at least `lasts`, after which it would be killed."""


def easy(jobs: Sequence[Job], cores: int, shortest: bool = False) -> list[int]:
    """The start of each job. The first job in the queue has a reservation: the shadow time, when enough running jobs
    will have ended. A later job starts before it if it is expected to end by then, or uses no more than the cores that
    the first one leaves over at that time. Later jobs are tried in their order or, as Tsafrir et al. (2007) propose,
    the `shortest` first.
    """
    starts = [-1] * len(jobs)
    running: list[int] = []
    queue: list[int] = []
    moments = {job.arrival for job in jobs}
    while moments:
        now = min(moments)
        moments.remove(now)
        running = [n for n in running if starts[n] + jobs[n].lasts > now]
        queue += [n for n, job in enumerate(jobs) if job.arrival == now]
        free = cores - sum(jobs[n].cores for n in running)
        while queue and jobs[queue[0]].cores <= free:
            free -= jobs[queue[0]].cores
            running.append(queue.pop(0))
            starts[running[-1]] = now
        if queue:
            shadow, extra = _reservation(jobs, starts, running, jobs[queue[0]].cores, free)
            for n in sorted(queue[1:], key=lambda n: jobs[n].expected) if shortest else queue[1:]:
                job = jobs[n]
                ends_before = now + job.expected <= shadow
                if job.cores <= (free if ends_before else min(free, extra)):
                    free -= job.cores
                    extra -= 0 if ends_before else job.cores
                    queue.remove(n)
                    running.append(n)
                    starts[n] = now
        moments |= {starts[n] + jobs[n].lasts for n in running}
        moments = {at for at in moments if at > now}
    return starts


def _reservation(
    jobs: Sequence[Job], starts: Sequence[int], running: Sequence[int], cores: int, free: int,
) -> tuple[int, int]:
    """The shadow time, and the cores that are left over then."""
    ends = sorted((starts[n] + jobs[n].expected, n) for n in running)
    for number, (at, n) in enumerate(ends):
        free += jobs[n].cores
        if free >= cores and (number + 1 == len(ends) or ends[number + 1][0] > at):
            return at, free - cores
    raise ValueError("a job needs more cores than there are")
