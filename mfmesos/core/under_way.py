"""The running attempts by shape and by the second in which they started: what is left of them is summed up by seconds,
not by attempts.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mfmesos.core.records import Shape, TaskRecord


class Started(NamedTuple):
    """Attempts that started in the same second."""

    at: float
    """On average, in the clock's seconds."""
    attempts: int
    cores: float


class UnderWay:
    def __init__(self) -> None:
        self._by_shape: dict[Shape, dict[int, tuple[int, float]]] = {}
        self._where: dict[int, tuple[Shape, int]] = {}
        """By task."""

    def __iter__(self) -> Iterator[int]:
        """The tasks."""
        return iter(self._where)

    def add(self, record: TaskRecord, shape: Shape) -> None:
        """Its attempt has started with its present allocation; the shape is that of the waiting task."""
        second = int(record.assigned_at)
        seconds = self._by_shape.setdefault(shape, {})
        count, cores = seconds.get(second, (0, 0.0))
        seconds[second] = count + 1, cores + record.allocation.cores
        self._where[record.task.id] = shape, second

    def remove(self, record: TaskRecord) -> None:
        """Its attempt has ended."""
        shape, second = self._where.pop(record.task.id)
        seconds = self._by_shape[shape]
        count, cores = seconds[second]
        if count > 1:
            seconds[second] = count - 1, cores - record.allocation.cores
            return
        del seconds[second]
        if not seconds:
            del self._by_shape[shape]

    def by_shape(self) -> Iterator[tuple[Shape, list[Started]]]:
        for shape, seconds in self._by_shape.items():
            yield shape, [Started(second + 0.5, count, cores) for second, (count, cores) in seconds.items()]
