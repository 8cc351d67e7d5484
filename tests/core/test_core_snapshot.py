"""What others see of the core: counters, a task on request, and which tasks have changed."""
from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st
from world import World

from mfmesos.core import events as ev
from mfmesos.core.changes import Changes
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.snapshot import changes_since, cluster_room, snapshot, task_view, waiting
from mfmesos.core.states import TaskState


def world_of(count: int) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0))
    world.submit(*range(1, count + 1))
    world.register()
    return world


def test_a_snapshot_counts():
    """Tasks that wait and run, claims and what they hold, and why the run ends."""
    world = world_of(6)
    seen = snapshot(world.core.state)
    assert (seen.tasks, seen.waiting, seen.running, seen.claims, seen.stopping) == (6, 6, 0, 0, "")
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    seen = snapshot(world.core.state)
    assert (seen.tasks, seen.waiting, seen.running, seen.claims) == (6, 2, 4, 1)
    assert seen.held.cores == 4
    assert cluster_room(world.core.state).agents
    world.send(ev.StopRequested("enough"))
    assert snapshot(world.core.state).stopping == "enough"


def test_waiting_tasks_come_in_their_order():
    """Across shapes, by priority and then by submission; no more than are asked for."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, ordering="priority"))
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (), Request(1.0 + n % 3, 100.0, 100.0), priority=float(n % 2)))
                 for n in range(1, 8)))
    assert waiting(world.core.state, 9) == [1, 3, 5, 7, 2, 4, 6]
    assert waiting(world.core.state, 5) == [1, 3, 5, 7, 2]


def test_a_table_follows_the_changes():
    """Whoever looks only at what has changed knows each task's state at any time, through waiting, running, a retry and
    the end."""
    world = world_of(3)
    table: dict[int, TaskState] = {}
    number = 0

    def follow() -> None:
        nonlocal number
        found = changes_since(world.core.state, number)
        number = found.changes
        assert found.tasks is not None
        for task_id in found.tasks:
            task = task_view(world.core.state, task_id)
            if task is None:
                table.pop(task_id)
            else:
                table[task_id] = task.state
        assert table == {r.task.id: r.state for r in world.core.state.tasks.values()}

    follow()
    assert set(table.values()) == {TaskState.WAITING}
    world.offer()
    (executor,) = world.live()
    follow()
    world.sync(executor)
    world.sync(executor)
    follow()
    assert set(table.values()) == {TaskState.RUNNING}
    view = task_view(world.core.state, 2)
    assert view is not None
    assert (view.claim_id, view.attempts, view.waits) == (executor.claim.claim_id, 1, False)
    world.end(executor, "TASK_LOST")
    follow()
    assert set(table.values()) <= {TaskState.WAITING, TaskState.ASSIGNED}
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    follow()
    assert table == {}
    assert changes_since(world.core.state, number).tasks == frozenset()


@given(st.lists(st.integers(1, 5), max_size=30), st.integers(-1, 35))
def test_what_has_changed_since(tasks: list[int], number: int):
    """Each task that has changed since, once; nothing else unless the ring is too short for it, or the number is not
    one that it has given."""
    changes = Changes(most=10)
    for task in tasks:
        changes.note(task)
    found = changes.since(number)
    if number < 0 or number > len(tasks) or len(tasks) - number > 10:
        assert found is None
    else:
        assert found == frozenset(tasks[number:])


def test_a_snapshot_costs_the_same_with_many_tasks():
    """Counted in lines of Python that run, with ten and with a thousand tasks that wait."""

    def lines(count: int) -> int:
        world = world_of(count)
        ran = 0

        def trace(frame: object, event: str, arg: object) -> object:
            nonlocal ran
            ran += event == "line"
            return trace

        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            snapshot(world.core.state)
            changes_since(world.core.state, world.core.state.changes.number)
            task_view(world.core.state, 7)
        finally:
            sys.settrace(None)
        return ran

    assert lines(10) == lines(1_000) > 0


def test_what_the_claims_hold_is_not_others():
    """Cores in use, less those of this run's claims."""
    world = world_of(1)
    world.offer()
    world.list_agents()
    state = world.core.state
    used = sum(a.used.cores for c in state.live() for a in c.listed or ())
    assert cluster_room(state).cores_of_others == max(used - state.claims.held.cores, 0.0)
    assert isinstance(state.claims.held, Resources)
