"""Amounts of resources, as Mesos counts them."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.allocation.amounts import Amounts

scalars = st.dictionaries(st.sampled_from(["cpus", "mem", "disk", "gpus"]), st.integers(1, 10**9))
ranges = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)).map(lambda t: (t[0], t[0] + t[1])), max_size=4)


def made(milli, ports):
    return Amounts.from_json([
        *({"name": k, "type": "SCALAR", "scalar": {"value": v / 1000}} for k, v in milli.items()),
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": b, "end": e} for b, e in ports]}}])


amounts = st.builds(made, scalars, ranges)


@given(amounts, amounts)
def test_sum_contains_its_parts(a, b):
    """What was put together holds each part, and without one of them (scalars) leaves the other."""
    both = a + b
    assert both.contains(a)
    assert both.contains(b)
    assert dict((both - b).milli) == dict(a.milli)
    assert not (both - both)


@given(amounts)
def test_json_and_back(a):
    """What is written as Mesos's JSON reads as the same."""
    assert Amounts.from_json(a.to_json("role")) == a


@pytest.mark.parametrize("resource", [
    {}, {"name": "cpus"}, {"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}},
    {"name": "things", "type": "SET"}, {"name": "cpus", "type": "SCALAR", "scalar": {"value": "x"}}])
def test_wrong_resources(resource):
    """What is no resource is an error, never a crash of another kind."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Amounts.from_json([resource])
