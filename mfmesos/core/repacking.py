"""Makes room for tasks that fit nowhere, by planning others elsewhere. None of them has started, so moving one costs
nothing. Pure.

A task takes the place of a few others, for which room is found in the same way: a chain of at most DEEPEST moves.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mfmesos.core.model import Resources
from mfmesos.core.offered_room import OfferedRoom
from mfmesos.core.records import Shape

DEEPEST = 3
MOST_STEPS = 2_000
"""Moves that are tried in one call."""
MOST_MOVED = 4
"""Tasks of one kind that make way for one task."""


def make_room(rooms: Sequence[OfferedRoom], portions: Sequence[Counter[Shape]], left: Mapping[Shape, int]) -> None:
    """Change the portions of the rooms so that some of the tasks that are left over have room as well. Tasks with
    constraints stay where they are.
    """
    plan = _Plan(rooms, portions)
    for shape, count in left.items():
        if not shape.where:
            for _ in range(count):
                if not any(plan.place(shape, depth) for depth in range(1, DEEPEST + 1)):
                    break


class _Plan:
    def __init__(self, rooms: Sequence[OfferedRoom], portions: Sequence[Counter[Shape]]) -> None:
        self._rooms, self._portions = rooms, portions
        self._free = [room.free for room in rooms]
        self._all = sum(self._free, Resources())
        self._needs: dict[Shape, list[Resources | None]] = {}
        self._moves: list[tuple[int, Shape, int]] = []
        self._steps = MOST_STEPS

    def place(self, shape: Shape, depth: int) -> bool:
        """Plan one more task of the shape; what this changes on the way to no place is undone."""
        needs = self._needs_of(shape)
        for number, need in enumerate(needs):
            if need is not None and need.fits_in(self._free[number]):
                self._move(number, shape, 1)
                return True
        if depth and any(need is not None and need.fits_in(self._all) for need in needs):
            for way in self._ways(shape):
                if self._steps <= 0:
                    break
                self._steps -= 1
                if (depth > 1 or self._elsewhere(way)) and self._try(shape, way, depth):
                    return True
        return False

    def _elsewhere(self, way: tuple[int, Shape, int]) -> bool:
        """Whether another room holds one of those that make way, as it is."""
        here, other, _ = way
        return any(need is not None and need.fits_in(self._free[number])
                   for number, need in enumerate(self._needs_of(other)) if number != here)

    def _try(self, shape: Shape, way: tuple[int, Shape, int], depth: int) -> bool:
        """In the place of those others, if there is another place for each of them."""
        number, other, count = way
        before = len(self._moves)
        self._move(number, other, -count)
        self._move(number, shape, 1)
        if all(self.place(other, depth - 1) for _ in range(count)):
            return True
        while len(self._moves) > before:
            self._undo(*self._moves.pop())
        return False

    def _needs_of(self, shape: Shape) -> list[Resources | None]:
        """In each room; None: no task of the shape may start there."""
        if shape not in self._needs:
            self._needs[shape] = [room.need(shape) for room in self._rooms]
        return self._needs[shape]

    def _ways(self, shape: Shape) -> Iterator[tuple[int, Shape, int]]:
        """Where the task could take the place of how many others of one shape, and of no fewer."""
        for number, need in enumerate(self._needs_of(shape)):
            if need is None:
                continue
            for other, there in list(self._portions[number].items()):
                each = self._needs_of(other)[number]
                if other is shape or other.where or each is None:
                    continue
                free = self._free[number]
                for count in range(1, min(there, MOST_MOVED) + 1):
                    free = free + each
                    if need.fits_in(free):
                        yield number, other, count
                        break

    def _move(self, number: int, shape: Shape, count: int) -> None:
        self._moves.append((number, shape, count))
        self._undo(number, shape, -count)

    def _undo(self, number: int, shape: Shape, count: int) -> None:
        need = self._needs_of(shape)[number]
        assert need is not None
        self._portions[number][shape] -= count
        self._free[number] = self._free[number] + need * count
        self._all = self._all + need * count
