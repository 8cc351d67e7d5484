"""Sums over a run for its report: what it held, gave to tasks and used; by category, by cause; its critical path."""
from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from mfmesos.store.run_reading import kind_of
from mfmesos.views.run_facts import AttemptRow, Ran, RunFacts, TaskRow, span

POINTS = 500
"""Of a curve."""
SPARE = 1.1
"""A request that is suggested is the highest peak and a tenth."""


@dataclass(frozen=True)
class Curves:
    """Amounts over the run, averages of POINTS intervals."""

    at: list[float]
    """Seconds since the run began."""
    held_cores: list[float]
    given_cores: list[float]
    """Allocated to attempts."""
    used_cores: list[float]
    held_memory: list[float]
    """GB (2**30 bytes)."""
    given_memory: list[float]
    used_memory: list[float]
    """As if each attempt used its peak all the time."""
    running: list[float]


@dataclass
class Category:
    name: str
    tasks: int = 0
    failed: int = 0
    retries: int = 0
    walls: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    used_cores: list[float] = field(default_factory=list)
    given_memory_s: float = 0.0
    """MB seconds."""

    @property
    def suggested_mb(self) -> float:
        """A memory request that all its tasks would have kept to."""
        return math.ceil(round(max(self.peaks, default=0.0) * SPARE, 3))

    def saving_memory_s(self) -> float:
        """MB seconds that the suggested request would have saved."""
        most = self.suggested_mb
        return sum(max(given - most, 0.0) * wall for given, wall in zip(self.given, self.walls)) if most else 0.0


@dataclass(frozen=True)
class Cause:
    """Why attempts were repeated, or tasks failed."""

    reason: str
    count: int
    core_s: float
    example: int
    """A task."""


@dataclass(frozen=True)
class Totals:
    """Core seconds and MB seconds."""

    held: float
    given: float
    used: float
    lost: float
    """Given to attempts that failed or were repeated."""
    held_memory: float
    given_memory: float
    used_memory: float


@dataclass(frozen=True)
class Step:
    """A task on the critical path."""

    task: TaskRow
    waited: float
    """Seconds from the end of the task before it, or from its submission, to its start."""
    moved: float
    """Seconds of its last attempt that it did not run: inputs, outputs."""


class Steps:
    """An amount over time, the sum of many that each last for a while, as averages of `points` intervals."""

    def __init__(self, begin: float, end: float, points: int) -> None:
        self.begin, self.width = begin, max((end - begin) / points, 1e-3)
        self._points = points
        self._differences = [0.0] * (points + 2)

    def add(self, begin: float, end: float, amount: float) -> None:
        for at, sign in ((begin, amount), (end, -amount)):
            place = min(max((at - self.begin) / self.width, 0.0), float(self._points))
            self.change(int(place), sign, sign * (place - int(place)))

    def change(self, interval: int, amount: float, late: float) -> None:
        """By `amount` in that interval; `late` is the part that comes with the one after it."""
        self._differences[interval] += amount - late
        self._differences[interval + 1] += late

    def averages(self) -> list[float]:
        return list(accumulate(self._differences))[:self._points]


def curves(facts: RunFacts) -> Curves:
    """Costs as much as there are attempts."""
    held, given, used, held_memory, memory, peak, running = (
        Steps(facts.begin, facts.end, POINTS) for _ in range(7))
    for row in facts.ran():
        begin, end = row.ended - span(row), row.ended
        busy = row.cpu_s / (end - begin) if end > begin else 0.0
        most = row.used_memory_mb if isinstance(row, TaskRow) else 0.0
        for steps, amount in ((given, row.cores), (memory, row.memory_mb), (used, busy), (peak, most), (running, 1.0)):
            steps.add(begin, end, amount)
    for begin, end, cores, memory_mb in facts.held():
        held.add(begin, end, cores)
        held_memory.add(begin, end, memory_mb)
    whole = [steps.averages() for steps in (held, given, used, held_memory, memory, peak, running)]
    for some, most in ((1, 0), (4, 3)):  # an attempt may wait in its executor for the end of one before it
        whole[some] = [min(pair) for pair in zip(whole[some], whole[most])]
    gb = [[value / 1024 for value in curve] for curve in whole[3:6]]
    return Curves([i * held.width for i in range(POINTS)], whole[0], whole[1], whole[2], gb[0], gb[1], gb[2], whole[6])


def totals(facts: RunFacts) -> Totals:
    """No more is allocated than held: an attempt may wait in its executor for the end of one before it."""
    rows, intervals = facts.ran(), facts.held()
    held = sum(cores * (end - begin) for begin, end, cores, _ in intervals)
    held_memory = sum(memory * (end - begin) for begin, end, _, memory in intervals)
    lost = sum(row.cores * span(row) for row in rows if isinstance(row, AttemptRow) or row.state != "finished")
    return Totals(
        held, min(sum(row.cores * span(row) for row in rows), held), sum(row.cpu_s for row in rows), lost,
        held_memory, min(sum(row.memory_mb * span(row) for row in rows), held_memory),
        sum(row.used_memory_mb * span(row) for row in facts.tasks))


def categories(facts: RunFacts) -> list[Category]:
    """Those that took most core time first."""
    found: dict[str, Category] = {}
    for row in facts.tasks:
        one = found.setdefault(row.category, Category(row.category))
        one.tasks += 1
        one.failed += row.state == "failed"
        one.retries += max(row.attempts - 1, 0)
        if row.asked_memory_mb is not None:
            one.asked.append(row.asked_memory_mb)
        if row.wall_s and row.state == "finished":
            one.walls.append(row.wall_s)
            one.peaks.append(row.used_memory_mb)
            one.given.append(row.memory_mb)
            one.cores.append(row.cores)
            one.used_cores.append(row.used_cores)
            one.given_memory_s += row.memory_mb * row.wall_s
    return sorted(found.values(), key=lambda one: -sum(c * w for c, w in zip(one.cores, one.walls)))


def causes(rows: Iterable[Ran]) -> list[Cause]:
    """By the kind of the reason, most first."""
    groups: dict[str, list[Ran]] = defaultdict(list)
    for row in rows:
        groups[kind_of(row.reason)].append(row)
    found = [Cause(reason, len(some), sum(row.cores * span(row) for row in some), some[0].task)
             for reason, some in groups.items()]
    return sorted(found, key=lambda cause: -cause.count)


def critical_path(facts: RunFacts) -> list[Step]:
    """From the finished task that ended last back over the inputs that came last; first task first. Needs the record's
    `needs`; dependencies of a task whose maker is not known end it.
    """
    known = {row.task: row for row in facts.tasks if row.state == "finished"}
    at = max(known.values(), key=lambda row: row.ended, default=None)
    path: list[Step] = []
    while at is not None and len(path) < len(known):
        maker = next(at.makers, None)
        before = known.get(maker) if maker is not None else None
        ready = before.ended if before is not None else at.submitted
        start = at.started if at.started is not None else at.ended
        path.append(Step(at, max(start - ready, 0.0), max(span(at) - at.wall_s, 0.0)))
        at = before if before is not None and before.ended <= at.ended else None
    return path[::-1]


def quantile(values: Sequence[float], part: float) -> float:
    """0 for none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0
