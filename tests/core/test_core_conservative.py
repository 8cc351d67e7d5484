"""Conservative backfilling: every one of the first tasks has a planned start, which no later task delays."""
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_claim import Drawn, OneClaim, policy_of
from world import World

from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.holds import MOST_HOLDS
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.profile import Profile
from mfmesos.core.waiting import Binding, why_waiting
from mfmesos.shared import wire

CORES = 8
TIMES = [2, 5, 9, 30, 70]
SEEN = [(f"c{lasts}", float(lasts)) for lasts in TIMES]
JOBS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, CORES), st.sampled_from(TIMES)), min_size=3, max_size=20)


def drawn(values: list[tuple[int, int, int]]) -> list[Drawn]:
    return sorted(Drawn(float(at), cores, float(lasts), f"c{lasts}") for at, cores, lasts in values)


def by_hand(jobs: list[Drawn]) -> list[float]:
    """Second by second: each job, in the order of arrival, at the first time at which its cores are free for as long
    as it runs, beside all jobs before it.
    """
    used: dict[int, int] = {}
    starts = []
    for job in jobs:
        start, lasts = int(job.arrival), int(job.lasts)
        while any(used.get(start + n, 0) + job.cores > CORES for n in range(lasts)):
            start += 1
        for n in range(lasts):
            used[start + n] = used.get(start + n, 0) + job.cores
        starts.append(float(start))
    return starts


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_jobs_start_as_in_a_search_by_hand(values):
    """While predictions hold; so each starts when it was first promised, too."""
    jobs = drawn(values)
    world = OneClaim(jobs, SEEN, CORES, policy_of("fifo", "conservative"))
    assert world.run() == by_hand(jobs)
    assert world.late() == 0


@settings(max_examples=20, deadline=None)
@given(JOBS, st.sampled_from(["priority", "fair"]))
def test_with_other_orders_all_jobs_start(values, order):
    jobs = drawn(values)
    starts = OneClaim(jobs, SEEN, CORES, policy_of(order, "conservative")).run()
    assert all(start >= job.arrival for start, job in zip(starts, jobs))


def test_the_second_in_the_queue_is_not_delayed_where_easy_delays_it():
    """A has 6 of 8 cores until 9, B needs 7 then, C all 8 when B has ended. D, of 1 core for 30 s, fits beside B: with
    `easy` it starts, and C waits for its end at 33. Otherwise C starts at 14 as planned, and D after it.
    """
    jobs = drawn([(0, 6, 9), (1, 7, 5), (2, 8, 5), (3, 1, 30)])
    assert OneClaim(jobs, SEEN, CORES, policy_of("fifo", "easy")).run() == [0.0, 9.0, 33.0, 3.0]
    assert OneClaim(jobs, SEEN, CORES, policy_of("fifo", "conservative")).run() == [0.0, 9.0, 14.0, 19.0]


def test_at_most_so_many_have_planned_starts():
    """Whatever waits."""
    jobs = [Drawn(0.0, 6, 70.0, "c70"), *(Drawn(1.0, CORES, 5.0, "c5") for _ in range(3 * MOST_HOLDS)),
            *(Drawn(2.0 + n, 1, 2.0, "c2") for n in range(20))]
    world = OneClaim(jobs, SEEN, CORES, policy_of("fifo", "conservative"))
    most = 0
    send = world._send

    def counted(*events: ev.Event) -> None:
        nonlocal most
        send(*events)
        most = max(most, len(world.core.state.holds))

    world._send = counted  # type: ignore[method-assign]
    starts = world.run()
    assert most == MOST_HOLDS
    assert starts[1] == 70.0
    assert all(start - job.arrival < 3.0 for start, job in zip(starts[-20:], jobs[-20:]))


def two_claims() -> World:
    """Of 4 cores each; tasks 1 and 2 of 3 cores run there, for 50 s and for 100 s, and have done so for 9 s."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, planned_start="conservative"),
                  {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)})
    world.send(ev.HistoryLoaded(tuple(Attempt(1e9, name, "finished", measured_memory_mb=50.0, wall_s=float(name))
                                      for name in ("50", "100", "9", "20", "300") for _ in range(10))))
    submit(world, (1, "50", 3.0), (2, "100", 3.0), (3, "9", 1.0), (4, "9", 1.0))
    world.register()
    world.offer()
    sync_all(world)
    world.now += 9.0
    for executor in world.live():
        for attempt in [one for one in executor.running if one in ("3.1", "4.1")]:
            world.finish(executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, 9.0, 9.0))
    sync_all(world)
    return world


def sync_all(world: World) -> None:
    for executor in world.live():
        world.sync(executor)


def submit(world: World, *tasks: tuple[int, str, float]) -> None:
    world.send(*(ev.TaskSubmitted(Task(number, "x", (), (f"o{number}",), Request(cores, 100.0, 10.0), category))
                 for number, category, cores in tasks))


def test_planned_starts_are_in_the_claims_that_have_room_first():
    """Two tasks of 4 cores and 20 s wait while 41 s and 91 s of work are left: both are planned in the first claim. A
    task of 1 core for 300 s would delay them there, and starts in the other claim; one of 20 s ends before. `why` has
    each planned start.
    """
    world = two_claims()
    submit(world, (5, "20", 4.0), (6, "20", 4.0), (7, "20", 1.0), (8, "300", 1.0))
    sync_all(world)
    state = world.core.state
    planned = {hold.task_id: hold.at - world.now for hold in state.holds}
    assert planned == {5: pytest.approx(41.0, abs=1.0), 6: pytest.approx(61.0, abs=1.0)}
    assert len(state.holds.claims()) == 1
    found, own = why_waiting(state, 6), state.holds.of_task(6)
    assert found is not None
    assert own is not None
    assert (found.binding, found.start_at) == (Binding.GATHERING, own.at)
    running = {int(attempt.partition(".")[0]): executor for executor in world.live() for attempt in executor.running}
    assert running.keys() == {1, 2, 7, 8}
    assert running[8] is running[2]


def test_an_end_before_its_time_brings_planned_starts_forward():
    """What was expected to run for 70 s ends after 5: the next ones start at once, in their order."""
    jobs = [Drawn(0.0, 8, 5.0, "c70"), Drawn(1.0, 8, 5.0, "c5"), Drawn(2.0, 8, 9.0, "c9"), Drawn(3.0, 4, 2.0, "c2")]
    starts = OneClaim(jobs, SEEN, CORES, policy_of("fifo", "conservative")).run()
    assert starts == [0.0, 5.0, 10.0, 19.0]


def test_a_profile_is_what_is_free_from_now_on():
    """Room comes with each end and goes with what is planned; a task starts where it fits for as long as it runs."""
    one = Resources(1.0, 1.0)
    there = Profile(10.0, one * 1, [(30.0, one), (20.0, one), (20.0, one), (math.inf, one)])
    assert [there.free_at(at).cores for at in (10.0, 19.9, 20.0, 30.0, 99.0, math.inf)] == [1, 1, 3, 4, 4, 0]
    assert there.earliest(one * 3, 5.0) == 20.0
    there.take(25.0, 10.0, one * 2)
    assert [there.free_at(at).cores for at in (20.0, 25.0, 30.0, 35.0)] == [3, 1, 2, 4]
    assert there.earliest(one * 3, 5.0) == 20.0
    assert there.earliest(one * 3, 6.0) == 35.0
    assert there.earliest(one * 5, 1.0) == math.inf
    there.take(there.earliest(one * 4, math.inf), math.inf, one * 4)
    assert there.earliest(one * 3, 6.0) == math.inf
    assert there.earliest(one * 3, 5.0) == 20.0
