"""Stories of tasks: every move with its time, and every attempt that ended before another."""
from __future__ import annotations

from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core import snapshot
from mfmesos.core.policy import Policy
from mfmesos.core.records import MOST_MOMENTS
from mfmesos.shared import wire


def test_a_finished_task_tells_its_story():
    """Waiting, assigned to which claim, publishing, finished, each with its time; the executor reports only the end."""
    world = World()
    world.submit(1)
    world.now = 2.0
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    story = world.reports[1].story
    assert [state for _, state, _ in story] == ["waiting", "assigned", "publishing", "finished"]
    assert [at for at, _, _ in story] == sorted(at for at, _, _ in story)
    assert story[0][0] == 0.0
    assert story[1][2] == world.reports[1].claim_id


def test_each_failed_attempt_is_reported_with_its_result():
    """Before the next one; the last is in the report of the task."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, retries=2))
    world.fate = lambda executor, run: wire.FAILED
    world.submit(1)
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    attempts = [a for a in world.actions if isinstance(a, act.ReportAttempt)]
    assert [(a.attempt, a.result.outcome) for a in attempts] == [(1, "failed"), (2, "failed")]
    assert all(a.claim_id and a.reason for a in attempts)
    assert world.reports[1].attempts == 3
    assert [s for _, s, _ in world.reports[1].story].count("assigned") == 3


def test_a_story_is_bounded():
    """Of a task that is retried for ever the first and the latest moments stay."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, retries=100))
    world.fate = lambda executor, run: wire.FAILED
    world.submit(1)
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    story = world.reports[1].story
    assert len(story) == MOST_MOMENTS
    assert story[0][1] == "waiting"
    assert story[-1][1] == "failed"


def test_a_task_can_be_looked_at_while_it_waits_and_runs():
    """Its story so far, its claim and its agent."""
    world = World()
    world.submit(1)
    waiting = snapshot.task_view(world.core.state, 1)
    assert [state for _, state, _ in waiting.story] == ["waiting"]
    assert waiting.waits
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    running = snapshot.task_view(world.core.state, 1)
    assert running.hostname == "a1"
    assert running.allocation.cores > 0
    assert snapshot.running(world.core.state, 5) == [1]
    assert snapshot.known(world.core.state) == (1,)
