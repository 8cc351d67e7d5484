"""When waiting tasks will start, as foreseen: in their order, where they fit, overtaking as the policy lets them."""
from __future__ import annotations

from dataclasses import replace

import pytest
from test_core_waiting import AGENT, POLICY, sync
from world import World

from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.forecast import MOST_ROOMS, starts_at
from mfmesos.core.model import Request, Task
from mfmesos.core.policy import Policy

LASTS_S = {"short": 10.0, "long": 100.0}
Asked = tuple[str, float, float]
"""Category, cores, MB."""


def running(*tasks: Asked, agents: int = 1, policy: Policy = POLICY) -> World:
    """Tasks in that order; those that fit run, on agents of four cores and 4096 MB. Nothing of it is recorded."""
    world = World(policy, {f"a{n}": AGENT for n in range(1, agents + 1)})
    world.send(ev.HistoryLoaded(tuple(
        Attempt(1e9, name, "finished", measured_memory_mb=50.0, wall_s=lasts_s)
        for name, lasts_s in LASTS_S.items() for _ in range(10))))
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (f"o{n}",), Request(cores, memory_mb, 10.0), name))
                 for n, (name, cores, memory_mb) in enumerate(tasks, 1)))
    world.register()
    world.list_agents()
    world.offer()
    sync(world)
    return world


def start(world: World, task: int) -> float | None:
    return starts_at(world.core.state, world.core.state.tasks[task])


def test_memory_binds_as_cores_do():
    """Two at a time, though there are cores for four."""
    world = running(*[("long", 1.0, 2000.0)] * 6)
    assert [start(world, task) for task in (3, 4, 5, 6)] == pytest.approx([100.0, 100.0, 200.0, 200.0], rel=0.1)


def test_agents_are_not_one():
    """Two cores are free on each of two agents: four are free on none of them before their tasks have ended."""
    world = running(("long", 3.0, 100.0), ("long", 3.0, 100.0), ("long", 4.0, 100.0), ("long", 1.0, 100.0), agents=2)
    assert start(world, 3) == pytest.approx(100.0, rel=0.1)


def overtaken(reserve: str) -> World:
    """Three cores run for 100 s; then a task that needs all four, and two that need one, a short and a long one."""
    world = running(("long", 3.0, 100.0), policy=replace(POLICY, planned_start=reserve, max_running=1))
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (f"o{n}",), Request(cores, 100.0, 10.0), name))
                 for n, (name, cores) in enumerate((("long", 4.0), ("short", 1.0), ("long", 1.0)), 2)))
    claim, = world.core.state.claims.values()
    claim.free = claim.free._replace(cores=1.0, memory_mb=3000.0)
    claim.resources = claim.resources._replace(cores=4.0, memory_mb=4000.0)
    return world


@pytest.mark.parametrize(("reserve", "expected"), [
    ("none", [100.0, 0.0, 10.0]), ("easy", [100.0, 0.0, 200.0]), ("conservative", [100.0, 200.0, 200.0])])
def test_tasks_overtake_as_the_policy_lets_them(reserve, expected):
    """With easy a task that ends before the first one starts, with conservative none, with none whatever fits: there
    the third ends after the first could have started.
    """
    world = overtaken(reserve)
    found = [start(world, task) for task in (2, 3, 4)]
    if reserve == "none":
        assert found[1:] == pytest.approx(expected[1:], abs=2.0)
        assert found[0] > 105.0
    else:
        assert found == pytest.approx(expected, rel=0.1, abs=2.0)


def test_a_sample_of_many_agents():
    """A task fills each of 3 * MOST_ROOMS agents; of those that wait as many start at a time as on all."""
    agents = 3 * MOST_ROOMS
    world = running(*[("long", 4.0, 100.0)] * agents * 3, agents=agents)
    assert len(world.core.state.claims) == agents
    assert start(world, agents + 1) == pytest.approx(100.0, rel=0.1)
    assert start(world, 5 * agents // 2) == pytest.approx(200.0, rel=0.1)
