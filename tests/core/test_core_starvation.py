"""A task of all cores of an agent beside an endless stream of small ones: when it starts, and how much is idle until
then, against an exact search that knows when everything ends.
"""
from __future__ import annotations

import random

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

CORES = 4
LARGE = 1_000_000
SLACK_S = 2.0
MOST_IDLE = 1.15
"""Of the least possible."""
SEEDS = range(12)
CLASSES = [0.2 * 100 ** (n / 15) for n in range(16)]
"""Seconds: log-uniform from 0.2 to 20."""
LOG_UNIFORM, EQUAL = "log-uniform", "equal"


def least_idle(gaps: list[float], tasks: list[float]) -> float:
    """The least idle core-seconds: `gaps` are the free seconds of each core until the large task starts, `tasks` the
    durations of what may run there meanwhile, any of them at any time. Exact (branch and bound).
    """
    ordered = sorted((t for t in tasks if t <= max(gaps, default=0.0)), reverse=True)
    rest = [sum(ordered[n:]) for n in range(len(ordered) + 1)]
    best = 0.0

    def search(number: int, left: tuple[float, ...], filled: float) -> None:
        nonlocal best
        best = max(best, filled)
        if number == len(ordered) or filled + min(rest[number], sum(left)) <= best + 1e-9:
            return
        lasts = ordered[number]
        for core, gap in enumerate(left):
            if gap + 1e-9 >= lasts and gap not in left[:core]:
                search(number + 1, (*left[:core], gap - lasts, *left[core + 1:]), filled + lasts)
        following = next((n for n in range(number, len(ordered)) if ordered[n] != lasts), len(ordered))
        search(following, left, filled)  # without this one, and so without its equals

    search(0, tuple(gaps), 0.0)
    return sum(gaps) - best


def test_the_exact_search_on_cases_that_are_solved_by_hand():
    """Longest first is not always best: 6 and 5 seconds free, tasks of 4, 3, 3, 2 s."""
    assert least_idle([6.0, 5.0], [5.0, 4.0, 3.0, 3.0]) == pytest.approx(0.0)
    assert least_idle([6.0], [4.0, 3.0, 3.0]) == pytest.approx(0.0)
    assert least_idle([6.0, 5.0], [4.0, 4.0]) == pytest.approx(3.0)
    assert least_idle([2.0, 1.0], [3.0, 3.0]) == pytest.approx(3.0)
    assert least_idle([], [1.0]) == 0.0


class Stream:
    """One claim of all cores of an agent, and small tasks that never stop coming: for each that ends comes another."""

    def __init__(self, kind: str, known: bool, seed: int) -> None:
        self.chance, self.kind, self.known = random.Random(seed), kind, known
        self.world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(CORES, 40960, 200000)})
        self.world.ahead = None  # type: ignore[assignment]
        self.lasts: dict[int, float] = {}
        self.ends: dict[str, float] = {}
        self.idle, self.endless = 0.0, True
        if known:
            self.world.send(ev.HistoryLoaded(tuple(
                Attempt(1e9, self.category(s), "finished", measured_memory_mb=50.0, wall_s=s)
                for s in (CLASSES if kind == LOG_UNIFORM else [3.0]) for _ in range(10))))
        for _ in range(CORES):
            self.submit_small()
        self.world.register()
        self.world.offer()
        (self.executor,) = self.world.live()
        self.sync()

    def category(self, seconds: float) -> str:
        return f"c{seconds:.2f}" if self.known else "small"

    def submit_small(self) -> None:
        number = len(self.lasts) + 1
        self.lasts[number] = self.chance.choice(CLASSES) if self.kind == LOG_UNIFORM else 3.0
        self.world.send(ev.TaskSubmitted(Task(
            number, "x", (), (f"o{number}",), Request(1.0, 100.0, 10.0), self.category(self.lasts[number]))))

    def submit_large(self) -> None:
        self.world.send(ev.TaskSubmitted(Task(LARGE, "large", (), ("o",), Request(CORES, 100.0, 10.0), "large")))

    def sync(self) -> None:
        self.world.sync(self.executor)
        self.world.sync(self.executor)
        for attempt in self.running():
            if attempt not in self.ends:
                self.ends[attempt] = self.world.now + self.lasts.get(int(attempt.partition(".")[0]), 1.0)

    def running(self) -> list[str]:
        """Without what is queued ahead."""
        return list(self.executor.running)[:CORES]

    def step(self) -> None:
        """Until the next task has ended; a core that starts nothing in this moment is idle."""
        at, attempt = min((self.ends[a], a) for a in self.running())
        self.idle += (CORES - len(self.running())) * (at - self.world.now)
        while self.world.now + 1.0 < at:
            self.world.pass_time(1.0)
        self.world.now = at
        lasted = self.lasts[int(attempt.partition(".")[0])]
        self.world.finish(self.executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, lasted, lasted))
        if self.endless:
            self.submit_small()
        self.sync()

    def waiting(self) -> list[int]:
        return [r.task.id for r in self.world.core.state.queue]


def until_large_starts(kind: str, known: bool, backlog: int, seed: int) -> tuple[float, float]:
    """Idle core-seconds until the large task starts, before a backlog of that many small ones, and the least possible.
    """
    stream = Stream(kind, known, seed)
    if kind == EQUAL:  # the cores are not in step
        for attempt in stream.ends:
            stream.ends[attempt] *= stream.chance.random()
    for _ in range(25 + seed):
        stream.step()
    stream.idle = 0.0
    stream.submit_large()
    ends = [stream.ends[a] for a in stream.running()]
    longest = max(ends)
    for _ in range(backlog):
        stream.submit_small()
    possible = set(stream.waiting()) - {LARGE}
    stream.endless = not known
    for _ in range(2000):
        if any(a.startswith(f"{LARGE}.") for a in stream.executor.running):
            break
        stream.step()
    assert any(a.startswith(f"{LARGE}.") for a in stream.executor.running)
    assert stream.world.now <= longest + SLACK_S
    tasks = [stream.lasts[n] for n in possible] if known else []
    return stream.idle, least_idle([longest - at for at in ends], tasks)


@pytest.mark.parametrize("backlog", [2, 8, 14])
@pytest.mark.parametrize(("kind", "known"), [(EQUAL, True), (EQUAL, False), (LOG_UNIFORM, True), (LOG_UNIFORM, False)])
@pytest.mark.timeout(240)
def test_a_task_of_all_cores_starts_in_time_and_little_is_idle(kind, known, backlog):
    """It starts within the longest remaining run time of what ran when it came, plus 2 s. Idle until then is at most
    1.15 of the least possible when it starts as soon as it can: over all ways to run what waits meanwhile, where each
    run time is known beforehand; where none is known, nothing can be run meanwhile without delaying the large task.
    With 14 tasks that wait first fit leaves 3.2, and the longest first 1.20.
    """
    found = [until_large_starts(kind, known, backlog, seed) for seed in SEEDS]
    idle, least = (sum(column) for column in zip(*found))
    assert idle <= MOST_IDLE * least, (idle, least, [f"{a:.2f}/{b:.2f}" for a, b in found])
