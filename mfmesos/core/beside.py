"""Which task runs in a claim that is held for another one, so that little is idle until that one starts.

To take the longest task first that ends in time leaves up to twice the least possible idle where much waits. So the
time until the planned start is packed: a bounded search over what waits, and over the places that are free or will be.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mfmesos.core.model import Resources

MOST_TASKS, MOST_PLACES = 20, 16
"""That are looked at."""
MOST_STEPS = 500
"""Of one search: about 1.3 ms."""
SLACK_S = 1e-6


class Place(NamedTuple):
    """Part of the claim's room: free now or, when what runs there has ended, for the last `left_s` seconds."""

    left_s: float
    room: Resources
    now: bool


class Candidate(NamedTuple):
    """Waiting tasks of one shape; they may last that long."""

    number: int
    """Of the shape among all that are looked at."""
    lasts_s: float
    need: Resources
    waiting: int


def pick(places: Sequence[Place], candidates: Sequence[Candidate]) -> Candidate | None:
    """Of which of them a task starts now, for most core-seconds used until the planned start; None: none fits."""
    tasks = _some(candidates, max((place.left_s for place in places), default=0.0))
    fitting = (task for task in tasks for place in places if place.now and _fits(task, place, place.left_s))
    return _Search(places, tasks).best() or next(fitting, None)


def shortest(free: Resources, candidates: Sequence[Candidate]) -> Candidate | None:
    """Of those that fit at all; places are as small as the smallest task, and the search looks at the longest ones."""
    return min((one for one in candidates if one.need.fits_in(free)), key=lambda one: one.lasts_s, default=None)


def _fits(task: Candidate, place: Place, left_s: float) -> bool:
    return task.lasts_s <= left_s + SLACK_S and task.need.fits_in(place.room)


def _some(candidates: Sequence[Candidate], longest_s: float) -> list[Candidate]:
    """The tasks that are packed, the longest first: one of each shape, then another of each, until they are enough."""
    fitting = sorted((one for one in candidates if one.lasts_s <= longest_s + SLACK_S), key=lambda one: -one.lasts_s)
    found: list[Candidate] = []
    for turn in range(MOST_TASKS):
        found += [one for one in fitting if one.waiting > turn]
        if len(found) >= MOST_TASKS:
            break
    return sorted(found[:MOST_TASKS], key=lambda one: -one.lasts_s)


class _Search:
    """Branch and bound over the tasks, the longest first, each in any place or in none."""

    def __init__(self, places: Sequence[Place], tasks: Sequence[Candidate]) -> None:
        self._places, self._tasks = places, tasks
        self._rest = [0.0] * (len(tasks) + 1)
        for n in range(len(tasks) - 1, -1, -1):
            self._rest[n] = self._rest[n + 1] + tasks[n].lasts_s * tasks[n].need.cores
        self._steps, self._most = 0, -1.0
        self._first: Candidate | None = None

    def best(self) -> Candidate | None:
        self._try(0, tuple(place.left_s for place in self._places), 0.0, None)
        return self._first

    def _try(self, n: int, left: tuple[float, ...], used: float, first: Candidate | None) -> None:
        """`left`: the seconds left in each place; `used`: core-seconds; `first`: the first task that starts now."""
        self._steps += 1
        if first is not None and used > self._most + SLACK_S:
            self._most, self._first = used, first
        room = sum(seconds * place.room.cores for seconds, place in zip(left, self._places))
        if self._steps > MOST_STEPS or n == len(self._tasks) or used + min(self._rest[n], room) <= self._most + SLACK_S:
            return
        task, tried = self._tasks[n], set()
        for at in sorted(range(len(left)), key=left.__getitem__):
            place = self._places[at]
            if _fits(task, place, left[at]) and (left[at], place.room, place.now) not in tried:
                tried.add((left[at], place.room, place.now))
                rest = (*left[:at], left[at] - task.lasts_s, *left[at + 1:])
                starts = first or (task if place.now else None)
                self._try(n + 1, rest, used + task.lasts_s * task.need.cores, starts)
        while n < len(self._tasks) and self._tasks[n] is task:
            n += 1
        self._try(n, left, used, first)
