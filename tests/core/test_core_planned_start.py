"""Large tasks beside streams of small ones (no task starves), and what may start before them."""
from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.needs import OFF
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

LARGE = 1_000_000
SLACK_S = 2.0


class Stream:
    """One claim of 4 cores, and tasks of one core that never stop coming: no core is ever idle for want of tasks."""

    def __init__(self, duration: Callable[[], float], estimates: str) -> None:
        self.world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates=estimates),
                           {"a1": Resources(4, 4096, 20000)})
        self.duration = duration
        self.started: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self.number = 0
        self.submit_small(4)
        self.world.register()
        self.world.offer()
        (self.executor,) = self.world.live()
        self.world.sync(self.executor)
        self.note_started()

    def submit_small(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.world.send(ev.TaskSubmitted(Task(
                self.number, f"small {self.number}", (), (f"o{self.number}",), Request(1.0, 100.0, 10.0))))

    def submit_large(self, cores: float = 4.0) -> None:
        self.world.send(ev.TaskSubmitted(Task(LARGE, "large", (), ("o",), Request(cores, 100.0, 10.0))))

    def large_runs(self) -> bool:
        return any(run.command == "large" for run in self.executor.running.values())

    def note_started(self) -> None:
        for attempt in self.executor.running.keys() - self.ends.keys():
            self.started[attempt] = self.world.now
            self.ends[attempt] = self.world.now + self.duration()

    def step(self) -> None:
        """Until the next task has ended, and another has started."""
        at, attempt = min((self.ends[a], a) for a in self.executor.running)
        while self.world.now + 1.0 < at:
            self.world.pass_time(1.0)
        self.world.now = at
        lasted = at - self.started[attempt]
        self.world.finish(self.executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, lasted, lasted))
        self.submit_small(1)
        self.world.sync(self.executor)
        self.world.sync(self.executor)
        self.note_started()


DURATIONS = {
    "equal": lambda r: lambda: 3.0,
    "log-uniform": lambda r: lambda: math.exp(r.uniform(math.log(0.2), math.log(20.0))),
}


@pytest.mark.parametrize("kind", DURATIONS)
@pytest.mark.parametrize("estimates", ["fill", OFF])
@pytest.mark.parametrize("seed", range(5))
def test_a_task_of_all_cores_starts_when_what_ran_has_ended(kind, estimates, seed):
    """Within the longest remaining run time of what ran when it was submitted, plus 2 s, however many small tasks come;
    before, it had not started after 3,000 of them.
    """
    stream = Stream(DURATIONS[kind](random.Random(seed)), estimates)
    for _ in range(30 + seed):
        stream.step()
    stream.submit_large()
    longest = max(stream.ends[a] for a in stream.executor.running)
    stream.submit_small(20)
    for _ in range(300):
        if stream.large_runs():
            break
        stream.step()
    assert stream.large_runs()
    assert stream.world.now <= longest + SLACK_S


def test_what_ends_before_the_planned_start_may_start_in_between():
    """A large task waits for the end of a long one. Tasks known to be short use the free cores meanwhile; the large one
    is not delayed. Tasks that would take longer wait behind it.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(4, 4096, 20000)})
    past = [Attempt(1e9, c, "finished", measured_memory_mb=50.0, wall_s=s) for c, s in (
        ("long", 100.0), ("short", 5.0), ("middle", 200.0)) for _ in range(10)]
    world.send(ev.HistoryLoaded(tuple(past)))

    def submit(number: int, category: str, cores: float = 1.0) -> None:
        world.send(ev.TaskSubmitted(Task(number, category, (), (f"o{number}",), Request(cores, 100.0, 10.0), category)))

    def running() -> list[str]:
        return sorted(run.command for e in world.live() for run in e.running.values())

    submit(1, "long", 2.0)
    submit(2, "short", 2.0)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    submit(3, "large", 4.0)
    submit(4, "middle")
    submit(5, "short")
    submit(6, "short")
    world.now = 5.0
    world.finish(executor, "2.1", usage=wire.Usage(50.0, 1.0, 1.0, 5.0, 5.0))
    world.sync(executor)
    world.sync(executor)
    assert running() == ["long", "short", "short"]
    world.now = 98.0
    for attempt in ("5.1", "6.1"):
        world.finish(executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, 5.0, 5.0))
    submit(7, "short")
    world.sync(executor)
    world.sync(executor)
    assert running() == ["long"]  # a short one would end at 103 s
    world.now = 100.0
    world.finish(executor, "1.1", usage=wire.Usage(50.0, 1.0, 1.0, 100.0, 100.0))
    world.sync(executor)
    world.sync(executor)
    assert running() == ["large"]


def test_a_planned_start_ends_with_its_task_its_claim_or_its_deadline():
    """Whatever ends it, the other tasks use the claim again at once."""
    for how in ("withdrawn", "late"):
        stream = Stream(lambda: 3.0, "fill")
        for _ in range(9):
            stream.step()
        world = stream.world
        stream.submit_large()
        stream.submit_small(8)
        for _ in range(6):
            stream.step()
            if len(stream.executor.running) < 4:
                break
        assert world.core.state.holds.first is not None
        assert len(stream.executor.running) < 4
        if how == "withdrawn":
            world.send(ev.TaskWithdrawn(LARGE))
        else:
            world.now = world.core.state.holds.first.until
            world.core.state.holds.tried_at = world.now
        world.send(ev.Tick())
        world.sync(stream.executor)
        assert len(stream.executor.running) == 4
        assert world.core.state.holds.first is None


def test_with_several_claims_the_one_is_held_that_has_room_first():
    """Two claims of 2 cores, one with 90 s of work left and one with 10 s."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="fill"),
                  {"a1": Resources(2, 4096, 20000), "a2": Resources(2, 4096, 20000)})
    past = [Attempt(1e9, c, "finished", measured_memory_mb=50.0, wall_s=s) for c, s in (
        ("long", 100.0), ("short", 20.0)) for _ in range(10)]
    tasks = [Task(i, c, (), (f"o{i}",), Request(1.0, 100.0, 10.0), c) for i, c in enumerate(
        ("long", "long", "short", "short"), 1)]
    world.send(ev.HistoryLoaded(tuple(past)), *(ev.TaskSubmitted(t) for t in tasks))
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    world.now = 10.0
    world.send(ev.TaskSubmitted(Task(5, "large", (), ("o5",), Request(2.0, 100.0, 10.0), "large")),
               ev.TaskSubmitted(Task(6, "long", (), ("o6",), Request(1.0, 100.0, 10.0), "long")))
    long_one, short_one = world.live()
    world.finish(long_one, "1.1", usage=wire.Usage(50.0, 1.0, 1.0, 10.0, 10.0))
    world.sync(long_one)
    assert world.core.state.holds.first is not None
    assert world.core.state.holds.first.claim_id == short_one.claim.claim_id
    world.sync(long_one)
    assert "6.1" in long_one.running  # the other claim is free for all


def test_a_task_whose_input_lies_in_the_held_claim_does_not_overtake_either():
    """The large task was there first; the bytes of the next one keep."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(2, 4096, 20000)})
    data = StagedInput("big", "d" * 64, 100 << 20, 0o644)

    def submit(number: int, command: str, cores: float, *inputs: StagedInput) -> None:
        task = Task(number, command, tuple(i.name for i in inputs), (f"o{number}",), Request(cores, 100.0, 200.0),
                    command)
        world.send(ev.TaskSubmitted(task, inputs))

    submit(1, "first", 1.0, data)
    submit(2, "second", 1.0, data)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    submit(3, "large", 2.0)
    submit(4, "near", 1.0, data)
    world.now = 5.0
    world.finish(executor, "1.1", usage=wire.Usage(50.0, 1.0, 1.0, 5.0, 5.0))
    world.sync(executor)
    world.sync(executor)
    assert sorted(run.command for run in executor.running.values()) == ["second"]
    world.finish(executor, "2.1", usage=wire.Usage(50.0, 1.0, 1.0, 5.0, 5.0))
    world.sync(executor)
    world.sync(executor)
    assert sorted(run.command for run in executor.running.values()) == ["large"]


@pytest.mark.parametrize("beside", [1, 3])
def test_a_long_task_may_start_beside_the_planned_start(beside):
    """It uses cores that the first task leaves over at that time: as many as there are, and no more. The first task
    starts when it was planned.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(8, 8192, 20000)})
    world.ahead = False
    past = [Attempt(1e9, c, "finished", measured_memory_mb=50.0, wall_s=s)
            for c, s in (("first", 1.0), ("short", 100.0), ("head", 50.0), ("long", 500.0)) for _ in range(10)]
    world.send(ev.HistoryLoaded(tuple(past)))

    def submit(number: int, category: str, cores: float) -> None:
        world.send(ev.TaskSubmitted(Task(number, category, (), (f"o{number}",), Request(cores, 100.0, 10.0), category)))

    def running() -> set[int]:
        world.sync(executor)
        world.sync(executor)
        return {int(attempt.partition(".")[0]) for attempt in executor.running}

    submit(1, "first", 8.0)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "1.1", usage=wire.Usage(50.0, 1.0, 1.0, 1.0, 1.0))
    submit(2, "short", 4.0)
    assert running() == {2}
    submit(3, "head", 6.0)
    for number in range(beside):
        submit(10 + number, "long", 1.0)
    world.pass_time(2.0)
    assert running() == {2, *range(10, 10 + min(beside, 2))}
    world.now = 101.0
    world.finish(executor, "2.1", usage=wire.Usage(50.0, 1.0, 1.0, 100.0, 100.0))
    assert 3 in running()
