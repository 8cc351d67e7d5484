"""Where tasks find room: crumbs of agents, reservations, agents that are away, GPUs. The core in its world."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Resources
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

WHOLE = Resources(4, 3000, 20000)


def world_of(agents: dict[str, Resources], used: dict[str, Resources] | None = None, **settings: object) -> World:
    """A registered framework; of the agents others use some."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **settings), agents)  # type: ignore[arg-type]
    world.used.update(used or {})
    world.register()
    return world


def offered(world: World) -> list[wire.Run]:
    """What runs after another round of offers and syncs."""
    world.offer()
    for executor in world.live():
        world.sync(executor)
    return [run for e in world.live() for run in e.running.values()]


def of_type(world: World, kind: type) -> list:
    return [a for a in world.actions if isinstance(a, kind)]


@pytest.mark.parametrize("left", [
    Resources(3, 100, 20000), Resources(3, 580, 20000), Resources(0.2, 2000, 20000), Resources(3, 2000, 300),
], ids=["memory", "less-than-promised", "cores", "disk"])
@pytest.mark.parametrize("settings", [{}, {"estimates": "off"}, {"per_task_claims": True}])
def test_no_undeclared_task_is_placed_on_a_crumb(left: Resources, settings: dict[str, object]):
    """One core and min(512 MB, the agent's share) are promised: what others left is less, so it is declined, not for
    long, and used when they have gone."""
    world = world_of({"a1": WHOLE}, {"a1": WHOLE - left}, **settings)
    world.submit(*range(1, 9))
    assert not offered(world)
    assert not of_type(world, act.OpenClaim)
    assert 0 < of_type(world, act.DeclineOffers)[-1].refuse_s <= 30
    world.used["a1"] = Resources()
    given = offered(world)
    assert given
    assert all((r.cores, r.memory_mb, r.disk_mb) == (1, 512, 1024) for r in given)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished and r.attempts == 1 for r in world.reports.values())


def test_what_a_crumb_can_hold_in_full_is_used():
    """700 MB and 3 cores are left of the agent: one task at a time, with all that is promised."""
    world = world_of({"a1": WHOLE}, {"a1": Resources(1, 2300)})
    world.submit(*range(1, 9))
    assert [r.memory_mb for r in offered(world)] == [512]


def test_a_declared_small_task_may_use_a_crumb():
    """It declares what it needs; undeclared ones do not follow it into its claim."""
    world = world_of({"a1": WHOLE}, {"a1": Resources(1, 2800)})
    world.submit(1, cores=1, memory_mb=10, disk_mb=5)
    world.submit(2)
    offered(world)
    assert [r.attempt for r in offered(world)] == ["1.1"]


def test_leftovers_of_our_own_claims_are_crumbs_too():
    """Agents of 1.2 cores: one undeclared task each, though 0.2 cores and much memory are left."""
    agent = Resources(1.2, 3000, 20000)
    world = world_of({"a1": agent, "a2": agent})
    world.submit(*range(1, 9))
    offered(world)
    assert [(r.cores, r.memory_mb) for r in offered(world)] == [(1, 512)] * 2


@pytest.mark.parametrize(("agent", "side_by_side"), [
    (Resources(1, 300, 1000), 1), (Resources(0.5, 150, 100), 1), (Resources(8, 2048, 1000), 8),
    (Resources(4, 300, 0), 3),
])
def test_small_agents_are_used_in_full(agent: Resources, side_by_side: int):
    """The promise is a share of what the agent has: it never keeps an empty agent idle."""
    world = world_of({"a1": agent})
    world.submit(*range(1, 20))
    assert len(offered(world)) == side_by_side
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_claims_that_came_one_by_one_still_fill_a_small_agent():
    """Each claim's executor takes memory: the last core is used all the same."""
    world = world_of({"a1": Resources(8, 2048, 10000)})
    world.submit(1, 2, 3)
    assert len(offered(world)) == 3
    world.submit(*range(4, 20))
    offered(world)
    assert len(offered(world)) == 8


def test_a_list_that_never_comes_holds_nothing_up():
    """Where the master does not list its agents, the most that was seen of one counts, after a second."""
    world = world_of({"a1": Resources(2, 500, 1000)})
    world.lists = False
    world.submit(*range(1, 9))
    assert not offered(world)
    assert not of_type(world, act.DeclineOffers)
    assert world.core.wakeup() is not None
    world.pass_time(1.1)
    assert len(offered(world)) == 2


def test_what_other_roles_reserved_is_named():
    """Nearly all memory is kept for another role: the tasks fail with that as the reason, before they are killed."""
    world = world_of({"a1": Resources(4, 100, 20000)})
    world.reserved["a1"] = (("other", Resources(0, 2900)),)
    world.submit(1)
    offered(world)
    world.list_agents()
    world.pass_time(6)
    assert not of_type(world, act.OpenClaim)
    assert "2,900 of the 3,000 MB memory of agent a1 are reserved for role other" in world.reports[1].reason


def test_no_agent_has_more_names_reservations():
    """A task went over all that an agent has for us."""
    world = world_of({"a1": Resources(4, 400, 20000)})
    world.reserved["a1"] = (("other", Resources(0, 2600)),)
    world.submit(1, cores=4)
    (executor,) = [e for _ in offered(world) for e in world.live()]
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", reason="memory", usage=wire.Usage(memory_mb=304))
    world.sync(executor)
    assert "no agent has more; 2,600 of the 3,000 MB memory" in world.reports[1].reason


@pytest.mark.parametrize("how", ["inactive", "not listed", "never listed"])
def test_an_agent_that_is_away_still_counts(how: str):
    """The one large enough restarts: its task waits with a line, is run when the agent is back, and fails only when
    that stays away for long."""
    world = world_of({"a1": WHOLE, "big": Resources(16, 60000, 90000)})
    if how == "never listed":
        world.offer()
    else:
        world.list_agents()
    world.away.add("big")
    if how != "inactive":
        world.agents = {"a1": WHOLE}
    world.list_agents()
    world.submit(1, 2, cores=16)
    for _ in range(10):
        offered(world)
        world.list_agents()
        world.pass_time(6)
    assert not world.reports
    assert "agent big, which is unavailable" in world.notes[-1].text
    assert world.core.state.largest_agent().cores == 16
    world.agents["big"] = Resources(16, 60000, 90000)
    world.away.clear()
    world.list_agents()
    assert [r.attempt for r in offered(world)] == ["1.1"]


def test_an_agent_that_stays_away_is_not_waited_for():
    """After ten minutes it is taken for gone."""
    world = world_of({"a1": WHOLE, "big": Resources(16, 60000, 90000)})
    world.list_agents()
    world.away.add("big")
    world.submit(1, cores=16)
    for _ in range(70):
        offered(world)
        world.list_agents()
        world.pass_time(10)
    assert "largest agent has 4 cores" in world.reports[1].reason


def test_gpus_are_not_queued_ahead():
    """Short tasks of one GPU each on an agent of two: never more than two hold one, however short they are."""
    world = world_of({"a1": Resources(8, 8096, 20000, 2)})
    world.ahead = True
    world.submit(*range(1, 31), gpus=1)
    for _ in range(8):
        given = offered(world)
        assert len(given) <= 2
        for executor in world.live():
            for attempt in list(executor.running):
                world.finish(executor, attempt)
            world.sync(executor)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_a_run_without_gpus_says_so():
    """The agents have GPUs, the framework did not ask for them: its tasks do not wait in silence."""
    world = world_of({"a1": Resources(8, 8096, 20000, 2)}, gpus=False)
    world.submit(1, gpus=1)
    world.submit(2)
    world.agents["a1"] = Resources(8, 8096, 20000)  # as offered
    offered(world)
    world.list_agents()
    world.pass_time(6)
    assert "this run is offered none" in world.reports[1].reason
    assert 2 not in world.reports
