"""What the user decides about tasks: hold, release, cancel, run again, other requests; also by a later scheduler."""
from __future__ import annotations

import pytest
from world import FakeExecutor, World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Steering, Task
from mfmesos.core.policy import Policy
from mfmesos.core.snapshot import snapshot, task_view
from mfmesos.core.states import TaskState
from mfmesos.core.waiting import Binding, waits_for, why_waiting
from mfmesos.shared import wire

POLICY = Policy(workdir="/w", batch_delay_s=0.0, nonce="n", retries=1)
ONE = {"cores": 1.0, "memory_mb": 100.0, "disk_mb": 100.0}


def world_of(count: int, policy: Policy = POLICY) -> World:
    """Tasks of one core, on one agent of four."""
    world = World(policy)
    world.submit(*range(1, count + 1), **ONE)
    return world


def begin(world: World) -> FakeExecutor:
    """What fits runs."""
    world.register()
    world.list_agents()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.sync(executor)
    return executor


def running(world: World) -> set[int]:
    return {r.task.id for r in world.core.state.tasks.values() if r.state is TaskState.RUNNING}


def finish(world: World) -> None:
    world.send(ev.NoMoreTasks())
    world.run_to_end()


def test_a_held_task_starts_when_it_is_released():
    """Later tasks start before it, it says why it waits, and the run waits for it."""
    world = world_of(6)
    world.send(ev.TaskSteered(1, held=True), ev.TaskSteered(6, held=True))
    executor = begin(world)
    assert running(world) == {2, 3, 4, 5}
    found = why_waiting(world.core.state, 1)
    assert found is not None
    assert found.binding is Binding.USER
    assert waits_for(world.core.state) == "held"
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    world.send(ev.NoMoreTasks())
    world.sync(executor)
    world.pass_time(100.0)
    assert (snapshot(world.core.state).waiting, world.over) == (2, None)
    world.send(ev.TaskSteered(1, held=False))
    world.send(ev.TaskSteered(6, cancelled=True))
    world.run_to_end()
    assert world.reports[1].finished
    assert (world.reports[6].withdrawn, world.reports[6].cancelled, world.reports[6].finished) == (True, True, False)


def test_a_decision_may_precede_the_submission():
    """The engine submits a task when its inputs are made."""
    world = World(POLICY)
    world.send(ev.TaskSteered(1, held=True), ev.TaskSteered(2, cancelled=True), ev.TaskSteered(3, memory_mb=777.0))
    world.submit(1, 2, 3, **ONE)
    assert world.reports.keys() == {2}
    executor = begin(world)
    assert running(world) == {3}
    assert [run.memory_mb for run in executor.running.values()] == [777.0]
    world.send(ev.TaskSteered(1, held=False))
    finish(world)
    assert world.reports[1].finished


def test_a_running_task_is_cancelled():
    """Its executor ends the attempt; a task that waits starts in its place; nothing else is affected."""
    world = world_of(5)
    executor = begin(world)
    world.send(ev.TaskSteered(2, cancelled=True))
    assert world.reports[2].cancelled
    world.sync(executor)
    world.sync(executor)
    assert "2.n.1" not in executor.running
    assert running(world) == {1, 3, 4, 5}
    finish(world)
    assert [i for i, r in world.reports.items() if not r.finished] == [2]


def test_a_task_whose_outputs_are_published_finishes():
    """Cancelled too late."""
    world = world_of(1)
    executor = begin(world)
    world.auto_place = False
    world.finish(executor, "1.n.1")
    world.sync(executor)
    world.send(ev.TaskSteered(1, cancelled=True))
    world.auto_place = True
    finish(world)
    assert world.reports[1].finished


def test_other_amounts_count_from_the_next_start():
    """A waiting task gets them; a running one keeps its own until it is tried again; the journal keeps the request as
    it was submitted, by which the next scheduler recognises the task."""
    world = world_of(5)
    executor = begin(world)
    world.send(ev.TaskSteered(5, cores=2.0, memory_mb=300.0), ev.TaskSteered(1, memory_mb=500.0))
    assert executor.running["1.n.1"].memory_mb == 100.0
    world.finish(executor, "1.n.1", wire.FAILED, exit_code=1)
    world.finish(executor, "2.n.1")
    world.sync(executor)
    world.sync(executor)
    finish(world)
    assert (world.reports[5].allocation, world.reports[1].allocation) == (
        Resources(2.0, 300.0, 100.0), Resources(1.0, 500.0, 100.0))
    assert {a.task.task.request for a in world.actions if isinstance(a, act.SaveTask)} == {Request(**ONE)}


def test_a_higher_priority_starts_first():
    """In a run whose order looks at it."""
    world = world_of(6, Policy(workdir="/w", batch_delay_s=0.0, ordering="priority"))
    world.send(ev.TaskSteered(6, priority=5.0))
    begin(world)
    assert 6 in running(world)


def test_amounts_beyond_the_bounds_of_the_run_fail_the_task():
    """As they would at its submission."""
    world = world_of(1, Policy(workdir="/w", max_cores=2.0))
    world.send(ev.TaskSteered(1, cores=3.0))
    assert "cores" in world.reports[1].reason


def test_a_failed_task_runs_again():
    """Its attempts are counted on, so that no id is used twice; its failures are forgotten."""
    world = world_of(2)
    executor = begin(world)
    for n in (1, 2):
        world.finish(executor, f"1.n.{n}", wire.FAILED, exit_code=1)
        world.sync(executor)
        world.sync(executor)
    failed = world.reports.pop(1)
    assert (failed.attempts, failed.finished) == (2, False)
    world.send(ev.TaskRetried(1, failed.attempts))
    world.send(world.stated[1])
    world.sync(executor)
    world.sync(executor)
    assert "1.n.3" in executor.running
    world.finish(executor, "1.n.3", wire.FAILED, exit_code=1)
    world.sync(executor)
    assert 1 not in world.reports
    finish(world)
    assert (world.reports[1].finished, world.reports[1].attempts) == (True, 4)


def test_a_task_that_runs_is_started_again():
    """Its attempt is ended in the answer that starts the next one, and the failure costs it nothing."""
    world = world_of(1)
    executor = begin(world)
    world.send(ev.TaskRetried(1))
    world.sync(executor)
    world.sync(executor)
    assert list(executor.running) == ["1.n.2"]
    finish(world)
    assert (world.reports[1].finished, world.reports[1].attempts) == (True, 2)


def test_a_cancelled_task_runs_after_all():
    """Retried after it was cancelled, before and after its end."""
    world = world_of(1)
    world.send(ev.TaskSteered(1, cancelled=True))
    assert world.reports.pop(1).cancelled
    world.send(ev.TaskRetried(1))
    world.send(world.stated[1])
    world.register()
    finish(world)
    assert world.reports[1].finished


@pytest.mark.parametrize("ran", [False, True])
def test_decisions_outlive_the_scheduler(ran):
    """Held, cancelled and changed tasks stay so, whether or not they had attempts, and a running attempt continues."""
    world = world_of(5)
    if ran:
        begin(world)
    world.send(ev.TaskSteered(1, held=True), ev.TaskSteered(2, cancelled=True), ev.TaskSteered(5, memory_mb=400.0))
    assert world.saved_steering == {
        1: Steering(held=True), 2: Steering(cancelled=True), 5: Steering(memory_mb=400.0)}
    world.restart()
    world.reports.setdefault(2, None)
    state = world.core.state
    assert state.tasks[1].user_holds
    view = task_view(state, 5)
    assert view is not None
    assert view.task.request.memory_mb == 400.0
    assert 2 not in state.tasks
    world.send(ev.TaskSteered(1, held=False))
    finish(world)
    assert world.reports[1].finished
    assert world.reports[5].allocation == Resources(1.0, 400.0, 100.0)


@pytest.mark.parametrize("retries", [0, 3])
def test_a_task_has_its_own_retries(retries):
    """Instead of those of the run, which are 1 here."""
    world = World(POLICY)
    world.send(ev.TaskSubmitted(Task(1, "x", (), ("o",), Request(**ONE), retries=retries)))
    world.fate = lambda executor, run: wire.FAILED
    world.register()
    finish(world)
    assert (world.reports[1].finished, world.reports[1].attempts) == (False, retries + 1)
