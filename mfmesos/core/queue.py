"""The waiting tasks, grouped by shape, so that matching costs by shapes and not by tasks."""
from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Iterator

from mfmesos.core.records import Shape, TaskRecord


class WaitingQueue:
    """Tasks in the order they came, within each shape and across shapes. All operations are O(shapes) at most, except
    inserting and removing a task in the middle.
    """

    def __init__(self) -> None:
        self._by_shape: dict[Shape, deque[TaskRecord]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[TaskRecord]:
        for tasks in self._by_shape.values():
            yield from tasks

    def add(self, record: TaskRecord) -> None:
        tasks = self._by_shape.setdefault(record.shape(), deque())
        if not tasks or tasks[-1].order < record.order:
            tasks.append(record)
        elif record.order < tasks[0].order:
            tasks.appendleft(record)
        else:
            ordered = list(tasks)
            ordered.insert(bisect([r.order for r in ordered], record.order), record)
            self._by_shape[record.shape()] = deque(ordered)
        self._count += 1

    def remove(self, record: TaskRecord) -> None:
        """Remove a waiting task; it must have the same shape as when it was added."""
        shape = record.shape()
        tasks = self._by_shape[shape]
        if tasks[0] is record:
            tasks.popleft()
        else:
            tasks.remove(record)
        if not tasks:
            del self._by_shape[shape]
        self._count -= 1

    def shapes(self) -> list[tuple[Shape, int, TaskRecord]]:
        """(shape, count, first task), in the order of the first tasks."""
        return sorted(((s, len(t), t[0]) for s, t in self._by_shape.items()), key=lambda item: item[2].order)

    def first(self, shape: Shape) -> TaskRecord | None:
        tasks = self._by_shape.get(shape)
        return tasks[0] if tasks else None

    def of(self, shape: Shape) -> list[TaskRecord]:
        return list(self._by_shape.get(shape, ()))


