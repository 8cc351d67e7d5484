"""A scheduler that dies and is started again, in the simulated world: nothing is run twice, nothing is lost."""
from __future__ import annotations

from dataclasses import replace

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Task
from mfmesos.core.policy import Policy
from mfmesos.shared import wire


def running(count: int = 1, **settings: object) -> World:
    """Running tasks in one claim."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **settings))  # type: ignore[arg-type]
    world.submit(*range(1, count + 1))
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    return world


def die(world: World) -> None:
    """At once, before anything else is done."""
    world.crash_after = 0
    world.pass_time(0.1)
    if world.crash_after is not None:  # it had nothing to do
        world.restart()


def finish_all(world: World) -> None:
    world.send(ev.NoMoreTasks())
    world.run_to_end()


def attempts(world: World) -> set[str]:
    return {a.attempt_id for a in world.actions if isinstance(a, act.PermitAttempt)}


def test_what_runs_goes_on():
    """The executor syncs with the new scheduler, the attempt ends, and is the only one."""
    world = running()
    (executor,) = world.live()
    world.sync(executor)
    die(world)
    assert list(executor.running) == ["1.1"]
    world.finish(executor, "1.1")
    world.sync(executor)
    assert world.reports[1].finished
    assert world.reports[1].attempts == 1
    finish_all(world)
    assert attempts(world) == {"1.1"}
    assert len([a for a in world.actions if isinstance(a, act.OpenClaim)]) == 1


def test_what_was_answered_but_did_not_arrive_is_sent_again():
    """The scheduler died with the answer that named the attempt: the next answer names the same attempt again."""
    world = World()
    world.submit(1)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor, lose_answer=True)
    die(world)
    world.sync(executor)
    assert list(executor.running) == ["1.1"]
    finish_all(world)
    assert attempts(world) == {"1.1"}


def test_a_launch_that_was_only_intended_is_not_waited_for():
    """It died after writing that it would open a claim: the master knows of none, the task gets another."""
    world = World()
    world.submit(1)
    world.register()
    world.crash_after = 0
    world.offer()
    assert world.saved_claims
    assert not world.executors
    assert world.lives == 2
    world.pass_time(0.1)
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    assert list(executor.running) == ["1.1"]
    finish_all(world)
    assert world.reports[1].finished


@pytest.mark.parametrize("performed", range(6))
def test_a_result_is_acknowledged_only_when_its_task_was_reported(performed: int):
    """Wherever it dies after a result came: the result comes again, and the task is not run again."""
    world = running(2)
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "1.1")
    world.finish(executor, "2.1", wire.FAILED, reason="exit code 3", exit_code=3)
    world.crash_after = performed
    world.sync(executor)
    assert world.lives == 2 or world.crash_after is not None
    world.crash_after = None
    for _ in range(3):
        world.sync(executor)
    assert world.reports[1].finished
    assert world.reports[2].exit_code == 3
    assert attempts(world) == {"1.1", "2.1"}
    assert executor.results == {}
    finish_all(world)


def test_a_slow_placement_that_was_cut_off_is_done_again():
    """It died while outputs were copied to their names: the result was not acknowledged, and comes again."""
    world = running()
    world.auto_place = False
    (executor,) = world.live()
    world.finish(executor, "1.1")
    world.sync(executor)
    assert world.pending_place == ["1.1"]
    assert "1.1" in executor.results
    die(world)
    world.sync(executor)
    assert world.pending_place == ["1.1"]
    assert "1.1" in executor.results
    world.place_all()
    world.sync(executor)
    assert world.reports[1].attempts == 1
    assert executor.results == {}
    finish_all(world)


def test_counts_outlive_it():
    """What a task's failures used up stays used up: with one retry, the second failure is the end."""
    world = running(retries=1)
    (executor,) = world.live()
    for attempt in ("1.1", "1.2"):
        world.finish(executor, attempt, wire.FAILED, reason="exit code 1", exit_code=1)
        world.sync(executor)
        die(world)
        world.sync(executor)
    assert world.reports[1].exit_code == 1
    assert world.reports[1].attempts == 2
    finish_all(world)


def test_what_was_exhausted_stays_known():
    """An attempt went over its memory: after a restart the next one gets more, too."""
    world = running()
    (executor,) = world.live()
    given = executor.running["1.1"].memory_mb
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", reason="memory",
                 usage=wire.Usage(memory_mb=given + 100, wall_s=3))
    world.crash_after = 4
    world.sync(executor)
    die(world)
    for _ in range(3):
        for each in world.live():
            world.sync(each)
        world.offer()
    (again,) = [e.running["1.2"] for e in world.live() if "1.2" in e.running]
    assert again.memory_mb > given + 100


def test_a_task_that_the_engine_forgot_is_killed():
    """Only tasks that the engine still wants are restored: running attempts of others are ended."""
    world = running(2)
    (executor,) = world.live()
    world.sync(executor)
    del world.stated[2]
    del world.saved_tasks[2]
    die(world)
    world.sync(executor)
    assert list(executor.running) == ["1.1"]
    finish_all(world)


def test_a_claim_whose_agent_went_meanwhile():
    """Reconciliation tells that the claim is gone: its tasks are run elsewhere, nobody's retries are used."""
    world = running(2)
    (executor,) = world.live()
    die(world)
    world.end(executor, "TASK_GONE")
    finish_all(world)
    assert all(r.finished and r.attempts == 2 for r in world.reports.values())


def test_the_engine_may_say_everything_again():
    """A restored task that is submitted again is no second task, and no warning."""
    world = running(3)
    die(world)
    world.send(*world.stated.values())
    assert not [n for n in world.notes if "twice" in n.text]
    assert len(world.core.state.tasks) == 3
    (executor,) = world.live()
    world.finish(executor, "1.1")
    world.sync(executor)
    world.send(*world.stated.values())
    assert len(world.core.state.tasks) == 2
    finish_all(world)


def test_a_restored_task_whose_input_cannot_be_read_any_more():
    """It runs already, with what it was given: its one report is that of its end."""
    world = running(2)
    die(world)
    world.send(ev.TaskRefused(world.stated[1].task, "input in cannot be read"))
    assert not world.reports
    finish_all(world)
    assert sorted(world.reports) == [1, 2]
    world.send(ev.TaskRefused(world.stated[1].task, "input in cannot be read"))
    assert world.reports[1].finished


def test_answers_after_a_restart_are_numbered_on():
    """The executor has obeyed some answers of the old scheduler: one of the new that is lost is noticed."""
    world = running(2)
    (executor,) = world.live()
    world.finish(executor, "2.1")
    for _ in range(3):
        world.sync(executor)
        world.pass_time(30.0)
    assert executor.got > 2
    die(world)
    world.submit(3)
    world.sync(executor, lose_answer=True)
    world.sync(executor)
    assert set(executor.running) == {"1.1", "3.1"}
    finish_all(world)


def test_a_restored_claim_is_waited_for_as_one_that_had_started():
    """Cut off when the scheduler came back: five minutes later its executor syncs, and its tasks continue."""
    world = running()
    (executor,) = world.live()
    world.sync(executor)
    die(world)
    for _ in range(10):
        world.pass_time(30.0)
    world.sync(executor)
    assert list(executor.running) == ["1.1"]
    finish_all(world)
    assert attempts(world) == {"1.1"}


def test_an_attempt_of_an_edited_task_is_never_taken_for_its_successors():
    """Same number, first attempt, same claim: but submitted in another life, so the old result is thrown away."""
    world = running(nonce="n1")
    (executor,) = world.live()
    assert list(executor.running) == ["1.n1.1"]
    world.saved_tasks.clear()  # the engine states another command now
    die(world)
    world.finish(executor, "1.n1.1")
    world.sync(executor)
    assert not world.reports
    assert executor.results == {}
    world.sync(executor)
    assert list(executor.running) == ["1.n2.1"]
    finish_all(world)
    assert world.reports[1].attempt_id == "1.n2.1"


def test_a_task_that_has_another_number_by_now():
    """Lines were inserted above it: its attempt is the same one, and later attempts keep the names of the first."""
    world = running(nonce="n1", retries=1)
    (executor,) = world.live()
    stated = world.stated.pop(1)
    moved = replace(stated.task, id=7)
    world.stated[7] = replace(stated, task=moved)
    world.saved_tasks = {7: replace(world.saved_tasks[1], task=moved)}
    die(world)
    world.finish(executor, "1.n1.1", wire.FAILED, reason="exit code 1", exit_code=1)
    for _ in range(3):
        world.sync(executor)
    assert list(executor.running) == ["1.n1.2"]
    finish_all(world)
    assert set(world.reports) == {7}
    assert world.reports[7].attempts == 2


@pytest.mark.parametrize("protocol", [wire.PROTOCOL - 1, wire.PROTOCOL + 1])
def test_an_executor_of_another_version_is_given_back(protocol: int):
    """mfmesos was updated: nothing in the sync counts, neither what runs nor what has ended. The claim is released, its
    attempts run again elsewhere without a failure, and no agent is blamed."""
    world = running(3)
    (executor,) = world.live()
    world.sync(executor)
    die(world)
    executor.protocol = protocol
    world.finish(executor, "1.1")
    world.sync(executor)
    assert not executor.alive
    assert world.published[1] == 0
    assert any("another version" in n.text and "3 tasks of it run again" in n.text for n in world.notes)
    world.offer()
    (other,) = (one for one in world.live() if one.alive)
    world.sync(other)
    assert sorted(other.running) == ["1.2", "2.2", "3.2"]
    records = world.core.state.tasks.values()
    assert [(r.own_failures, r.cluster_failures, r.deaths, r.failed_at) for r in records] == [(0, 0, 0, {})] * 3
    finish_all(world)
    assert all(world.reports[n].finished and world.published[n] == 1 for n in (1, 2, 3))


def test_an_executor_of_another_version_loses_its_temporary_outputs():
    """Those are lost with the claim: the task that made them runs again before the one that reads them."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0))
    world.register()
    maker = Task(1, "make", outputs=("t",), temporary=("t",))
    world.send(ev.TaskSubmitted(maker))
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "1.1")
    world.sync(executor)
    world.send(ev.TaskSubmitted(Task(2, "read", inputs=("t",), outputs=("o",)), temporaries=("t",)))
    die(world)
    executor.protocol = wire.PROTOCOL - 1
    world.sync(executor)
    assert not executor.alive
    world.offer()
    finish_all(world)
    assert world.reports[2].finished
    assert attempts(world) >= {"1.1", "1.2"}
