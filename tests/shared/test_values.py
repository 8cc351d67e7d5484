"""Values: what the decorator makes of a class, at run time and for mypy."""
from __future__ import annotations

import dataclasses

import pytest

from mfmesos.shared.values import value


@value(frozen=True)
class Point:
    x: int
    y: int = 0


@value(frozen=True)
class Other:
    x: int
    y: int = 0


def test_values_are_compared_and_hashed_by_their_fields():
    """Two equal values are one key of a dict; another class with the same fields is not equal."""
    assert Point(1) == Point(1, 0) != Point(2)
    assert {Point(1): "a"}[Point(1)] == "a"
    assert Point(1) != Other(1)
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert repr(Point(1)) == "Point(x=1, y=0)"


@value(frozen=True)
class Nothing:
    pass


@value(frozen=True)
class Named:
    name: str
    seen: int = dataclasses.field(default=0, compare=False, repr=False)

    def __repr__(self) -> str:
        return self.name


def test_fields_that_do_not_count_and_methods_of_its_own():
    """As in a frozen dataclass: a field may be left out of comparisons, and a class's own methods stay."""
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(Nothing()) == "Nothing()"
    assert Named("a", 1) == Named("a", 2) != Named("b", 1)
    assert hash(Named("a", 1)) == hash(Named("a", 2))
    assert repr(Named("a")) == "a"


def test_mypy_refuses_a_change_of_a_value():
    """What a frozen dataclass refuses at run time is refused before: mypy reports an assignment to a field."""
    api = pytest.importorskip("mypy.api")
    source = ("from mfmesos.shared.values import value\n"
              "@value(frozen=True)\nclass Point:\n    x: int\n"
              "Point(1).x = 2\n")
    report, _, code = api.run(["--strict", "--config-file=", "-c", source])
    assert code == 1
    assert 'Property "x" defined in "Point" is read-only' in report
