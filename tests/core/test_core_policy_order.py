"""--order: by priority, by run time, fairly among groups; what each promises."""
from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import FakeExecutor, World

from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.policies.fair import HALF_LIFE_S, NOTHING, Fair
from mfmesos.core.policies.shortest import Shortest
from mfmesos.core.policy import Policy
from mfmesos.shared import wire


def world_of(cores: int, ordering: str, estimates: str = "fill") -> World:
    policy = Policy(workdir="/w", batch_delay_s=0.0, claim_idle_s=1e6, claim_worklife_s=1e9, ordering=ordering,
                    estimates=estimates)
    world = World(policy, {"a1": Resources(cores, 65536, 200000)})
    world.ahead = False
    world.register()
    return world


def task(number: int, **fields: object) -> Task:
    return Task(number, "x", (), (f"o{number}",), Request(1.0, 100.0, 200.0), **fields)  # type: ignore[arg-type]


def started(world: World) -> list[int]:
    """Tasks that run now."""
    for executor in world.live():
        world.sync(executor)
    return [int(a.partition(".")[0]) for e in world.live() for a in e.running]


def end(world: World, executor: FakeExecutor, attempt: str, lasted_s: float) -> None:
    world.finish(executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, lasted_s, lasted_s))
    world.sync(executor)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=25), st.integers(1, 3))
def test_no_task_starts_before_one_of_higher_priority(wanted, cores):
    """All of one size and several kinds: the order of starts is that of priority, then of submission."""
    world = world_of(cores, "priority")
    world.send(*(ev.TaskSubmitted(task(n, priority=float(priority), category=f"c{kind}"))
                 for n, (priority, kind) in enumerate(wanted, 1)))
    world.offer()
    order: list[int] = []
    while len(order) < len(wanted):
        order += sorted(set(started(world)) - set(order), key=lambda n: (-wanted[n - 1][0], n))
        (executor,) = world.live()
        end(world, executor, next(iter(executor.running)), 1.0)
    assert order == sorted(order, key=lambda n: (-wanted[n - 1][0], n))


def test_inputs_that_lie_near_do_not_overrule_priority():
    """Among tasks of one shape, of which the later one's large input is in the claim."""
    world = world_of(1, "priority", estimates="off")
    data = StagedInput("data", "d" * 64, 100 << 20, 0o644)
    world.send(*(ev.TaskSubmitted(task(n, priority=priority), inputs)
                 for n, priority, inputs in ((1, 9.0, (data,)), (2, 5.0, ()), (3, 1.0, (data,)))))
    world.offer()
    order = []
    for _ in range(3):
        order += started(world)
        (executor,) = world.live()
        end(world, executor, next(iter(executor.running)), 1.0)
    assert order == [1, 2, 3]


def test_a_task_keeps_its_priority_over_a_restart():
    """The journal has it, and the key is made from it again."""
    world = world_of(1, "priority")
    world.send(ev.TaskSubmitted(task(1)))
    world.offer()
    assert started(world) == [1]
    (executor,) = world.live()
    world.send(*(ev.TaskSubmitted(task(n, priority=float(n), group="g")) for n in (2, 3)))
    end(world, executor, "1.1", 1.0)
    assert started(world) == [3]
    world.restart()
    record = world.core.state.tasks[3]
    assert (record.key, record.task.group) == (-3.0, "g")


def test_short_categories_come_first_once_they_are_known():
    """Unknown ones come first of all, then the order is that of the mean of the last two run times."""
    ordering = Shortest()
    assert ordering.rank("new") == 0.0
    ordering.finished("long", 100.0)
    ordering.finished("short", 10.0)
    assert ordering.rank("new") < ordering.rank("short") < ordering.rank("long")
    ordering.finished("short", 390.0)
    assert ordering.rank("short") == 200.0
    assert list(ordering.take_moved()) == ["long", "short"]
    ordering.finished("short", 1.0)
    ordering.finished("short", 1.0)
    assert ordering.rank("short") == 1.0
    ordering.take_moved()
    ordering.finished("short", 1.05)
    assert not ordering.take_moved()


def test_the_shortest_tasks_start_first():
    """Of two categories that came in turns."""
    world = world_of(1, "shortest")
    world.send(*(ev.TaskSubmitted(task(n, category="long" if n % 2 else "short")) for n in range(1, 9)))
    world.offer()
    order = []
    for _ in range(8):
        (now,) = started(world)
        order.append(now)
        (executor,) = world.live()
        end(world, executor, next(iter(executor.running)), 5.0 if now % 2 else 1.0)
    assert order == [1, 2, 4, 6, 8, 3, 5, 7]


def test_use_decays_and_running_attempts_count():
    """Half of it is left after HALF_LIFE_S; a running attempt counts with what it has used, and more at its start."""
    fair = Fair()
    fair.started("a", 2.0, 0.0)
    assert fair.rank("a") > fair.rank("nobody") == NOTHING
    fair.used("a", 2.0, 100.0, 100.0)
    use = fair._uses["a"]
    assert use.core_s == pytest.approx(200.0, rel=0.02)
    use.pass_time(100.0 + HALF_LIFE_S)
    assert use.core_s == pytest.approx(100.0, rel=0.02)
    fair.started("b", 1.0, 100.0)
    early = fair.rank("b")
    fair.started("b", 1.0, 400.0)
    assert fair._uses["b"].core_s == pytest.approx(300.0, rel=0.05)
    assert fair.rank("b") > early


def test_decay_changes_no_order():
    """Two groups that run nothing keep their order, however long; the ranks need no new look."""
    fair = Fair()
    for group, lasted in (("a", 100.0), ("b", 101.0)):
        fair.started(group, 1.0, 0.0)
        fair.used(group, 1.0, lasted, lasted)
    assert fair.rank("a") < fair.rank("b")
    fair.started("c", 1.0, 20 * HALF_LIFE_S)
    fair.used("c", 1.0, 1.0, 20 * HALF_LIFE_S + 1.0)
    assert fair.rank("c") > fair.rank("b")  # 100 s of 20 half-lives ago are less than 1 s now


def used_by(world: World, groups: dict[str, int], lasts: dict[str, float], until: float) -> Counter[str]:
    """Core-seconds by group, with that many tasks each, submitted one group after the other."""
    numbers, of = 0, {}
    for group, count in groups.items():
        for _ in range(count):
            numbers += 1
            of[numbers] = group
            world.send(ev.TaskSubmitted(task(numbers, group=group, category=f"c {group}")))
    world.offer()
    began: dict[str, float] = {}
    use: Counter[str] = Counter()
    while world.now < until:
        running = {a: e for e in world.live() for a in e.running}
        for executor in world.live():
            world.sync(executor)
        running = {a: e for e in world.live() for a in e.running}
        for attempt in running:
            began.setdefault(attempt, world.now)
        if not running:
            break
        at, attempt = min((began[a] + lasts[of[int(a.partition(".")[0])]], a) for a in running)
        group = of[int(attempt.partition(".")[0])]
        world.now = max(at, world.now)
        use[group] += lasts[group]  # type: ignore[assignment]
        end(world, running[attempt], attempt, lasts[group])
    return use


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 5), st.floats(10.0, 60.0), st.floats(10.0, 60.0), st.floats(10.0, 60.0))
def test_groups_that_always_want_cores_get_equal_shares(cores, a, b, c):
    """Whatever the lengths of their tasks, and although all tasks of one were submitted first: the difference is never
    more than what the running tasks and one more use.
    """
    world = world_of(cores, "fair")
    lasts = {"a": a, "b": b, "c": c}
    until = 10.0 * max(lasts.values())
    use = used_by(world, {group: int(until * cores / lasts[group]) + 2 for group in lasts}, lasts, until)
    assert max(use.values()) - min(use[g] for g in lasts) <= (cores + 2) * max(lasts.values()), use


def test_cores_that_a_group_cannot_use_go_to_the_others():
    """A small group is done early; nothing stays idle."""
    world = world_of(4, "fair")
    use = used_by(world, {"large": 100, "small": 3}, {"large": 10.0, "small": 10.0}, 100.0)
    assert use["small"] == 30.0
    assert use["large"] >= 4 * 100.0 - 30.0 - 40.0


def test_a_fresh_cluster_is_divided_at_once():
    """One claim of many cores, all of whose tasks start in one call."""
    world = world_of(12, "fair")
    world.send(*(ev.TaskSubmitted(task(n, group="ab"[n > 50])) for n in range(1, 101)))
    world.offer()
    of = Counter("ab"[n > 50] for n in started(world))
    assert of == {"a": 6, "b": 6}
