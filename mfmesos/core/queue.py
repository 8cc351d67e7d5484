"""The waiting tasks, grouped by shape, so that matching costs by shapes and not by tasks."""
from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from mfmesos.core.policies.protocols import Ordering
from mfmesos.core.records import Rank, Shape, TaskRecord


class WaitingQueue:
    """Tasks by their rank, within each shape and across shapes. All operations are O(shapes) at most, except inserting
    and removing a task in the middle.
    """

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering
        self._by_shape: dict[Shape, deque[TaskRecord]] = {}
        self._by_category: defaultdict[str, dict[Shape, None]] = defaultdict(dict)
        self._by_group: defaultdict[str, dict[Shape, None]] = defaultdict(dict)
        self._changed: dict[Shape, None] = {}
        self._count = 0
        self._grown = False
        self.large: Counter[Shape] = Counter()
        """Number of tasks with large inputs, by shape."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[TaskRecord]:
        for tasks in self._by_shape.values():
            yield from tasks

    def add(self, record: TaskRecord) -> None:
        shape = record.shape()
        tasks = self._by_shape.get(shape)
        if tasks is not None:
            shape = tasks[0].queued_as or shape
        else:
            tasks = self._by_shape[shape] = deque()
            self._by_group[shape.group][shape] = None
            if shape.kind is not None:
                self._by_category[shape.kind.category][shape] = None
        record.queued_as = shape
        place = (record.key, record.order)
        if not tasks or place < _place(tasks[0]):
            self._changed[shape] = None
        if not tasks or _place(tasks[-1]) < place:
            tasks.append(record)
        elif place < _place(tasks[0]):
            tasks.appendleft(record)
        else:
            ordered = list(tasks)
            ordered.insert(bisect([_place(r) for r in ordered], place), record)
            self._by_shape[shape] = deque(ordered)
        self._count += 1
        self._grown = True
        if record.large:
            self.large[shape] += 1

    def remove(self, record: TaskRecord) -> Shape:
        """Remove a waiting task. Returns the shape under which it was added."""
        shape = record.queued_as
        assert shape is not None
        tasks = self._by_shape[shape]
        if tasks[0] is record:
            tasks.popleft()
            self._changed[shape] = None
        else:
            tasks.remove(record)
        if not tasks:
            self._forget(shape)
        self._count -= 1
        if record.large:
            self.large[shape] -= 1
            if not self.large[shape]:
                del self.large[shape]
        return shape

    def _forget(self, shape: Shape) -> None:
        del self._by_shape[shape]
        group = self._by_group[shape.group]
        del group[shape]
        if not group:
            del self._by_group[shape.group]
        if shape.kind is not None:
            alike = self._by_category[shape.kind.category]
            del alike[shape]
            if not alike:
                del self._by_category[shape.kind.category]

    def rank(self, record: TaskRecord) -> Rank:
        """Smaller ones come first."""
        return self._ordering.rank(record.group), record.key, record.order

    def ahead(self, record: TaskRecord) -> list[tuple[Shape, int]]:
        """The waiting tasks that come before that one, by shape; costs as much as there are shapes."""
        rank, place = self.rank(record), _place(record)
        found = []
        for shape, tasks in self._by_shape.items():
            if self.rank(tasks[0]) >= rank:
                continue
            earlier_group = self._ordering.rank(tasks[0].group) < rank[0]
            found.append((shape, len(tasks) if earlier_group else _earlier(tasks, place)))
        return found

    def first_of_all(self, most: int) -> list[TaskRecord]:
        """The first tasks, in their order; costs as much as there are shapes."""
        return list(islice(merge(*self._by_shape.values(), key=self.rank), most))

    def take_changed(self) -> list[Shape]:
        """The shapes whose first task has another rank than at the last call, or that have none now, or had none."""
        for group in self._ordering.take_moved():
            self._changed.update(self._by_group.get(group, {}))
        changed, self._changed = self._changed, {}
        return list(changed)

    def take_grown(self) -> bool:
        """Whether a task was added since the last call."""
        grown, self._grown = self._grown, False
        return grown

    def of_category(self, category: str) -> list[Shape]:
        return list(self._by_category.get(category, ()))

    def count(self, shape: Shape) -> int:
        return len(self._by_shape.get(shape, ()))

    def shapes(self) -> list[tuple[Shape, int, TaskRecord]]:
        """(shape, count, first task), by the ranks of the first tasks; costs as much as there are shapes."""
        return sorted(((s, len(t), t[0]) for s, t in self._by_shape.items()), key=lambda item: self.rank(item[2]))

    def counts(self) -> Iterator[tuple[Shape, int]]:
        """In no order."""
        for shape, tasks in self._by_shape.items():
            yield shape, len(tasks)

    def first(self, shape: Shape) -> TaskRecord | None:
        tasks = self._by_shape.get(shape)
        return tasks[0] if tasks else None

    def firsts(self, most: int) -> list[TaskRecord]:
        """Of `most` categories the first task each, among `most` of its shapes; none of tasks without estimates."""
        return [min((self._by_shape[shape][0] for shape in islice(shapes, most)), key=self.rank)
                for shapes in islice(self._by_category.values(), most)]

    def head(self, shape: Shape, count: int) -> list[TaskRecord]:
        """The first tasks of that shape."""
        return list(islice(self._by_shape.get(shape, ()), count))

    def of(self, shape: Shape) -> list[TaskRecord]:
        return list(self.each(shape))

    def each(self, shape: Shape) -> Iterator[TaskRecord]:
        """The tasks of that shape one by one, while none is added or removed."""
        return iter(self._by_shape.get(shape, ()))



def _earlier(tasks: Sequence[TaskRecord], place: tuple[float, int]) -> int:
    """How many of the ordered tasks come before that place."""
    low, high = 0, len(tasks)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _place(tasks[middle]) < place else (low, middle)
    return low


def _place(record: TaskRecord) -> tuple[float, int]:
    return record.key, record.order
