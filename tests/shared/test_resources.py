"""The vector of resources: its laws (Hypothesis), and how it is written."""
from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.shared.resources import Resources, is_name, named

NAMES = st.sampled_from(["licences", "bandwidth", "a100"])
FEW = st.integers(0, 50).map(float)
VECTORS = st.builds(Resources, FEW, FEW, FEW, FEW, st.dictionaries(NAMES, FEW).map(named))
NOTHING = Resources()


def each(r: Resources) -> dict[str, float]:
    """By name, with what it lacks."""
    return {name: r.of(name) for name in (*r.names(), "licences", "bandwidth", "a100")}


@given(VECTORS, VECTORS, VECTORS)
def test_sums(a: Resources, b: Resources, c: Resources) -> None:
    """In any order and grouping; adding nothing changes nothing; what is added can be taken away."""
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + NOTHING == a - NOTHING == a
    assert (a + b) - b == a
    assert each(a + b) == {name: a.of(name) + b.of(name) for name in each(a)}
    assert a * 3 == a + a + a
    assert a - a == a * 0 == NOTHING


@given(VECTORS, VECTORS, VECTORS)
def test_what_fits(a: Resources, b: Resources, c: Resources) -> None:
    """Every amount fits, and only then; more room never hurts, and a part fits where the whole does."""
    assert a.fits_in(b) == all(a.of(name) <= b.of(name) for name in each(a))
    assert a.fits_in(a)
    assert NOTHING.fits_in(a)
    assert a.fits_in(a + b)
    if a.fits_in(b):
        assert a.fits_in(b + c)
        assert (a + c).fits_in(b + c)
        assert (a - c).fits_in(b)
        assert b.fits_in(a) == (a == b)
    if a.fits_in(b) and b.fits_in(c):
        assert a.fits_in(c)


@given(VECTORS, VECTORS)
def test_the_smaller_and_the_larger_of_each(a: Resources, b: Resources) -> None:
    """The largest that fits in both, and the smallest in which both fit."""
    low, high = a.at_most(b), a.at_least(b)
    assert each(low) == {name: min(a.of(name), b.of(name)) for name in each(a)}
    assert each(high) == {name: max(a.of(name), b.of(name)) for name in each(a)}
    assert low + high == a + b
    assert (a - b).at_least_zero() == a - low


def test_a_room_that_is_overdrawn_takes_nothing() -> None:
    """Not even what needs none of the resource that is missing."""
    overdrawn = Resources(4, others=named({"licences": 1})) - Resources(others=named({"licences": 2}))
    assert overdrawn.of("licences") == -1
    assert not Resources(1).fits_in(overdrawn)
    assert Resources(1).fits_in(overdrawn.at_least_zero())


def test_amounts_within_the_precision_of_mesos_fit() -> None:
    """Mesos counts in thousandths."""
    room = Resources(others=named({"bandwidth": 0.3}))
    assert Resources(others=named({"bandwidth": 0.1 + 0.2})).fits_in(room)
    assert not Resources(others=named({"bandwidth": 0.301})).fits_in(room)
    left = room - Resources(others=named({"bandwidth": 0.1})) - Resources(others=named({"bandwidth": 0.2}))
    assert left == NOTHING


def test_a_value_is_one_however_it_was_made() -> None:
    """In the order of the names, without zeros, with interned names: equal values are equal and hash alike."""
    one = named({"licences": 2.0, "bandwidth": 1.0, "none": 0.0})
    assert one == named({"bandwidth": 1, "licences": 2}) == (("bandwidth", 1.0), ("licences", 2.0))
    assert one[0][0] is sys.intern("band" + "width"[0:])
    assert hash(Resources(1, others=one)) == hash(Resources(1.0, 0, 0, 0, one))


def test_how_it_is_written() -> None:
    """As messages name it; GPUs and others where there are any."""
    assert str(Resources(1.5, 100, 20)) == "1.5 cores, 100 MB memory, 20 MB disk"
    assert str(Resources(1, 2, 3, 4, named({"licences": 3, "bandwidth": 0.5}))) == (
        "1 cores, 2 MB memory, 3 MB disk, 4 gpus, 0.5 bandwidth, 3 licences")


@pytest.mark.parametrize(("name", "valid"), [
    ("licences", True), ("a100-40GB_x.y", True), ("", False), ("7z", False), ("a b", False), ("a\x1b[1m", False),
    ("x" * 61, False), ("lizenz-ü", False)])
def test_names(name: str, valid: bool) -> None:
    """Plain words: what an agent calls a resource is printed in messages."""
    assert is_name(name) == valid
