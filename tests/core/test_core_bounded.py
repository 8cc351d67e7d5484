"""Nothing is tried without end, and nothing waits for ever: whatever repeats itself is counted or ended."""
from __future__ import annotations

import pytest
from world import FakeExecutor, World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Resources
from mfmesos.core.policy import Policy
from mfmesos.shared import wire


def world_of(count: int = 1, agents: dict[str, Resources] | None = None, **settings: object) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **settings), agents)  # type: ignore[arg-type]
    world.submit(*range(1, count + 1))
    world.send(ev.NoMoreTasks())
    world.register()
    return world


def permits(world: World) -> list[act.PermitAttempt]:
    return [a for a in world.actions if isinstance(a, act.PermitAttempt)]


def running(world: World) -> FakeExecutor:
    """The one executor, with the permits that it got."""
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    assert executor.running
    return executor


def test_outputs_that_never_arrive_end_the_task():
    """An attempt whose outputs are announced and not delivered uses up one of the task's tries each time: nobody is
    blamed for it, so no bad spell of the agent bounds it."""
    world = world_of(cluster_retries=3)
    world.undelivered = True
    world.run_to_end()
    assert world.reports[1].attempts == 4
    assert "failed the task 4 times, most recently: output o was not delivered" in world.reports[1].reason


def test_an_executor_that_forgets_its_attempts_ends_the_task():
    """An executor that knows nothing of what it was given fails the attempt each time."""
    world = world_of(cluster_retries=3)
    for _ in range(20):
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            executor.running.clear()
            world.sync(executor)
        world.pass_time(0.1)
    assert len(permits(world)) == 4
    assert "failed the task 4 times" in world.reports[1].reason


@pytest.mark.parametrize("alone", ["per_task_claims", "suspect"])
def test_a_task_alone_in_a_claim_that_was_too_small_gets_a_larger_one(alone: str):
    """A task that has its claim for itself and exhausts its memory is not started in that claim again, which cannot
    hold what it needs, but in a larger one; it ends when no agent has more."""
    world = world_of(per_task_claims=alone == "per_task_claims")
    if alone == "suspect":
        world.die(running(world))
    for _ in range(100):
        if world.over:
            break
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt in list(executor.running):
                world.finish(executor, attempt, wire.EXHAUSTED, resource="memory", reason="too much")
            world.sync(executor)
        world.pass_time(0.1)
    given = [g.memory_mb for g in (c.resources for c in world.actions if isinstance(c, act.OpenClaim))]
    assert "no agent has more" in world.reports[1].reason
    assert len(permits(world)) < 8
    assert given[-1] > given[0]


def test_a_task_alone_in_its_claim_prefers_another_agent():
    """One that breaks there is not tried at the same agent again while another one has room."""
    two = {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)}
    world = world_of(agents=two, per_task_claims=True)
    world.fate = lambda executor, run: wire.BROKEN if executor.claim.agent_id == "a1" else wire.FINISHED
    world.run_to_end()
    assert world.reports[1].finished
    assert world.reports[1].attempts == 2


@pytest.mark.parametrize("how", [ev.StopRequested("interrupted"), ev.FrameworkEnded("removed"), ev.TaskWithdrawn(1)])
def test_a_task_that_is_not_wanted_any_more_is_not_tried_again(how: ev.Event):
    """Its outputs are being put in place when the run ends or the engine withdraws it, and then there is no room for
    them: the task is withdrawn, and the run ends. It neither waits for ever nor runs again."""
    world = world_of()
    world.auto_place = False
    executor = running(world)
    world.finish(executor, "1.1")
    world.sync(executor)
    world.send(how)
    world.auto_place = world.full = True
    world.place_all()
    assert world.reports[1].withdrawn
    world.run_to_end()
    assert len(permits(world)) == 1


def test_a_framework_that_is_removed_fails_no_task():
    """A task that has used up all it may lose to the cluster is withdrawn like the others when the run itself ends."""
    world = world_of(cluster_retries=0)
    running(world)
    world.send(ev.FrameworkEnded("removed"))
    assert world.reports[1].withdrawn


def test_a_claim_that_is_drained_after_a_restart_keeps_what_it_runs():
    """The first sync with a new scheduler brings one finished attempt, three broken ones, which drain the claim, and
    one that runs: the finished one stays finished, and the running one is not killed. Only what the executor has not
    heard of is taken back."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0))
    world.submit(*range(1, 6), cores=0.5, memory_mb=50, disk_mb=20)
    world.send(ev.NoMoreTasks())
    world.register()
    executor = running(world)
    assert len(executor.running) == 5
    world.restart()
    world.auto_place = False
    for attempt, outcome in zip(("1.1", "2.1", "3.1", "4.1"), (wire.FINISHED, *3 * [wire.BROKEN])):
        world.finish(executor, attempt, outcome, reason=outcome)
    world.sync(executor)
    assert list(executor.running) == ["5.1"]
    assert world.core.state.publishing == {"1.1": 1}
    world.auto_place = True
    world.place_all()
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert [g.attempt_id for g in permits(world) if g.task.id in (1, 5)] == ["1.1", "5.1", "1.1", "5.1"]


@pytest.mark.parametrize("large", [True, False])
def test_a_suspect_does_not_wait_for_all_that_others_submit(large: bool):
    """A task that was alone when its executor ended runs again by itself, although other tasks keep all agents busy:
    after a while the claims of one agent are drained for it, as they are for a task that is too large."""
    two = {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)}
    world = World(Policy(workdir="/w", batch_delay_s=0.0, drain_after_s=5.0), two)
    world.submit(1, cores=4 if large else 0.5, memory_mb=3000 if large else 50, disk_mb=20)
    world.register()
    alone, count = running(world), 100
    world.submit(*range(2, count + 1), cores=0.5, memory_mb=50, disk_mb=20)
    for _ in range(3):
        world.offer()
        for executor in world.live():
            world.sync(executor)
    world.die(alone)
    while 1 not in world.reports and world.now < 30:
        more = 100 - len(world.core.state.queue)
        world.submit(*range(count + 1, count + more + 1), cores=0.5, memory_mb=50, disk_mb=20)
        count += more
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt in list(executor.running):
                world.finish(executor, attempt)
            world.sync(executor)
        world.pass_time(0.1)
    assert world.reports[1].finished
    assert len([a for a in world.actions if isinstance(a, act.OpenClaim)]) < 10


def test_executors_that_never_reach_the_scheduler_end_the_run():
    """Nothing listens at the address that executors were given: each ends by itself, which is no failure where there
    was a scheduler before. Here it never synced: that counts as not started, is reported, and ends the run."""
    world = world_of()
    for _ in range(20):
        if world.over:
            break
        if not world.suppressed:
            world.offer()
        world.pass_time(60)
        for executor in world.live():
            world.end(executor, "TASK_FINISHED", message="the scheduler has been gone for 60 s")
    assert world.over
    assert "the scheduler has been gone for 60 s" in (world.over.failure or "")
    assert any("did not start" in note.text for note in world.notes)


def test_launches_that_the_master_refuses_are_reported():
    """Each ACCEPT is refused, and is tried again with the next offer: the user reads why nothing runs, a few times."""
    world = world_of()
    for _ in range(50):
        world.offer()
        for executor in world.live():
            world.drop_launch(executor, "the master answered 403")
        world.pass_time(0.1)
    assert 1 <= sum("the master answered 403" in note.text for note in world.notes) <= 10
