"""Policies are chosen by name and decide what their protocols say: order, placement, planned starts."""
from __future__ import annotations

from collections import Counter

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.holding import AGES_S, delayed_by, is_held
from mfmesos.core.holds import Holds
from mfmesos.core.model import AgentId, Offer, Request, Resources, Task
from mfmesos.core.policies import registry
from mfmesos.core.policies.fifo import Fifo
from mfmesos.core.policies.protocols import Placement, Spot
from mfmesos.core.policy import Policy
from mfmesos.core.records import PlannedStart, TaskRecord
from mfmesos.shared import wire

AGENT = Resources(4, 4096, 20000)


class Priority(Fifo):
    """By a number in the task's environment."""

    by_arrival = False
    starves = True

    def key(self, record: TaskRecord) -> float:
        return -float(record.task.env.get("priority", "0"))


class ByUse(Fifo):
    """The group that has used least comes first: a dynamic rank."""

    by_arrival = False

    def __init__(self) -> None:
        self.use: Counter[str] = Counter()
        self.moved: set[str] = set()

    def group(self, record: TaskRecord) -> str:
        return record.task.category or ""

    def rank(self, group: str) -> float:
        return self.use[group]

    def used(self, group: str, cores: float, lasted_s: float, now: float) -> None:
        self.use[group] += cores * lasted_s  # type: ignore[assignment]
        self.moved.add(group)

    def take_moved(self) -> set[str]:
        moved, self.moved = self.moved, set()
        return moved


class Fullest(Placement):
    """A placement: the spot with the fewest free cores."""

    compares = True

    def rank(self, spot: Spot) -> float:
        return spot.free.cores

    def cost(self, spot: Spot, need: Resources) -> float:
        return spot.free.cores


def world_with(monkeypatch, agents: dict[str, Resources] | None = None, **policies: object) -> World:
    """With these policies, which are registered for the test alone."""
    tables = {"ordering": registry.ORDERINGS, "placement": registry.PLACEMENTS,
              "planned_start": registry.PLANNED_STARTS}
    named = {}
    for what, made in policies.items():
        if not isinstance(made, str):
            monkeypatch.setitem(tables[what], "test", lambda value, made=made: made)
        named[what] = made if isinstance(made, str) else "test"
    return World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1e6, **named),
                 agents or {"a1": AGENT})


def submit(world: World, number: int, cores: float = 1.0, category: str = "c", **env: str) -> None:
    world.send(ev.TaskSubmitted(Task(
        number, "x", (), (f"o{number}",), Request(cores, 100.0, 200.0), category, env)))


def running(world: World) -> dict[int, str]:
    """Task -> agent."""
    for executor in world.live():
        world.sync(executor)
    return {int(a.partition(".")[0]): e.claim.agent_id for e in world.live() for a in e.running}


def end(world: World, *numbers: int, lasted: float = 1.0) -> None:
    for executor in world.live():
        for attempt in list(executor.running):
            if int(attempt.partition(".")[0]) in numbers:
                world.finish(executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, lasted, lasted))
        world.sync(executor)


@pytest.mark.parametrize(("table", "name", "near"), [
    (registry.PLACEMENTS, "frist", "first"), (registry.ORDERINGS, "fif", "fifo"),
    (registry.PLANNED_STARTS, "eazy=1", "easy"), (registry.PLANNED_STARTS, "zzzz", "conservative, easy, none, sjbf"),
])
def test_an_unknown_name_is_refused_with_the_nearest_ones(table, name, near):
    """Or with all of them if none is near; a value where none belongs is refused as well."""
    with pytest.raises(ValueError, match=f"choose {near}"):
        registry.made(table, name)
    with pytest.raises(ValueError, match="takes no value"):
        registry.made(table, f"{next(iter(table))}=3")


def test_a_policy_with_a_parameter_needs_it():
    """NAME alone, or with an empty VALUE, is refused; the VALUE may hold further equals signs."""
    table = {"test": registry.valued(lambda value: value)}
    assert registry.made(table, "test=a=b") == "a=b"
    for text in ("test", "test=", "test=="):
        with pytest.raises(ValueError, match="needs a value"):
            registry.made(table, text)


def test_a_core_with_unknown_policies_is_not_made():
    """The settings' names reach the registry."""
    for what in ("ordering", "placement", "planned_start"):
        with pytest.raises(ValueError, match="no policy has the name nonsense"):
            World(Policy(**{what: "nonsense"}))


def test_the_key_orders_tasks_of_one_shape_and_of_several(monkeypatch):
    """By priority, equal ones as submitted; a retried task keeps its position."""
    world = world_with(monkeypatch, {"a1": Resources(1, 4096, 20000)}, ordering=Priority())
    world.register()
    submit(world, 1)
    world.offer()
    assert set(running(world)) == {1}
    for number, priority in ((2, "0"), (3, "1"), (4, "2"), (5, "1")):
        submit(world, number, priority=priority)
    started = []
    for _ in range(4):
        (now,) = running(world)
        end(world, now)
        (now,) = running(world)
        started.append(now)
    assert started == [4, 3, 5, 2]
    submit(world, 6, priority="7")
    (executor,) = world.live()
    world.finish(executor, "2.1", wire.BROKEN)
    submit(world, 7)
    world.sync(executor)
    end(world, *running(world))
    assert set(running(world)) == {2}  # before 7


def test_the_rank_of_a_group_changes_while_its_tasks_wait(monkeypatch):
    """Two groups of equal tasks in one claim: the one that has used less is next, although all of the other came
    first.
    """
    world = world_with(monkeypatch, {"a1": Resources(1, 4096, 20000)}, ordering=ByUse())
    world.register()
    for number in range(1, 6):
        submit(world, number, category="a")
    world.offer()
    running(world)
    for number in range(6, 11):
        submit(world, number, category="b")
    started = []
    for _ in range(6):
        world.now += 10.0
        end(world, *running(world))
        (now,) = running(world)
        started.append(now)
    assert started == [6, 2, 7, 3, 8, 4]


def test_a_task_that_others_precede_for_ever_is_held_for_at_last(monkeypatch):
    """A task of low priority beside an endless stream of higher ones, all of the same size: it ages, and starts."""
    world = world_with(monkeypatch, {"a1": Resources(2, 4096, 20000)}, ordering=Priority())
    world.register()
    for number in (1, 2):
        submit(world, number, priority="5")
    world.offer()
    running(world)
    submit(world, 1000, cores=2.0)
    began = world.now
    for number in range(3, 300):
        submit(world, number, priority="5")
        world.now += 5.0
        now = running(world)
        if 1000 in now:
            break
        end(world, min(now))
    assert 1000 in running(world)
    assert AGES_S <= world.now - began <= AGES_S + 30.0


def test_without_planned_starts_a_large_task_waits(monkeypatch):
    """`none`: it has not started after 100 small ones; with `easy` it has."""
    for name in ("none", "easy"):
        world = world_with(monkeypatch, {"a1": Resources(2, 4096, 20000)}, planned_start=name)
        world.register()
        submit(world, 1)
        submit(world, 2)
        world.offer()
        running(world)
        submit(world, 1000, cores=2.0)
        started = set()
        for number in range(3, 103):
            submit(world, number)
            world.now += 5.0
            started |= set(running(world))
            end(world, min(running(world)))
        assert (1000 in started) == (name == "easy")


def test_a_placement_chooses_among_claims_and_among_offers(monkeypatch):
    """The fullest agent first: for claims by their free room, for new claims by what is offered."""
    agents = {"a1": Resources(4, 4096, 20000), "a2": Resources(2, 4096, 20000), "a3": Resources(3, 4096, 20000)}
    world = world_with(monkeypatch, agents, placement=Fullest())
    world.register()
    submit(world, 1)
    world.offer()
    assert set(running(world).values()) == {"a2"}
    world = world_with(monkeypatch, agents, placement=Fullest())
    world.register()
    for number in range(1, 10):
        submit(world, number)
    world.offer()
    first = running(world)
    assert len(first) == 9
    at = {agent: [n for n, a in first.items() if a == agent] for agent in agents}
    end(world, *at["a1"], at["a2"][0], *at["a3"][:2])
    for number in range(20, 26):
        submit(world, number)
        expected = {20: "a2", 21: "a3", 22: "a3"}.get(number, "a1")
        assert running(world)[number] == expected


def test_only_the_first_of_all_holds_gathers():
    """One total order, that of the tasks' ranks, whatever the order in which they were made."""
    holds = Holds()
    late, early = (PlannedStart((0.0, 0.0, n), n, 0, f"claim {n}", 10.0, 60.0) for n in (7, 3))
    holds.add(late)
    assert holds.first == late
    holds.add(early)
    assert list(holds) == [early, late]
    holds.remove(early)
    assert holds.first == late
    again = PlannedStart((0.0, 0.0, 7), 7, 0, "claim 9", 20.0, 90.0)
    holds.add(again)
    assert list(holds) == [again]


def test_each_hold_ends_at_its_deadline(monkeypatch):
    """The next one gathers then; a task whose hold does not gather delays nobody and is delayed."""
    world = world_with(monkeypatch)
    world.register()
    for number in (1, 2):
        submit(world, number, cores=2.0)
    world.offer()
    running(world)
    submit(world, 3, cores=3.0)
    submit(world, 4, cores=4.0)
    state = world.core.state
    (claim,) = state.claims.values()
    first, second = state.tasks[3], state.tasks[4]
    for record, until in ((first, 100.0), (second, 200.0)):
        state.holds.add(PlannedStart(state.queue.rank(record), record.task.id, 0, claim.id, 50.0, until))
    assert is_held(state, claim)
    assert delayed_by(state, second, second.shape(), claim)
    assert not delayed_by(state, first, first.shape(), claim)
    world.now = 150.0
    world.send(ev.Tick())
    assert [hold.task_id for hold in state.holds] == [4]
    assert not delayed_by(state, second, second.shape(), claim)
    world.send(ev.TaskWithdrawn(4), ev.Tick())
    assert not state.holds


def test_attributes_of_agents_come_with_offers():
    """And are kept for as long as the run lasts."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0))
    world.register()
    offer = Offer("O1", "a1", "h1", AGENT, {"rack": "r7"})
    world.offers["O1"] = offer
    world.send(ev.OffersReceived((offer,)))
    assert world.core.state.agent(AgentId("", "a1")).attributes == {"rack": "r7"}
