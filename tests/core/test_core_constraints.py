"""Constraints of tasks on attributes of agents: what each allows, that none is ever broken, what is impossible."""
from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from mfmesos.core import events as ev
from mfmesos.core.constraints import meets
from mfmesos.core.model import Constraint, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.waiting import Binding, why_waiting

AGENT = Resources(4, 4096, 20000)
RACKS = {"a1": {"rack": "r1", "os": "debian-12"}, "a2": {"rack": "r1", "os": "debian-11"},
         "a3": {"rack": "r2", "os": "rocky-9"}, "a4": {}}


def world_of(attributes: dict[str, dict[str, str]] = RACKS, placement: str = "first") -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1e6, claim_worklife_s=1e9,
                         placement=placement), dict.fromkeys(attributes, AGENT))
    world.first.attributes = attributes
    world.ahead = False
    world.register()
    return world


def task(number: int, *where: tuple[str, ...], cores: float = 1.0, category: str = "c") -> Task:
    return Task(number, "x", (), (f"o{number}",), Request(cores, 100.0, 200.0), category,
                where=tuple(Constraint(*one) for one in where))


def submit(world: World, *tasks: Task) -> None:
    world.send(*(ev.TaskSubmitted(one) for one in tasks))


def running(world: World) -> dict[int, str]:
    """Task -> agent, once all that can be opened is open."""
    for _ in range(4):
        world.offer()
        for executor in world.live():
            world.sync(executor)
        world.send(ev.Tick())
    return {int(a.partition(".")[0]): e.claim.agent_id for e in world.live() for a in e.running}


def end(world: World, number: int) -> None:
    executor, attempt = next((e, a) for e in world.live() for a in e.running if int(a.partition(".")[0]) == number)
    world.finish(executor, attempt)
    world.sync(executor)


@pytest.mark.parametrize(("op", "value", "expected"), [
    ("equals", "debian-12", {"a1"}), ("like", "debian.*", {"a1", "a2"}), ("like", "debian", set()),
    ("takes", "1", set()), ("unlike", "debian.*", {"a3", "a4"}), ("unlike", "rocky.*", {"a1", "a2", "a4"}),
    ("unique", "", {"a1", "a2", "a3"}), ("group_by", "", {"a1", "a2", "a3"}), ("max_per", "2", {"a1", "a2", "a3"}),
])
def test_what_an_agent_must_have(op, value, expected):
    """like and unlike match the whole value; an agent without the attribute meets only unlike."""
    one = Constraint("os", op, value)
    assert {agent for agent, attributes in RACKS.items() if meets(one, attributes.get("os"))} == expected


@pytest.mark.parametrize("placement", ["first", "spread", "best", "pack"])
def test_tasks_start_only_where_their_constraints_are_met(placement):
    """And tasks without constraints use what is left; the host name counts as an attribute."""
    world = world_of(placement=placement)
    submit(world, *(task(n, ("rack", "equals", "r2")) for n in range(1, 7)),
           *(task(n, ("hostname", "equals", "a4")) for n in range(7, 9)), *(task(n) for n in range(10, 20)))
    at = running(world)
    assert {n for n, agent in at.items() if agent == "a3"} == {1, 2, 3, 4}
    assert [at.get(n) for n in (7, 8)] == ["a4", "a4"]
    assert set(at) == {1, 2, 3, 4, 7, 8, *range(10, 20)}
    end(world, 1)
    assert running(world)[5] == "a3"
    why = why_waiting(world.core.state, 6)
    assert why is not None
    assert why.binding is Binding.FULL


def test_why_names_the_constraint():
    """Where agents with room do not meet it."""
    world = world_of({"a1": {"rack": "r1"}, "a2": {"rack": "r2"}})
    submit(world, *(task(n, ("rack", "unique")) for n in range(1, 4)))
    (waits,) = {1, 2, 3} - set(running(world))
    why = why_waiting(world.core.state, waits)
    assert why is not None
    assert why.binding is Binding.CONSTRAINT


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["unique", "max_per", "group_by"]), st.integers(1, 3), st.integers(1, 14), st.data())
def test_counts_are_never_exceeded_and_nothing_waits_needlessly(op, most, count, data):
    """Tasks of two categories, which are counted apart, start and end at random. Ends may leave group_by uneven."""
    world = world_of({**RACKS, "a5": {"rack": "r3"}}, data.draw(st.sampled_from(["first", "spread", "best"])))
    value = str(most) if op == "max_per" else ""
    submit(world, *(task(n, ("rack", op, value) if value else ("rack", op), category="ab"[n % 2])
                    for n in range(1, count + 1)))
    for turn in range(4):
        at = running(world)
        for category in (0, 1):
            per = Counter(RACKS.get(agent, {"rack": "r3"})["rack"] for n, agent in at.items() if n % 2 == category)
            counts = [per[rack] for rack in ("r1", "r2", "r3")]
            waiting = sum(n % 2 == category for n in world.core.state.tasks if n not in at)
            if op == "group_by":
                assert turn or max(counts) - min(counts) <= 1
            else:
                assert max(counts) <= (most if op == "max_per" else 1)
            if waiting and op != "group_by":  # each category has room, so only its own count holds it back
                assert min(counts) == (most if op == "max_per" else 1) or sum(per.values()) >= 12
        if at:
            end(world, data.draw(st.sampled_from(sorted(at))))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["first", "spread", "network", "pack"]),
       st.lists(st.sampled_from(["50", "100", "250.5"]), min_size=1, max_size=14), st.data())
def test_no_agent_gives_more_than_its_attribute_names(placement, amounts, data):
    """network_mbps is a counter that tasks of any category fill up, and nothing waits that would fit."""
    has = {"a1": 300.0, "a2": 1000.0, "a3": 0.0}
    world = world_of({"a1": {"network_mbps": "300"}, "a2": {"network_mbps": "1000"}, "a3": {}}, placement)
    wants = dict(enumerate(map(float, amounts), 1))
    submit(world, *(task(n, ("network_mbps", "takes", amount), category="ab"[n % 2])
                    for n, amount in enumerate(amounts, 1)))
    for _ in range(4):
        at = running(world)
        taken, count = Counter(), Counter(at.values())
        for n, agent in at.items():
            taken[agent] += wants[n]
        assert all(taken[agent] <= most + 0.001 for agent, most in has.items())
        for n in set(world.core.state.tasks) - set(at):
            assert all(wants[n] > has[agent] - taken[agent] or count[agent] == AGENT.cores for agent in ("a1", "a2"))
        if at:
            end(world, data.draw(st.sampled_from(sorted(at))))
    world.restart()
    world.list_agents()
    running(world)
    assert sum(sum(one.values()) for one in world.core.state.taken.values()) == pytest.approx(
        sum(wants[n] for n in running(world)))


def test_an_impossible_constraint_fails_the_task_with_what_there_is():
    """The value, the attribute, and a combination that no agent has; others run."""
    world = world_of()
    submit(world, task(1, ("rack", "equals", "r9")), task(2, ("disk", "like", "s.*")), task(3),
           task(4, ("rack", "equals", "r1"), ("os", "equals", "rocky-9")), task(5, ("network_mbps", "takes", "10")))
    for _ in range(12):
        running(world)
        world.list_agents()
        world.pass_time(1.0)
    reasons = {n: report.reason for n, report in world.reports.items()}
    assert set(reasons) == {1, 2, 4, 5}
    assert "none has the attribute network_mbps" in reasons[5]
    assert "constraint rack equals r9; rack is r1, r2" in reasons[1]
    assert "none has the attribute disk" in reasons[2]
    assert "constraint os equals rocky-9" in reasons[4]
    assert set(running(world)) == {3}


def test_an_agent_that_meets_a_constraint_must_also_be_large_enough():
    """The agents with a rack have no GPU, and the one with a GPU has no rack."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": AGENT, "a2": AGENT._replace(gpus=1)})
    world.first.attributes = {"a1": {"rack": "r1"}}
    world.register()
    one = task(1, ("rack", "unique"))
    submit(world, Task(1, "x", (), (), Request(1.0, 100.0, 200.0, gpus=1), where=one.where))
    for _ in range(12):
        running(world)
        world.list_agents()
        world.pass_time(1.0)
    assert "large enough meets the constraint rack unique: none has the attribute rack" in world.reports[1].reason


def test_constraints_outlive_the_scheduler():
    """What runs on a rack counts there again once the attributes are known."""
    world = world_of({"a1": {"rack": "r1"}, "a2": {"rack": "r2"}})
    submit(world, *(task(n, ("rack", "unique")) for n in (1, 2, 3)))
    before = running(world)
    assert len(before) == 2
    world.restart()
    submit(world, task(3, ("rack", "unique")))
    world.list_agents()
    assert running(world) == before
    assert {sum(counts.values()) for counts in world.core.state.placed.values()} == {2}
