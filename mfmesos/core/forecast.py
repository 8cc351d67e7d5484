"""Foresees when a waiting task will start: what runs ends after its usual time; tasks start in their order wherever
they fit, and overtake each other as far as the run's policy lets them. Cores and memory count, agents are looked at one
by one. Reads the state only.
"""
from __future__ import annotations

import heapq
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mfmesos.core.model import AgentId, Resources
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.sizing import allocation
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.resources import SLACK

MOST_EXACT = 500
"""Tasks before it, and as many behind it, that are started one by one; with more the order hardly matters."""
MOST_LOOKS = 50_000
"""These tasks times their shapes."""
MOST_ROOMS = 64
"""Agents; of more, a sample."""
OVERDUE = 0.1
"""A task that runs for longer than usual is expected to run for another tenth of its time so far."""
Counted = Sequence[tuple[Shape, int]]
Pair = tuple[float, float]
"""Cores and MB of memory."""


@dataclass
class Room:
    """What the run holds on one agent, as if it were one claim."""

    agent_id: AgentId
    whole: Resources
    cores: float
    memory_mb: float
    """Both free."""
    ends: list[tuple[float, float, float]] = field(default_factory=list)
    """Of what runs there: when, cores, MB; the earliest first."""

    def has(self, need: Pair) -> bool:
        return need[0] <= self.cores + SLACK and need[1] <= self.memory_mb + SLACK

    def take(self, need: Pair, until: float) -> None:
        self.cores -= need[0]
        self.memory_mb -= need[1]
        insort(self.ends, (until, *need))

    def pass_time(self, now: float) -> bool:
        """Whether anything has ended."""
        before = len(self.ends)
        while self.ends and self.ends[0][0] <= now:
            _, cores, memory_mb = self.ends.pop(0)
            self.cores += cores
            self.memory_mb += memory_mb
        return len(self.ends) < before

    def earliest(self, need: Pair) -> tuple[float, Pair]:
        """When it has that much, and what it then has beside."""
        cores, memory_mb = self.cores - need[0], self.memory_mb - need[1]
        for at, more_cores, more_mb in self.ends:
            cores, memory_mb = cores + more_cores, memory_mb + more_mb
            if cores >= -SLACK and memory_mb >= -SLACK:
                return at, (cores, memory_mb)
        return math.inf, (0.0, 0.0)


def starts_at(state: State, record: TaskRecord, before: Counted | None = None) -> float | None:
    """In the clock's seconds, with the tasks of `before` first. None if too little is known, or if nothing runs. Costs
    as much as there are running tasks, claims and waiting shapes.
    """
    ahead = state.queue.ahead(record) if before is None else before
    rooms, share = _rooms(state)
    usual = _Usual(state, ahead)
    for _, running in rooms:
        for one in running:
            usual.learn(one.shape(), 1)
    if not any(running for _, running in rooms) or not usual.known:
        return None
    for room, running in rooms:
        for one in running:
            lasts, age = usual.of(one.shape()), state.now - one.assigned_at
            until = one.assigned_at + lasts if lasts > age else state.now + OVERDUE * age
            insort(room.ends, (until, one.allocation.cores, one.allocation.memory_mb))
    places = [room for room, _ in rooms]
    earlier = sum(count for _, count in ahead)
    most = max(min(MOST_EXACT, MOST_LOOKS // (1 + len(ahead))), 1)
    if before is None and share == 1.0 and earlier <= most:
        jobs = [one.shape() for one in state.queue.first_of_all(earlier + 1 + most)]
        return _simulated(state, places, jobs, earlier, usual.of)
    own, counted = record.shape(), dict(ahead)
    behind = [(shape, count - counted.get(shape, 0) - (shape == own)) for shape, count in state.queue.counts()]
    first, delay_s = _last_of(ahead, share, most, places, usual, state)
    for room in places:
        room.ends = [(at + delay_s, cores, memory_mb) for at, cores, memory_mb in room.ends]
    rest, _ = _last_of(behind, share, most, places, usual, state)
    return _simulated(state, places, [*_in_turns(first), own, *_in_turns(rest)], sum(n for _, n in first), usual.of)


class _Usual:
    """Run times by shape, in seconds; of those that are not known, the mean of the others."""

    def __init__(self, state: State, waiting: Counted) -> None:
        self._state = state
        self._found: dict[Shape, float | None] = {}
        self._sum = 0.0
        self.known = 0
        for shape, count in waiting:
            self.learn(shape, count)

    def learn(self, shape: Shape, count: int) -> None:
        found = self._of(shape)
        if found is not None:
            self._sum, self.known = self._sum + found * count, self.known + count

    def _of(self, shape: Shape) -> float | None:
        if shape not in self._found:
            self._found[shape] = self._state.glance(shape).wall_s
        return self._found[shape]

    def of(self, shape: Shape) -> float:
        return self._of(shape) or self._sum / self.known


def _rooms(state: State) -> tuple[list[tuple[Room, list[TaskRecord]]], float]:
    """The agents, or some of many, each with what runs there; and which part of all they are."""
    by_agent = defaultdict(list)
    for kind in (ClaimState.OPEN, ClaimState.DRAINING):
        for claim in state.claims.each_in(kind):
            by_agent[claim.agent_id].append(claim)
    step = -(-len(by_agent) // MOST_ROOMS) or 1
    rooms = []
    for agent_id, claims in list(by_agent.items())[::step]:
        whole = claims[0].resources._replace(cores=sum(claim.resources.cores for claim in claims),
                                             memory_mb=sum(claim.resources.memory_mb for claim in claims))
        found = (state.tasks.get(number) for claim in claims for number in claim.attempts.values())
        running = [record for record in found if record is not None]
        rooms.append((Room(agent_id, whole, sum(max(claim.free.cores, 0.0) for claim in claims),
                           sum(max(claim.free.memory_mb, 0.0) for claim in claims)), running))
    return rooms, len(rooms) / max(len(by_agent), 1)


def _last_of(
    counted: Counted, share: float, most: int, rooms: Sequence[Room], usual: _Usual, state: State,
) -> tuple[Counted, float]:
    """The share of the tasks that falls to the rooms, `most` at most; how long the others keep the rooms busy."""
    here = [(shape, count * share) for shape, count in counted if count > 0]
    total = sum(count for _, count in here)
    part = min(most / total, 1.0) if total else 1.0
    cores = memory_mb = 0.0
    if part < 1.0:
        for shape, count in here:
            need, busy_s = _need(state, shape, rooms[0]), count * (1 - part) * usual.of(shape)
            cores, memory_mb = cores + need[0] * busy_s, memory_mb + need[1] * busy_s
    all_cores, all_mb = sum(room.whole.cores for room in rooms), sum(room.whole.memory_mb for room in rooms)
    delay_s = max(cores / max(all_cores, SLACK), memory_mb / max(all_mb, SLACK))
    kept, carried = list[tuple[Shape, int]](), 0.5
    for shape, count in here:
        whole = int(count * part + carried)
        carried += count * part - whole
        kept.append((shape, whole))
    return kept, delay_s


def _need(state: State, shape: Shape, room: Room) -> Pair:
    """What a task is given there; one that is too large has to wait until all is free."""
    whole = state.whole(room.agent_id) or room.whole
    found = allocation(state.glance(shape), room.whole, whole, state.policy.defaults)
    return min(found.cores, room.whole.cores), min(found.memory_mb, room.whole.memory_mb)


def _in_turns(counted: Counted) -> Iterator[Shape]:
    """As if tasks of each shape had come evenly spread among the others."""
    places = [((i + 0.5) / count, n, shape) for n, (shape, count) in enumerate(counted) for i in range(count)]
    return (shape for _, _, shape in sorted(places, key=lambda place: place[:2]))


def _simulated(
    state: State, rooms: Sequence[Room], jobs: Iterable[Shape], own: int, lasts: Callable[[Shape], float],
) -> float | None:
    """When the job with that index starts."""
    waiting: dict[Shape, list[int]] = {}
    for n, shape in enumerate(jobs):
        waiting.setdefault(shape, []).append(n)
    for numbers in waiting.values():
        numbers.reverse()
    needs: dict[tuple[Shape, Resources], Pair] = {}

    def need(shape: Shape, room: Room) -> Pair:
        key = shape, room.whole
        found = needs.get(key)
        if found is None:
            found = needs[key] = _need(state, shape, room)
        return found

    smallest = min(rooms, key=lambda room: (room.whole.memory_mb, room.whole.cores))
    all_needs = [need(shape, smallest) for shape in waiting]
    least = min(cores for cores, _ in all_needs), min(memory_mb for _, memory_mb in all_needs)
    now, looked_at = state.now, rooms
    while now < math.inf:
        turn = _Turn(rooms, looked_at, need, least, now, state.policy.planned_start)
        if own in _started(turn, waiting, lasts):
            return now
        now = min((room.ends[0][0] for room in rooms if room.ends), default=math.inf)
        # In the others nothing has changed for those that wait.
        looked_at = [room for room in rooms if room.pass_time(now) or room is turn.held]
    return None


def _started(turn: _Turn, waiting: dict[Shape, list[int]], lasts: Callable[[Shape], float]) -> set[int]:
    """The jobs that start in this turn, taken from those that wait (by shape, the first of each at the end)."""
    started = set()
    heads = [(numbers[-1], shape) for shape, numbers in waiting.items() if numbers]
    shapes = dict(heads)
    order = sorted(shapes)
    while order and not turn.over:
        n = heapq.heappop(order)
        shape = shapes[n]
        if not turn.start(shape, lasts(shape)):
            continue
        started.add(waiting[shape].pop())
        if waiting[shape]:
            following = waiting[shape][-1]
            shapes[following] = shape
            heapq.heappush(order, following)
    return started


class _Turn:
    """The starts of one moment. The first task that does not fit has a room held for it: with --reserve conservative
    nothing overtakes it, otherwise what ends before it starts, or fits beside it.
    """

    def __init__(
        self, rooms: Sequence[Room], looked_at: Sequence[Room], need: Callable[[Shape, Room], Pair], least: Pair,
        now: float, reserve: str,
    ) -> None:
        """`least`: what no task needs less than."""
        self._rooms, self._looked_at, self._need, self._now, self._reserve = rooms, looked_at, need, now, reserve
        self._least = least
        self.held: Room | None = None
        self._until = 0.0
        self._beside: Pair = (0.0, 0.0)
        self.over = not self._has_room()
        """Whether nothing more can start."""

    def _has_room(self) -> bool:
        return any(room.has(self._least) for room in self._looked_at)

    def start(self, shape: Shape, lasts_s: float) -> bool:
        """The next task in the order, if it may and fits."""
        for room in self._looked_at:
            need = self._need(shape, room)
            if room.has(need) and (room is not self.held or self._may(need, lasts_s)):
                room.take(need, self._now + lasts_s)
                self.over = not self._has_room()
                return True
        if self.held is None and self._reserve != "none":
            self._hold(shape)
        return False

    def _may(self, need: Pair, lasts_s: float) -> bool:
        if self._now + lasts_s <= self._until:
            return True
        left = self._beside[0] - need[0], self._beside[1] - need[1]
        if min(left) < -SLACK:
            return False
        self._beside = left
        return True

    def _hold(self, shape: Shape) -> None:
        found = [(*room.earliest(self._need(shape, room)), room) for room in self._rooms]
        self._until, self._beside, self.held = min(found, key=lambda one: one[0])
        self.over = self._reserve == "conservative"
