"""Backfilling in virtual time: no planned start is late while predictions hold, and overruns idle no cores for long."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_claim import Drawn, OneClaim, policy_of

CORES = 8
JOBS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, CORES), st.sampled_from([2, 5, 9, 30, 70, 200])),
                min_size=5, max_size=40)


@settings(max_examples=40, deadline=None)
@given(JOBS, st.sampled_from(["fifo", "priority"]), st.sampled_from(["easy", "sjbf"]))
def test_no_planned_start_is_late_while_predictions_hold(drawn, order, reserve):
    """Every category has one run time, which is known. Each job starts when it was first promised, or before."""
    jobs = sorted(Drawn(float(at), cores, float(lasts), f"c{lasts}") for at, cores, lasts in drawn)
    seen = [(f"c{lasts}", float(lasts)) for lasts in (2, 5, 9, 30, 70, 200)]
    world = OneClaim(jobs, seen, CORES, policy_of(order, reserve))
    assert all(start >= job.arrival for start, job in zip(world.run(), jobs))
    assert world.late() == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, CORES), st.sampled_from([1, 2, 3])),
                min_size=3, max_size=15), st.sampled_from(["easy", "sjbf", "conservative"]))
def test_priority_inversions_are_bounded(drawn, reserve):
    """Jobs of all sizes and priorities wait while one has all cores. Lower ones may start before higher ones, but
    do not delay the first of all; and with `conservative` each starts when it would if no lower one were there. (None
    waits for so long that it becomes the first for its age.)
    """
    jobs = [Drawn(0.0, CORES, 2.0, "c2", 9.0), *(
        Drawn(1.0, cores, float(lasts), f"c{lasts}", float(priority)) for priority, cores, lasts in drawn)]
    seen = [(f"c{lasts}", float(lasts)) for lasts in (1, 2, 3)]

    def run(some: list[Drawn]) -> OneClaim:
        world = OneClaim(some, seen, CORES, policy_of("priority", reserve))
        world.run()
        return world

    world = run(jobs)
    assert world.late() == 0
    if reserve == "conservative":
        for least in (1.0, 2.0, 3.0):
            higher = [n for n, job in enumerate(jobs) if job.priority >= least]
            assert run([jobs[n] for n in higher]).starts == [world.starts[n] for n in higher]


def test_an_overrun_lets_others_start_meanwhile():
    """A job of 10 s, by all that is known, runs for 1,000 s, and a job of all cores waits for its end. Short jobs that
    come after the predicted end start on the idle cores, since the prediction is corrected.
    """
    jobs = [Drawn(0.0, 1, 1000.0, "slow"), Drawn(1.0, CORES, 5.0, "wide"),
            *(Drawn(100.0 + 50 * n, 1, 2.0, "short") for n in range(10))]
    seen = [("slow", 10.0)] * 5 + [("wide", 5.0)] * 5 + [("short", 2.0)] * 5
    starts = OneClaim(jobs, seen, CORES, policy_of("fifo", "easy")).run()
    assert starts[1] == pytest.approx(1000.0)
    assert all(start - job.arrival < 15.0 for start, job in zip(starts[2:], jobs[2:]))


def test_with_sjbf_the_shortest_start_first_before_a_planned_start():
    """One core is free until a job of all cores starts at 100, three jobs wait for it: Easy packs that time, so that
    those of 90 and 5 s run there. With sjbf it runs the ones of 5 and 9 s first, and that of 90 after the wide one.
    """
    jobs = [Drawn(0.0, 7, 100.0, "first"), Drawn(1.0, CORES, 5.0, "wide"), Drawn(1.5, 1, 1.0, "c1"),
            Drawn(2.0, 1, 90.0, "c90"), Drawn(2.0, 1, 9.0, "c9"), Drawn(2.0, 1, 5.0, "c5")]
    seen = [(job.category, job.lasts) for job in jobs for _ in range(5)]
    found = {reserve: OneClaim(jobs, seen, CORES, policy_of("fifo", reserve)).run()[3:] for reserve in ("easy", "sjbf")}
    assert found["sjbf"] == [105.0, 7.5, 2.5]
    assert min(found["easy"][0], found["easy"][2]) == 2.5
    assert found["easy"][1] == 105.0


def test_with_sjbf_usual_run_times_count():
    """Jobs that usually take 10 s have once taken 60: before a planned start in 50 s one starts with sjbf alone."""
    jobs = [Drawn(0.0, 7, 50.0, "first"), Drawn(1.0, CORES, 5.0, "wide"), Drawn(2.0, 1, 10.0, "varies")]
    seen = [("first", 50.0)] * 5 + [("wide", 5.0)] * 5 + [("varies", s) for s in (60.0, *[10.0] * 8)]
    starts = {reserve: OneClaim(jobs, seen, CORES, policy_of("fifo", reserve)).run()[2] for reserve in ("easy", "sjbf")}
    assert starts == {"easy": 55.0, "sjbf": 2.0}


def test_short_jobs_start_beside_a_planned_start_however_many_wait():
    """Some 60 long jobs, which would end too late, wait before the short ones, which are larger than the smallest."""
    jobs = [Drawn(0.0, 1, 1000.0, "long"), Drawn(1.0, CORES, 5.0, "wide"),
            *(Drawn(2.0, 1 + n % 3, 1200.0 + n, f"late{n}") for n in range(60)), Drawn(3.0, 5, 4.0, "short")]
    seen = [(job.category, job.lasts) for job in jobs for _ in range(5)]
    starts = OneClaim(jobs, seen, CORES, policy_of("fifo", "easy")).run()
    assert starts[-1] < 10.0


def test_the_shortest_first_do_not_wait_for_old_long_ones():
    """A long job precedes short ones for its age only after ten times its run time."""
    jobs = [Drawn(0.0, CORES, 200.0, "long"), Drawn(1.0, CORES, 200.0, "long"),
            *(Drawn(2.0 + 10 * n, CORES, 10.0, "short") for n in range(60))]
    seen = [("long", 200.0)] * 5 + [("short", 10.0)] * 5
    starts = OneClaim(jobs, seen, CORES, policy_of("shortest", "easy")).run()
    assert starts[1] > starts[40]
    assert starts[1] < 1.0 + 11 * 200.0
