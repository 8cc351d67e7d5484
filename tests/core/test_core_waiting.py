"""Why a task waits: the reason that binds, with its numbers, and when the task will probably start."""
from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core import waiting
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.decisions import Why, WhyNot
from mfmesos.core.model import AgentId, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.waiting import Binding, Waiting, next_tasks, why_each_waits, why_waiting
from mfmesos.shared import wire

AGENT = Resources(4, 4096, 20000)
POLICY = Policy(workdir="/w", batch_delay_s=0.0, claim_idle_s=1e6)


def begin(policy: Policy = POLICY, *cores: float, lasts_s: float = 100.0, agents: int = 1) -> World:
    """Tasks of so many cores, on agents of four; what runs takes that many seconds."""
    world = World(policy, {f"a{n}": AGENT for n in range(1, agents + 1)})
    world.send(ev.HistoryLoaded(tuple(
        Attempt(1e9, "c", "finished", measured_memory_mb=50.0, wall_s=lasts_s) for _ in range(10))))
    submit(world, 1, *cores)
    world.register()
    world.list_agents()
    world.offer()
    sync(world)
    return world


def submit(world: World, first: int, *cores: float) -> None:
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (f"o{n}",), Request(amount, 100.0, 200.0), "c"))
                 for n, amount in enumerate(cores, first)))


def sync(world: World) -> None:
    for _ in range(2):
        for executor in world.live():
            world.sync(executor)


def why(world: World, task_id: int) -> Waiting:
    """Asking changes nothing."""
    before = pickle.dumps(world.core.state.tasks)
    found = why_waiting(world.core.state, task_id)
    assert found is not None
    assert found == why_waiting(world.core.state, task_id)
    assert pickle.dumps(world.core.state.tasks) == before
    return found


def test_full_claims():
    """Four tasks fill the agent, three more wait: the numbers say how long the queue is and what is free."""
    world = begin(POLICY, *[1.0] * 7)
    found = why(world, 7)
    assert found.binding is Binding.FULL
    assert (found.before, found.claims, found.most_free.cores) == (2, ((Why.FULL, 1),), 0.0)
    assert (found.need.cores, found.need.memory_mb, found.held.cores) == (1.0, 100.0, 4.0)
    assert why_waiting(world.core.state, 1) is None
    assert why_waiting(world.core.state, 99) is None


@pytest.mark.parametrize(("task_id", "expected"), [(5, 100.0), (8, 100.0), (9, 200.0), (13, 300.0)])
def test_the_predicted_start_follows_the_queue(task_id, expected):
    """Four at a time, 100 s each."""
    world = begin(POLICY, *[1.0] * 13)
    assert why(world, task_id).start_at == pytest.approx(expected, rel=0.1)
    world.pass_time(50.0)
    assert why(world, task_id).start_at == pytest.approx(expected, rel=0.1)


def test_the_prediction_for_many_tasks_costs_as_much_as_for_some():
    """20,001 tasks of 100 s wait for four cores: the last starts after 5,000 times 100 s."""
    world = begin(POLICY, *[1.0] * 4)
    submit(world, 10, *[1.0] * 20_001)
    assert why(world, 20_010).start_at == pytest.approx(100.0 + 20_000 / 4 * 100.0, rel=0.02)


def test_why_many_tasks_wait(monkeypatch):
    """As each by itself but for the prediction; claims and agents are looked at once for each shape, not each task."""
    world = begin(POLICY, *[1.0] * 40, *[2.0] * 40)
    world.send(ev.TaskSteered(7, "x", held=True))
    looked = []
    monkeypatch.setattr(waiting, "_by_room", lambda *args, by_room=waiting._by_room: looked.append(1) or by_room(*args))
    found = why_each_waits(world.core.state, [1, 7, 99, *range(20, 70)])
    assert len(looked) == 2
    assert [one.task_id for one in found] == [7, *range(20, 70)]
    assert found == [replace(why(world, one.task_id), before=0, start_at=None, otherwise=()) for one in found]
    assert [one.binding for one in found[:2]] == [Binding.USER, Binding.FULL]


def test_the_next_task_of_each_category():
    """The first that waits of each, with what it requests and what is learned; nobody looks at more than is wanted."""
    world = begin(POLICY, *[1.0] * 6)
    world.send(ev.TaskSubmitted(Task(20, "y", (), ("o20",), Request(None, 64.0, 200.0), "new")))
    one, other = next_tasks(world.core.state, 10)
    assert (one.category, one.task_id, one.need.cores, one.need.memory_mb, one.wall_s) == ("c", 5, 1.0, 100.0, 100.0)
    assert (other.category, other.task_id, other.need.cores, other.need.memory_mb, other.wall_s) == (
        "new", 20, 1.0, 64.0, None)
    assert next_tasks(world.core.state, 1) == [one]


def test_unknown_run_times_predict_nothing():
    """And nothing is made up."""
    world = World(POLICY, {"a1": AGENT})
    world.register()
    world.submit(*range(1, 7), cores=1.0)
    world.offer()
    sync(world)
    assert (why(world, 6).binding, why(world, 6).start_at) == (Binding.FULL, None)


def test_a_planned_start_and_those_behind_it():
    """A task of all cores gathers room; a long one behind it must not use what is free meanwhile."""
    world = begin(POLICY, 2.0, 2.0)
    submit(world, 3, 4.0, 1.0)
    world.now = 90.0
    (executor,) = world.live()
    world.finish(executor, "1.1", usage=wire.Usage(50.0, 1.0, 1.0, 90.0, 90.0))
    sync(world)
    large, behind = why(world, 3), why(world, 4)
    hold = world.core.state.holds.first
    assert hold is not None
    assert (large.binding, large.claim_id, large.start_at) == (Binding.GATHERING, executor.claim.claim_id, hold.at)
    assert (behind.binding, behind.behind, behind.before) == (Binding.HELD, 3, 1)
    assert behind.otherwise[0] == ("--reserve none", world.now)


def test_what_another_policy_would_do():
    """Ten tasks of 100 s wait before one of 10 s: with the shortest first it would start as soon as one ends, and the
    fourth of the others 10 s later than in their order.
    """
    world = begin(POLICY, *[1.0] * 14)
    world.send(ev.HistoryLoaded(tuple(
        Attempt(1e9, "short", "finished", measured_memory_mb=50.0, wall_s=10.0) for _ in range(10))))
    world.send(ev.TaskSubmitted(Task(20, "x", (), ("o20",), Request(1.0, 100.0, 200.0), "short")))
    found = why(world, 20)
    assert (found.order, found.reserve, found.start_at) == ("fifo", "easy", pytest.approx(300.0, rel=0.1))
    assert found.otherwise == (("--order shortest", pytest.approx(100.0, rel=0.1)),)
    assert why(world, 8).otherwise == (("--order shortest", pytest.approx(110.0, rel=0.1)),)
    assert why(begin(replace(POLICY, ordering="shortest"), *[1.0] * 6), 6).otherwise == ()


def test_limits_of_the_run():
    """--max-running, --max-cores and a full folder are named before anything else."""
    found = why(begin(replace(POLICY, max_running=2), *[1.0] * 3), 3)
    assert (found.binding, found.limit) == (Binding.RUNNING, 2)
    world = begin(replace(POLICY, max_cores=2.0), *[1.0] * 3, agents=2)
    world.offer()
    assert why(world, 3).binding is Binding.FULL  # the claim's end is nearer than anything else
    world = begin(replace(POLICY, max_cores=3.0), 1.0, 3.0, agents=2)
    found = why(world, 2)
    assert (found.binding, found.held.cores) == (Binding.BOUND, 1.0)
    world = begin(POLICY, *[1.0] * 5)
    world.core.state.paused_until = world.now + 10.0
    assert (why(world, 5).binding, why(world, 5).until) == (Binding.PAUSED, 10.0)


def test_agents_and_offers():
    """No master, no offer, no agent that is large enough, and agents that are avoided."""
    world = World(POLICY, {"a1": AGENT})
    submit(world, 1, 1.0)
    assert why(world, 1).binding is Binding.NO_CLUSTER
    world.register()
    assert why(world, 1).binding is Binding.OFFERS
    submit(world, 2, 8.0)
    world.list_agents()
    found = why(world, 2)
    assert (found.binding, found.need.cores, found.largest.cores) == (Binding.TOO_LARGE, 8.0, 4.0)
    world.core.state.agent(AgentId("", "a1")).avoid_until = 1e9
    world.core.state.clusters[""].offering.clear()
    for offer in world.first.make_offers():
        world.core.state.agent(AgentId("", "a1")).offers[offer.id] = offer
        world.core.state.clusters[""].offering["a1"] = world.core.state.agent(AgentId("", "a1"))
    found = why(world, 1)
    assert (found.binding, found.agents) == (Binding.SHUNNED, ((WhyNot.AVOIDED, 1),))


def test_a_claim_that_is_being_launched():
    """Its executor has not synced yet."""
    world = World(POLICY, {"a1": AGENT})
    submit(world, 1, 1.0)
    world.register()
    world.offer()
    assert why(world, 1).binding is Binding.CLAIM
