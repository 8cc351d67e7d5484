"""Claims are sized for the mix of tasks that waits, and are no smaller than tasks need that may come next."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from world import FakeExecutor, World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.mix import LATELY_S, Mix
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.needs import FILL, OVERRIDE
from mfmesos.core.policy import Policy
from mfmesos.core.sizing import MARGIN_DISK_MB, MARGIN_MB, PerCore
from mfmesos.shared import wire

AGENT = Resources(4, 3000, 30000)
POLICY = Policy(workdir="/w", batch_delay_s=0.0, claim_idle_s=60.0)
WHOLE = replace(POLICY, whole_agent_claims=True)
STARTS_S = 1.0
"""How long an executor takes to start, and how often the master offers."""
STEP_S = 0.25
Jobs = list[tuple[float, float]]
"""(memory in MB, duration in seconds) of tasks of one core that are submitted together."""


@dataclass
class Timed:
    """A world in which starts, offers and tasks take their time."""

    world: World
    durations: dict[int, float]
    started: dict[str, float]
    seen: dict[str, float]

    def step(self) -> None:
        world = self.world
        if world.now % STARTS_S < STEP_S:
            for name, master in world.masters.items():
                if not master.suppressed:
                    world.offer(name)
        for executor in world.live():
            if world.now - self.seen.setdefault(executor.claim.claim_id, world.now) >= STARTS_S:
                self._work(executor)
        world.pass_time(STEP_S)

    def _work(self, executor: FakeExecutor) -> None:
        for attempt in list(executor.running):
            begun = self.started.setdefault(attempt, self.world.now)
            if self.world.now - begun >= self.durations[int(attempt.partition(".")[0])]:
                self.world.finish(executor, attempt)
        self.world.sync(executor)
        for attempt in executor.running:
            self.started.setdefault(attempt, self.world.now)


def ends_at(policy: Policy, rounds: Iterator[Jobs], agents: int = 1) -> tuple[float, World]:
    """When the last task has ended, if each round is submitted when the one before has ended."""
    world = World(policy, {f"a{n}": AGENT for n in range(agents)})
    timed, submitted = Timed(world, {}, {}, {}), 0
    world.register()
    for jobs in rounds:
        batch = []
        for memory, lasts in jobs:
            submitted += 1
            timed.durations[submitted] = lasts
            batch.append(ev.TaskSubmitted(Task(submitted, f"p{memory:g}", (), (), Request(1.0, memory, 100.0))))
        world.send(*batch)
        while len(world.reports) < submitted:
            assert world.now < 5000
            timed.step()
    return world.now, world


def opened(world: World) -> list[Resources]:
    return [a.resources for a in world.actions if isinstance(a, act.OpenClaim)]


def first_claim(policy: Policy, agent: Resources = AGENT, **request: float) -> Resources:
    """The claim for four such tasks that wait on an idle agent."""
    world = World(policy, {"a1": agent})
    world.register()
    world.submit(1, 2, 3, 4, **request)
    world.offer()
    (claim,) = opened(world)
    return claim


def test_four_small_tasks_hold_what_they_need():
    """One core and 50 MB each: that and a margin, not the whole agent. What is not requested, here the disk, may need
    twice the default."""
    memory = 200 + MARGIN_MB
    assert first_claim(POLICY, cores=1, memory_mb=50) == Resources(4, memory, 8192 + MARGIN_DISK_MB)
    assert first_claim(POLICY, cores=1, memory_mb=50, disk_mb=100) == Resources(4, memory, 400 + MARGIN_DISK_MB)


def test_whole_agent_claims_are_rounded_up():
    """With --claims whole-agent memory and disk follow the cores."""
    assert first_claim(WHOLE, cores=1, memory_mb=50) == Resources(4, 2904, 30000)


@pytest.mark.parametrize("estimates", ["off", FILL])
def test_tasks_without_requests_are_as_safe_as_before(estimates):
    """A default is a guess: the claim is as large as ever."""
    claim, whole = (first_claim(replace(policy, estimates=estimates)) for policy in (POLICY, WHOLE))
    assert claim.memory_mb == whole.memory_mb == 2904


def test_of_unknown_tasks_any_amount_is_expected():
    """Nothing is known of a task that requests nothing until one has ended: its claim has all that goes with its cores,
    however large the agent is. Otherwise tasks that turn out to be large would leave cores of the claim idle.
    """
    large = Resources(8, 32096, 30000)
    assert first_claim(POLICY, large).memory_mb == first_claim(WHOLE, large).memory_mb == 16000
    assert first_claim(POLICY, large, cores=1, memory_mb=50).memory_mb == 200 + MARGIN_MB


def test_what_has_ended_is_known():
    """After the first results the next claim is sized by what was given: twice of it for each core."""
    world = World(POLICY, {"a1": Resources(4, 32096, 30000)})
    world.register()
    world.submit(*range(1, 21))
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    for _ in range(5):
        for attempt in list(executor.running):
            world.finish(executor, attempt, usage=wire.Usage(memory_mb=100.0, wall_s=5.0))
        world.sync(executor)
    assert len(world.reports) == 20
    world.end(executor, "TASK_FINISHED")
    world.submit(21, 22, 23, 24)
    world.offer()
    first, second = opened(world)
    assert first.memory_mb == 32000
    assert second.memory_mb <= 4 * 2 * POLICY.defaults.memory_mb + MARGIN_MB


def test_what_waits_together_shares_a_claim_that_holds_the_largest():
    """Tasks of 50 MB and 1 GB alternate in the queue: they take no longer than in claims of the whole agent."""
    jobs: Jobs = [(50.0, 3.0), (1000.0, 3.0)] * 20
    mixed, world = ends_at(POLICY, iter([jobs]))
    assert mixed <= ends_at(WHOLE, iter([jobs]))[0]
    assert len(opened(world)) == 1


def test_what_came_before_is_expected_again():
    """Four tasks of 50 MB, then four of 1 GB, and so on: after the first change, which no one could foresee, claims
    hold both, and each further round takes as long as in claims of the whole agent.
    """
    rounds = [[(50.0, 3.0)] * 4, [(1000.0, 3.0)] * 4]
    mixed, world = ends_at(POLICY, iter(rounds * 10))
    first, beginning = ends_at(POLICY, iter(rounds * 2))
    whole = ends_at(WHOLE, iter(rounds * 10))[0]
    assert len(opened(world)) == len(opened(beginning)) == 2
    assert opened(world)[1].cores == 4.0  # as the one before it, although only two of 1 GB fit
    assert mixed - first <= whole - ends_at(WHOLE, iter(rounds * 2))[0]
    assert mixed <= whole + 2 * STARTS_S


def test_room_that_was_given_up_is_asked_for_at_once():
    """When the claim has ended that made way, the master is asked again, and need not wait for its next allocation."""
    world = World(POLICY, {"a1": AGENT})
    world.register()
    world.submit(1, 2, 3, 4, cores=1.0, memory_mb=50.0, disk_mb=100.0)
    world.offer()
    (executor,) = world.live()
    for _ in range(2):
        world.sync(executor)
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    world.sync(executor)
    world.now += 1.0
    world.actions.clear()
    world.submit(5, cores=1.0, memory_mb=1000.0, disk_mb=100.0)
    world.sync(executor)
    assert executor.released
    told = [type(a) for a in world.actions if isinstance(a, (act.Revive, act.CloseClaim, act.Suppress))]
    assert told[-2:] == [act.CloseClaim, act.Revive]
    world.offer()
    assert opened(world)[-1].memory_mb >= 1000


def test_busy_claims_make_way_for_tasks_that_they_were_not_sized_for():
    """A stream of 50 MB tasks keeps two agents busy when 40 of 1 GB come: all agents get claims that hold those, one
    change each, and it ends at most a few starts and one task's time later than in claims of the whole agent.
    """
    jobs: Jobs = [(50.0, 4.0)] * 60

    def all_at_once_then_large(policy: Policy) -> tuple[float, World]:
        world = World(policy, {"a1": AGENT, "a2": AGENT})
        timed = Timed(world, {}, {}, {})
        world.register()
        for first, batch in ((1, jobs), (61, [(1000.0, 4.0)] * 40)):
            for number, (memory, lasts) in enumerate(batch, first):
                timed.durations[number] = lasts
                world.submit(number, cores=1.0, memory_mb=memory, disk_mb=100.0)
            for _ in range(40):
                timed.step()
        while len(world.reports) < 100:
            assert world.now < 1000
            timed.step()
        return world.now, world

    mixed, world = all_at_once_then_large(POLICY)
    whole, _ = all_at_once_then_large(WHOLE)
    assert len(opened(world)) == 4
    assert mixed <= whole + 4.0 + 4 * STARTS_S


def test_an_exhausted_estimate_is_retried_in_the_same_claim():
    """History says 50 MB; one task needs more: the claim has room for the larger retry, and no other is opened."""
    world = World(POLICY, {"a1": AGENT})
    world.send(ev.HistoryLoaded(tuple(
        Attempt(1e9, "cmd", "finished", measured_memory_mb=50.0, measured_cores=1.0, wall_s=20.0)
        for _ in range(30))))
    world.register()
    world.submit(1, 2, 3, 4, disk_mb=100)
    world.offer()
    (executor,) = world.live()
    assert executor.claim.resources.memory_mb < 800
    world.sync(executor)
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", usage=wire.Usage(memory_mb=60.0, wall_s=5.0))
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    for _ in range(3):
        world.sync(executor)
    assert list(executor.running) == ["1.2"]
    assert len(opened(world)) == 1


def test_a_bound_on_memory_allows_no_spare():
    """With --max-memory claims hold what their tasks need, as before."""
    bounded = replace(POLICY, max_memory_mb=2000.0)
    assert first_claim(bounded, cores=1, memory_mb=50, disk_mb=10) == Resources(4, 200, 40)


def test_the_mix_forgets():
    """A category counts for LATELY_S after its last start, and then no more."""
    mix = Mix(FILL)
    mix.started("big", Resources(2, 2000, 100), Request(2, 2000, 100), 0.0)
    mix.started("small", Resources(1, 50, 10), Request(1, 50, 10), LATELY_S - 1)
    assert mix.most((), LATELY_S - 1) == PerCore(1000, 50)
    assert mix.most((), LATELY_S) == PerCore(50, 10)
    assert mix.most([PerCore(70, 1)], LATELY_S) == PerCore(70, 10)


def test_headroom_is_for_what_may_grow():
    """What was requested is never exceeded, unless estimates take its place; a task without cores says nothing."""
    given = Resources(2, 100, 40)
    assert Mix(FILL).per_core(given, 100.0, 40.0) == PerCore(50, 20)
    assert Mix(FILL).per_core(given, None, 40.0) == PerCore(100, 20)
    assert Mix(OVERRIDE).per_core(given, 400.0, None) == PerCore(100, 40)
    assert Mix(FILL).per_core(Resources(0, 100, 40), None, None) == PerCore()
