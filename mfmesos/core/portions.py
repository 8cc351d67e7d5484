"""Which of the wanted tasks each agent's claim is opened for, where the placement does not fill one agent after the
other: equally many for each agent, or each task where it costs least. Only reads the state.
"""
from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import itemgetter

from mfmesos.core import rankings, repacking, spots
from mfmesos.core.offered_room import OfferedRoom
from mfmesos.core.policies.protocols import Placement
from mfmesos.core.records import AgentRecord, Rank, Shape
from mfmesos.core.state import State

Wanted = list[tuple[Shape, int]]
"""Waiting shapes, and how many of each have no claim to start in."""
MOST_AGENTS = 32
"""That many agents are compared in one call, the first ones by rank."""
MOST_LOOKS = 20_000
"""Costs that are asked for in one call. Further tasks, where kinds are that numerous, go where there is room."""


def of_agents(
    state: State, placement: Placement, agents: Sequence[AgentRecord], wanted: Wanted,
) -> Iterator[tuple[AgentRecord, Wanted]]:
    """The agents for which something is wanted. A portion may be more than fits."""
    if placement.even:
        yield from _evenly(state, placement, agents, wanted)
    else:
        yield from _cheapest(state, agents[:MOST_AGENTS], wanted)


def level(tasks: Sequence[int], more: int) -> list[int]:
    """How many of `more` tasks each agent gets, of which these have so many, so that all have as nearly equally many as
    possible.
    """
    if not tasks:
        return []
    order = sorted(range(len(tasks)), key=lambda number: tasks[number])
    total = count = 0
    for count, number in enumerate(order, 1):  # the first `count` agents are raised to one level
        total += tasks[number]
        if count < len(order) and count * tasks[order[count]] - total >= more:
            break
    each, extra = divmod(total + more, count)
    found = [0] * len(tasks)
    for place, number in enumerate(order[:count]):
        found[number] = each + (place < extra) - tasks[number]
    return found


def _evenly(
    state: State, placement: Placement, agents: Sequence[AgentRecord], wanted: Wanted,
) -> Iterator[tuple[AgentRecord, Wanted]]:
    """Each zone, and in it each agent, gets its even share of the tasks that fit there, in their order; what does not
    fit where an even share would put it goes evenly to the agents where it fits.
    """
    rooms = [OfferedRoom(state, agent) for agent in agents]
    known: list[dict[Shape, bool]] = [{} for _ in rooms]

    def fits(number: int, shape: Shape) -> bool:
        """Whether one does there, beside nothing else."""
        if shape not in known[number]:
            known[number][shape] = rooms[number].fits(shape) is not None
        return known[number][shape]

    tasks = [spots.tasks_at(state, agent.id) for agent in agents]
    portions: list[Counter[Shape]] = [Counter() for _ in agents]
    zones = [rankings.zone_of(state, placement, agent.id) for agent in agents]
    in_zone = Counter({zone: rankings.tasks_in(state, placement, zone) for zone in zones})
    left = Counter(dict(wanted))
    while left:
        able: dict[str, list[int]] = {}
        for number in range(len(rooms)):
            if any(fits(number, shape) for shape in left):
                able.setdefault(zones[number], []).append(number)
        if not able:
            break
        for zone, share in zip(able, level([in_zone[zone] for zone in able], sum(left.values()))):
            for number, count in zip(able[zone], level([tasks[one] for one in able[zone]], share)):
                taken = _first(left, partial(fits, number), count)
                left -= taken
                portions[number] += taken
                tasks[number] += sum(taken.values())
                in_zone[zone] += sum(taken.values())
    for agent, portion in zip(agents, portions):
        if portion:
            yield agent, list(portion.items())


def _first(left: Counter[Shape], fits: Callable[[Shape], bool], count: int) -> Counter[Shape]:
    """The first `count` of the tasks that fit."""
    taken: Counter[Shape] = Counter()
    for shape in left:
        if count <= 0:
            break
        if not fits(shape):
            continue
        taken[shape] = min(left[shape], count)
        count -= taken[shape]
    return taken


def _cheapest(
    state: State, agents: Sequence[AgentRecord], wanted: Wanted,
) -> Iterator[tuple[AgentRecord, Wanted]]:
    """Task by task in their order: each goes where it costs least, next to those before it. Then those that fit nowhere
    are made room for.
    """
    rooms = [OfferedRoom(state, agent) for agent in agents]
    portions: list[Counter[Shape]] = [Counter() for _ in rooms]
    costs: dict[Shape, _Costs] = {}
    left, full = Counter(dict(wanted)), set[Shape]()
    looks, number = 0, None
    for shape in _by_rank(state, wanted) if rooms else ():
        if shape in full:
            continue
        if looks > MOST_LOOKS:
            number = _next_with_room(rooms, shape, number or 0)
        else:
            if shape not in costs:
                costs[shape] = _Costs(shape, rooms)
                looks += len(rooms)
            number = costs[shape].least()
        if number is None:
            full.add(shape)
            if len(full) == len(left):
                break
            continue
        rooms[number].take(shape)
        portions[number][shape] += 1
        left[shape] -= 1
        if looks <= MOST_LOOKS:
            for one in costs.values():
                one.look(number)
            looks += len(costs)
    repacking.make_room(rooms, portions, left)
    for agent, portion in zip(agents, portions):
        if +portion:
            yield agent, list((+portion).items())


def _next_with_room(rooms: Sequence[OfferedRoom], shape: Shape, start: int) -> int | None:
    """The first one from `start` on, in a circle."""
    numbers = chain(range(start, len(rooms)), range(start))
    return next((number for number in numbers if rooms[number].fits(shape) is not None), None)


class _Costs:
    """The rooms by what a task of one shape costs there."""

    def __init__(self, shape: Shape, rooms: Sequence[OfferedRoom]) -> None:
        self._shape, self._rooms = shape, rooms
        self._queue: list[tuple[float, int, int]] = []
        for number in range(len(rooms)):
            self.look(number)

    def look(self, number: int) -> None:
        """The room has changed."""
        cost = self._rooms[number].cost(self._shape)
        if cost is not None:
            heapq.heappush(self._queue, (cost, number, self._rooms[number].changes))

    def least(self) -> int | None:
        """The room with the least cost; None: it fits in none. What was queued before a change is dropped."""
        while self._queue and self._queue[0][2] != self._rooms[self._queue[0][1]].changes:
            heapq.heappop(self._queue)
        return self._queue[0][1] if self._queue else None


def _by_rank(state: State, wanted: Wanted) -> Iterator[Shape]:
    """One shape for each task, in the order of the tasks."""
    def ranked(shape: Shape, n: int) -> Iterator[tuple[Rank, Shape]]:
        return ((state.queue.rank(record), shape) for record in islice(state.queue.each(shape), n))

    in_order = heapq.merge(*(ranked(shape, n) for shape, n in wanted), key=itemgetter(0))
    return (shape for _, shape in in_order)
