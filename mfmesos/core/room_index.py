"""Finds, among many, what fits: waiting shapes by their least needs, open claims by their free room.

Both are segment trees. A node of the one holds the least of each resource below it, a node of the other the most, so a
branch in which nothing can fit is passed over at once. Both give candidates only: who asks checks each of them.
"""
from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Callable, Generic, TypeVar

from mfmesos.core.model import Resources
from mfmesos.core.records import Rank

K = TypeVar("K", bound=Hashable)
INF = float("inf")
LAST: Rank = (INF, INF, 0)
"""After every other rank."""


EVERYTHING = Resources(INF, INF, INF, INF)
"""More of everything than any room has: what others it would need is not asked."""
NOTHING = Resources(-INF, -INF, -INF, -INF)


def _least(one: Resources, other: Resources) -> Resources:
    return other if one[0] == INF else one if other[0] == INF else one.at_most(other)


def least_of(needs: Iterable[Resources]) -> Resources:
    """The least of each resource; of nothing more than any room."""
    return functools.reduce(_least, needs, EVERYTHING)


class _Slots(Generic[K]):
    """The leaves of a tree: a slot for each key; freed slots are used again if `reuse`."""

    def __init__(self, reuse: bool) -> None:
        self._reuse = reuse
        self.keys: list[K | None] = []
        self.of: dict[K, int] = {}
        self._free: list[int] = []

    def add(self, key: K) -> int:
        if self._free:
            slot = self._free.pop()
            self.keys[slot] = key
        else:
            slot = len(self.keys)
            self.keys.append(key)
        self.of[key] = slot
        return slot

    def remove(self, key: K) -> int:
        slot = self.of.pop(key)
        self.keys[slot] = None
        if self._reuse:
            self._free.append(slot)
        return slot

    def compact(self) -> None:
        """In the same order, without gaps."""
        self.keys = [key for key in self.keys if key is not None]
        self.of = {key: slot for slot, key in enumerate(self.keys) if key is not None}
        self._free = []


class _Tree(Generic[K]):
    """A segment tree: node 1 is the root, the children of node n are 2 n and 2 n + 1, leaves begin at `_width`."""

    def __init__(self, reuse: bool) -> None:
        self._slots: _Slots[K] = _Slots(reuse)
        self._width = 1

    def __contains__(self, key: K) -> bool:
        return key in self._slots.of

    def _join(self, node: int) -> bool:
        """Make the node from its children; returns whether it has changed."""
        raise NotImplementedError

    def _climb(self, leaf: int) -> None:
        """The leaf has changed: bring the nodes above it up to date."""
        node = leaf // 2
        while node and self._join(node):
            node //= 2

    def _join_all(self) -> None:
        for node in range(self._width - 1, 0, -1):
            self._join(node)


class _Ranked(_Tree[K]):
    """Keys with a rank and an amount each; a node has the lowest rank below it, and the amounts joined by `_both`."""

    _nothing: Resources
    """The amount of a free slot."""
    _both: Callable[[Resources, Resources], Resources]

    def __init__(self) -> None:
        super().__init__(reuse=True)
        self._rank: list[Rank] = [LAST, LAST]
        self._amount: list[Resources] = [self._nothing, self._nothing]

    def __len__(self) -> int:
        return len(self._slots.of)

    def first(self) -> K | None:
        """The key of the lowest rank."""
        node = 1
        while node < self._width:
            node = 2 * node + (self._rank[2 * node + 1] < self._rank[2 * node])
        return None if self._rank[1] == LAST else self._slots.keys[node - self._width]

    def lowest(self) -> Rank:
        """Of all ranks."""
        return self._rank[1]

    def joined(self) -> Resources:
        """All amounts."""
        return self._amount[1]

    def put(self, key: K, rank: Rank, amount: Resources) -> None:
        """Add the key, or change it."""
        slot = self._slots.of.get(key)
        if slot is None:
            slot = self._slots.add(key)
            while slot >= self._width:
                self._grow()
        self._put(slot, rank, amount)

    def remove(self, key: K) -> None:
        self._put(self._slots.remove(key), LAST, self._nothing)

    def _grow(self) -> None:
        ranks, amounts = self._rank[self._width:], self._amount[self._width:]
        self._width *= 2
        missing = self._width - len(ranks)
        self._rank = [LAST] * self._width + ranks + [LAST] * missing
        self._amount = [self._nothing] * self._width + amounts + [self._nothing] * missing
        self._join_all()

    def _put(self, slot: int, rank: Rank, amount: Resources) -> None:
        node = self._width + slot
        self._rank[node], self._amount[node] = rank, amount
        self._climb(node)

    def _join(self, node: int) -> bool:
        one, other = 2 * node, 2 * node + 1
        rank = min(self._rank[one], self._rank[other])
        amount = self._both(self._amount[one], self._amount[other])
        if rank == self._rank[node] and amount == self._amount[node]:
            return False
        self._rank[node], self._amount[node] = rank, amount
        return True


def _search(several: Iterable[_Ranked[K]], passes: Callable[[Resources], bool]) -> Iterator[K]:
    """The keys of these trees whose amounts pass, by rank; a node passes if anything below it does."""
    trees = list(several)
    waiting = [(tree._rank[1], number, 1) for number, tree in enumerate(trees) if tree._rank[1] != LAST]
    heapq.heapify(waiting)
    while waiting:
        rank, number, node = heapq.heappop(waiting)
        tree = trees[number]
        if rank == LAST or not passes(tree._amount[node]):
            continue
        if node >= tree._width:
            key = tree._slots.keys[node - tree._width]
            if key is not None:
                yield key
            continue
        for child in (2 * node, 2 * node + 1):
            if tree._rank[child] != LAST:
                heapq.heappush(waiting, (tree._rank[child], number, child))


class _Needs(_Ranked[K]):
    """Keys with a least need each."""

    _nothing = EVERYTHING
    _both = staticmethod(_least)


class LeastNeeds(Generic[K]):
    """Keys with a rank and a least need each. Those that need about as much (cores and memory within a factor of two)
    share a tree: where large ones wait in front of all others, a search for what fits passes few of them.
    """

    def __init__(self) -> None:
        self._trees: dict[tuple[int, int], _Needs[K]] = {}
        self._of: dict[K, _Needs[K]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._of

    def __len__(self) -> int:
        return len(self._of)

    def set(self, key: K, rank: Rank, least: Resources) -> None:
        """Add the key, or change it."""
        size = (math.frexp(least.cores)[1], math.frexp(least.memory_mb)[1])
        tree = self._trees.get(size)
        if tree is None:
            tree = self._trees[size] = _Needs()
        before = self._of.get(key)
        if before is not tree:
            if before is not None:
                before.remove(key)
            self._of[key] = tree
        tree.put(key, rank, least)

    def remove(self, key: K) -> None:
        self._of.pop(key).remove(key)

    def first(self) -> K | None:
        """The key of the lowest rank."""
        if not self._of:
            return None
        return min(self._trees.values(), key=lambda tree: tree.lowest()).first()

    def least(self) -> Resources:
        """The least of each resource that any key needs."""
        return least_of(tree.joined() for tree in self._trees.values())

    def needs_of(self, key: K) -> Resources:
        tree = self._of[key]
        return tree._amount[tree._width + tree._slots.of[key]]

    def rank_of(self, key: K) -> Rank:
        tree = self._of[key]
        return tree._rank[tree._width + tree._slots.of[key]]

    def fitting(self, room: Callable[[], Resources]) -> Iterator[K]:
        """The keys whose least need fits into the room, by rank. Meanwhile the room may shrink, and keys may change if
        their ranks grow, but none may be added.
        """
        return _search(self._trees.values(), lambda least: least.fits_in(room()))

    def by_rank(self) -> Iterator[K]:
        """All keys, while none changes."""
        return _search(self._trees.values(), lambda least: True)


class RankedRoom(_Ranked[K]):
    """Keys with free room each, by a rank; those of one rank in the order in which they were added."""

    _nothing = NOTHING
    _both = staticmethod(Resources.at_least)

    def __init__(self) -> None:
        super().__init__()
        self._number: dict[K, int] = {}
        self._added = 0

    def set(self, key: K, rank: float, room: Resources) -> None:
        """Add the key, or change it."""
        if key not in self._number:
            self._added += 1
            self._number[key] = self._added
        self.put(key, (rank, 0.0, self._number[key]), room)

    def remove(self, key: K) -> None:
        del self._number[key]
        super().remove(key)

    def most(self) -> Resources:
        """The most of each resource that any key has."""
        return self._amount[1]

    def with_room(self, need: Resources) -> Iterator[K]:
        """The keys with room for that much, by rank, while none changes."""
        return _search((self,), need.fits_in)


class ZonedRoom(Generic[K]):
    """Keys with free room each, in zones: by the rank of the zone, then by their own."""

    def __init__(self) -> None:
        self._zones: RankedRoom[str] = RankedRoom()
        self._rooms: dict[str, RankedRoom[K]] = {}
        self._ranks: dict[str, float] = {}
        self._zone_of: dict[K, str] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._zone_of

    def set(self, key: K, zone: str, rank: float, room: Resources) -> None:
        """Add the key, or change it; a key that changes its zone must be removed before."""
        self._zone_of[key] = zone
        rooms = self._rooms.setdefault(zone, RankedRoom())
        rooms.set(key, rank, room)
        self._zones.set(zone, self._ranks.get(zone, 0.0), rooms.most())

    def remove(self, key: K) -> None:
        zone = self._zone_of.pop(key)
        self._rooms[zone].remove(key)
        if len(self._rooms[zone]):
            self._zones.set(zone, self._ranks.get(zone, 0.0), self._rooms[zone].most())
        else:
            del self._rooms[zone]
            self._zones.remove(zone)

    def rank_zone(self, zone: str, rank: float) -> None:
        """From now on, whether or not there are such keys."""
        self._ranks[zone] = rank
        if zone in self._rooms:
            self._zones.set(zone, rank, self._rooms[zone].most())

    def most(self) -> Resources:
        """The most of each resource that any key has."""
        return self._zones.most()

    def with_room(self, need: Resources) -> Iterator[K]:
        """The keys with room for that much, in order, while none changes."""
        for zone in self._zones.with_room(need):
            yield from self._rooms[zone].with_room(need)


class MostRoom(_Tree[K]):
    """Keys with free room each, in the order in which they were added."""

    def __init__(self) -> None:
        super().__init__(reuse=False)
        self._most: list[Resources] = [NOTHING, NOTHING]

    def place_of(self, key: K) -> int:
        """Keys that were added later have larger ones; valid until a key is added."""
        return self._slots.of[key]

    def get(self, key: K) -> Resources | None:
        """The room of the key, if it has any."""
        slot = self._slots.of.get(key)
        return None if slot is None else self._most[self._width + slot]

    def set(self, key: K, room: Resources) -> None:
        """Add the key, or change it."""
        slot = self._slots.of.get(key)
        if slot is None:
            if len(self._slots.keys) == self._width:
                self._rebuild()
            slot = self._slots.add(key)
        self._put(slot, room)

    def remove(self, key: K) -> None:
        self._put(self._slots.remove(key), NOTHING)

    def _rebuild(self) -> None:
        rooms = [self._most[self._width + slot] for slot, key in enumerate(self._slots.keys) if key is not None]
        self._slots.compact()
        while self._width < 2 * len(rooms):
            self._width *= 2
        self._most = [NOTHING] * self._width + rooms + [NOTHING] * (self._width - len(rooms))
        self._join_all()

    def _put(self, slot: int, room: Resources) -> None:
        node = self._width + slot
        self._most[node] = room
        self._climb(node)

    def _join(self, node: int) -> bool:
        most = self._most[2 * node].at_least(self._most[2 * node + 1])
        if most == self._most[node]:
            return False
        self._most[node] = most
        return True

    def with_room(self, need: Resources) -> Iterator[K]:
        """The keys with room for that much, in order. Meanwhile rooms may shrink, but no key may be added."""
        waiting = [1]
        while waiting:
            node = waiting.pop()
            if not need.fits_in(self._most[node]):
                continue
            if node >= self._width:
                key = self._slots.keys[node - self._width]
                if key is not None:
                    yield key
                continue
            waiting += (2 * node + 1, 2 * node)
