"""Records and values that take little memory."""
from __future__ import annotations

import pickle
import sys
from dataclasses import field, fields, replace

import pytest

from mfmesos.core.records import TaskRecord
from mfmesos.shared.same import MOST, Same
from mfmesos.shared.values import slotted


@slotted
class Point:
    """With defaults, a method and a property."""

    x: int
    tags: list[str] = field(default_factory=list)
    name: str = "p"

    @property
    def shown(self) -> str:
        return f"{self.name}{self.x}"


@slotted(eq=False)
class Node:
    x: int


def test_a_slotted_record_is_a_dataclass():
    """Compared, copied, pickled and shown as one; each has its own lists."""
    one, two = Point(1), Point(1)
    one.tags.append("a")
    assert (one == two, Point(1) == Point(1), one.shown, two.tags) == (False, True, "p1", [])
    assert replace(two, name="q").shown == "q1"
    assert pickle.loads(pickle.dumps(one)) == one
    assert [f.name for f in fields(Point)] == ["x", "tags", "name"]
    assert repr(two) == "Point(x=1, tags=[], name='p')"
    assert Node(1) != Node(1)
    assert len({Node(1), Node(1)}) == 2


def test_a_slotted_record_has_no_dict():
    """Nothing can be set that is no field, and the memory is that of its fields."""
    with pytest.raises(AttributeError):
        Point(1).other = 2  # type: ignore[attr-defined]
    assert not hasattr(Point(1), "__dict__")
    assert "__dict__" not in dir(TaskRecord)
    assert sys.getsizeof(Point(1)) <= 16 + 8 * 3 + 16


def test_equal_values_become_one():
    """The first of them; of more than MOST different ones only the newer are remembered."""
    same: Same[tuple[str, ...]] = Same()
    first = tuple(["a"])
    assert same.of(first) is first
    assert same.of(tuple(["a"])) is first
    for n in range(MOST):
        same.of((str(n),))
    assert len(same._known) <= MOST
    again = tuple(["a"])
    assert same.of(again) is again
