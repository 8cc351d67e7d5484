"""Amounts of resources, the allocator, filters and the update manager of the embedded cluster."""
from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.local.agent import Agent
from mfmesos.local.allocator import allocate, dominant_share
from mfmesos.local.amounts import Amounts, total
from mfmesos.local.cluster_records import AgentRecord, Filter, Framework
from mfmesos.local.event_stream import EventStream
from mfmesos.local.updates import UpdateManager

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


def cluster_of(tmp_path, count, **size):
    found = []
    for number in range(count):
        agent = Agent(number + 1, Amounts.of(**size), tmp_path / str(number))
        agent.id = f"S{number}"
        found.append(AgentRecord(agent, agent.total))
    return found


def framework(name, role="*"):
    return Framework(name, {"roles": [role]}, stream=EventStream(15))




def test_fair_shares(tmp_path):
    """Two frameworks with nothing get one agent each; who has more waits; roles count before frameworks."""
    async def check():
        records = cluster_of(tmp_path, 2, cpus=4, mem=1000)
        a, b = framework("a"), framework("b")
        chosen = allocate(records, [a, b], {}, 0.0, random.Random(1))
        assert sorted(f.id for f, _, _ in chosen) == ["a", "b"]
        chosen = allocate(records[:1], [a, b], {"a": Amounts.of(cpus=1)}, 0.0, random.Random(1))
        assert [f.id for f, _, _ in chosen] == ["b"]
        other = framework("other", role="r")
        held = {"a": Amounts.of(cpus=1), "b": Amounts.of(cpus=1), "other": Amounts.of(cpus=1.5)}
        chosen = allocate(records[:1], [a, b, other], held, 0.0, random.Random(1))
        assert [f.id for f, _, _ in chosen] == ["other"]

    asyncio.run(check())


def test_filters_and_suppression(tmp_path):
    """A filter stands until its time, for as much or less; a suppressed framework gets nothing."""
    async def check():
        (record,) = cluster_of(tmp_path, 1, cpus=4, mem=1000)
        a = framework("a")
        a.filters[record.id] = [Filter(Amounts.of(cpus=2, mem=1000), until=10.0)]
        assert allocate([record], [a], {}, 5.0, random.Random(1))
        a.filters[record.id] = [Filter(record.free, until=10.0)]
        assert not allocate([record], [a], {}, 5.0, random.Random(1))
        assert allocate([record], [a], {}, 10.0, random.Random(1))
        a.suppressed = True
        assert not allocate([record], [a], {}, 10.0, random.Random(1))

    asyncio.run(check())


def test_crumbs_are_not_offered(tmp_path):
    """Less than 0.01 cpus and less than 32 MB is no offer."""
    async def check():
        (record,) = cluster_of(tmp_path, 1, cpus=4, mem=1000)
        record.free = Amounts.of(cpus=0.005, mem=16, disk=100)
        assert not allocate([record], [framework("a")], {}, 0.0, random.Random(1))

    asyncio.run(check())


def test_dominant_share():
    """The largest fraction of any resource."""
    assert dominant_share(Amounts.of(cpus=1, mem=500), Amounts.of(cpus=4, mem=1000)) == 0.5
    assert dominant_share(total([]), Amounts.of(cpus=1)) == 0.0


def test_updates_are_repeated_until_acknowledged():
    """One at a time for each task, again after the pause, never after the acknowledgement."""
    async def check():
        sent = []
        manager = UpdateManager(lambda f, s, latest: sent.append((s["uuid"], latest)), retry_s=0.02)
        for uuid, state in (("1", "TASK_RUNNING"), ("2", "TASK_FINISHED")):
            manager.add("f", {"task_id": {"value": "t"}, "uuid": uuid, "state": state})
        await asyncio.sleep(0.05)
        assert {u for u, _ in sent} == {"1"}
        assert len(sent) >= 2
        assert sent[-1][1] == "TASK_FINISHED"
        assert manager.acknowledge("f", "t", "2") is None
        assert manager.acknowledge("f", "t", "1")["uuid"] == "1"
        assert sent[-1][0] == "2"
        assert manager.acknowledge("f", "t", "2")
        count = len(sent)
        await asyncio.sleep(0.05)
        assert len(sent) == count
        assert not manager.pending("f", "t")

    asyncio.run(check())
