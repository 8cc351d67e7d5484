"""Resources beside cores, memory and disk in the core: licences and the like are counted, asked for and named."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Holder, Resources
from mfmesos.core.policy import Policy
from mfmesos.shared.resources import named

LICENCES = named({"licences": 3})
WHOLE = Resources(8, 8096, 20000, 0, LICENCES)


def world_of(agents: dict[str, Resources], **policy: object) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **policy), agents)  # type: ignore[arg-type]
    world.register()
    return world


def step(world: World) -> list[float]:
    """Offers and syncs until nothing new starts; the licences in use on each claim."""
    world.offer()
    for executor in world.live():
        world.sync(executor)
        world.sync(executor)
    return [sum(run.others.get("licences", 0.0) for run in executor.running.values()) for executor in world.live()]


def claimed(world: World) -> list[Resources]:
    return [action.resources for action in world.actions if isinstance(action, act.OpenClaim)]


def test_a_claim_asks_for_what_its_tasks_need():
    """Three of ten tasks fit by their licences: the claim holds these, and no more of anything than they need."""
    world = world_of({"a1": WHOLE})
    world.submit(*range(1, 11), cores=1, memory_mb=100, disk_mb=10, others=named({"licences": 1}))
    assert step(world) == [3]
    assert claimed(world)[0].others == LICENCES
    assert claimed(world)[0].cores == 3


def test_tasks_without_them_do_not_hold_them():
    """The agent's licences stay for others."""
    world = world_of({"a1": WHOLE})
    world.submit(1, 2, cores=1)
    step(world)
    assert [one.others for one in claimed(world)] == [()]


@pytest.mark.parametrize("others", [{"licences": 1}, {"licences": 2}, {"licences": 1, "bandwidth": 40}])
def test_no_more_are_in_use_than_the_claim_has(others: dict[str, float]):
    """However short the tasks are: nothing of these is queued ahead; and all of them run in the end."""
    world = world_of({"a1": WHOLE._replace(others=named({"licences": 3, "bandwidth": 100}))})
    world.ahead = True
    world.submit(*range(1, 31), cores=0.1, others=named(others))
    for _ in range(8):
        for executor in world.live():
            for attempt in list(executor.running):
                world.finish(executor, attempt)
            world.sync(executor)
        assert all(used <= 3 for used in step(world))
        for executor in world.live():
            assert sum(run.others.get("bandwidth", 0) for run in executor.running.values()) <= 100
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_a_new_scheduler_counts_what_runs():
    """Restored attempts hold their licences: with two of three in use a task of two waits."""
    world = world_of({"a1": WHOLE})
    world.submit(1, 2, cores=1, others=named({"licences": 1}))
    world.submit(3, cores=1, others=named({"licences": 1}))
    step(world)
    executor = world.live()[0]
    world.finish(executor, "3.1")
    world.sync(executor)
    world.crash_after = 0
    world.submit(4, cores=1, others=named({"licences": 2}))
    assert step(world) == [2]
    assert world.core.state.claims[executor.claim.claim_id].free.of("licences") == 1
    world.finish(executor, sorted(executor.running)[0])
    world.sync(executor)
    assert step(world) == [3]


def test_the_bounds_of_a_run_leave_others_alone():
    """--max-cores and --max-memory bound what they name; licences are claimed as the tasks need them."""
    world = world_of({"a1": WHOLE}, max_cores=2.0, max_memory_mb=2000.0)
    world.submit(*range(1, 5), cores=1, memory_mb=100, others=named({"licences": 1}))
    assert step(world) == [2]
    assert claimed(world)[0].of("licences") == 2


def test_an_unknown_name_is_refused_once_the_agents_are_listed():
    """With the names that there are; a task that only has to wait is not."""
    world = world_of({"a1": WHOLE._replace(others=named({"licences": 3, "bandwidth": 10}))})
    world.lists = False
    world.submit(1, cores=1, others=named({"license": 1}))
    world.submit(2, cores=1, others=named({"licences": 3}))
    world.offer()
    world.pass_time(60)
    assert 1 not in world.reports
    world.list_agents()
    world.pass_time(10)
    world.list_agents()
    world.pass_time(10)
    assert world.reports[1].reason == (
        "the task requests the resource license, but no agent has license for this run; besides cores, memory, disk "
        "and GPUs the agents have: bandwidth, licences")
    assert 2 not in world.reports


def test_more_than_any_agent_has_is_refused():
    """The reason names both amounts."""
    world = world_of({"a1": WHOLE})
    world.submit(1, cores=1, memory_mb=100, disk_mb=10, others=named({"licences": 4}))
    world.offer()
    world.list_agents()
    world.pass_time(10)
    world.list_agents()
    world.pass_time(10)
    assert "needs 1 cores, 100 MB memory, 10 MB disk, 4 licences, but the largest agent has 8 cores" in (
        world.reports[1].reason)
    assert "3 licences for tasks" in world.reports[1].reason


def test_what_others_reserved_is_named():
    """All licences are another role's: the reason says whose."""
    world = world_of({"a1": WHOLE._replace(others=())})
    world.reserved["a1"] = (("chem", Resources(others=LICENCES)),)
    world.submit(1, cores=1, others=named({"licences": 1}))
    world.offer()
    world.list_agents()
    world.pass_time(10)
    world.list_agents()
    world.pass_time(10)
    assert "; 3 of the 3 licences of agent a1 are reserved for role chem" in world.reports[1].reason


def test_whoever_holds_them_is_named():
    """While tasks wait for licences that another framework holds."""
    world = world_of({"a1": WHOLE})
    world.used["a1"] = Resources(1, 100, 0, 0, LICENCES)
    world.holders = (Holder("f-2", "chem", Resources(1, 100, 0, 0, LICENCES)),)
    world.submit(1, cores=1, others=named({"licences": 1}))
    for _ in range(12):
        world.offer()
        world.pass_time(1)
    assert any("chem holds 1 core and 100 MB memory and 3 licences" in note.text for note in world.notes)

