"""The EASY that experiments compare with is EASY: a worked example, and a check by brute force on cases of 10 jobs."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from easy_reference import Job, easy
from hypothesis import given, settings
from hypothesis import strategies as st

DOCS = Path(__file__).resolve().parents[2] / "docs" / "policies.md"
EXAMPLE = (Job(0, 3, 10, 10), Job(1, 4, 5, 5), Job(2, 1, 9, 9), Job(3, 1, 8, 8), Job(4, 1, 4, 4))


def test_the_worked_example():
    """That of docs/policies.md, whose table has these jobs and starts."""
    starts = easy(EXAMPLE, 4)
    assert starts == [0, 10, 15, 15, 4]
    rows = [f"| {'ABCDE'[n]} | {job.arrival} | {job.cores} | {job.lasts} | {start} |"
            for n, (job, start) in enumerate(zip(EXAMPLE, starts))]
    assert "\n".join(rows) in DOCS.read_text()


def test_cores_that_the_first_job_leaves_over():
    """A long job starts beside the reservation if the first one does not need its cores."""
    jobs = [Job(0, 2, 10, 10), Job(1, 3, 5, 5), Job(2, 1, 100, 100), Job(3, 1, 100, 100)]
    assert easy(jobs, 4) == [0, 10, 2, 15]


def by_brute_force(jobs: Sequence[Job], cores: int) -> list[int]:
    """Second by second. A job may overtake the first one if, played through second by second with all run times as
    expected, the first one starts no later than without it.
    """
    starts = [-1] * len(jobs)
    now = 0
    while -1 in starts:
        waiting = sorted((job.arrival, n) for n, job in enumerate(jobs) if job.arrival <= now and starts[n] < 0)
        head = None
        for _, n in waiting:
            free = cores - sum(job.cores for start, job in zip(starts, jobs) if start >= 0 and now < start + job.lasts)
            if jobs[n].cores > free:
                head = n if head is None else head
            elif head is None or earliest(jobs, starts, cores, head, now, n) == earliest(
                    jobs, starts, cores, head, now, None):
                starts[n] = now
        now += 1
    return starts


def earliest(
    jobs: Sequence[Job], starts: Sequence[int], cores: int, head: int, now: int, besides: int | None,
) -> int:
    """When the first job would start if nothing but `besides` were started before."""
    trial = list(starts)
    if besides is not None:
        trial[besides] = now
    at = now
    while True:
        busy = sum(job.cores for n, job in enumerate(jobs)
                   if trial[n] >= 0 and at < trial[n] + (job.expected if trial[n] + job.lasts > now else 0))
        if jobs[head].cores <= cores - busy:
            return at
        at += 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4), st.integers(1, 12), st.integers(0, 8)),
                min_size=10, max_size=10))
def test_against_brute_force(drawn):
    """The same starts, also with expectations that are too long."""
    jobs = sorted(Job(arrival, cores, lasts, lasts + more) for arrival, cores, lasts, more in drawn)
    assert easy(jobs, 4) == by_brute_force(jobs, 4)
