"""Bad agents, bad claims and bad tasks in the simulated world: who pays for what, and that it stays bounded."""
from __future__ import annotations

import pytest
from world import DIES, FakeExecutor, World, core_with

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Resources, SavedTask, Task
from mfmesos.core.policy import Policy
from mfmesos.core.states import ClaimState
from mfmesos.shared import wire

TWO = {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)}


def world_of(count: int, agents: dict[str, Resources] | None = None, **settings: object) -> World:
    """Tasks of half a core, submitted and complete."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **settings), agents)  # type: ignore[arg-type]
    world.submit(*range(1, count + 1), cores=0.5, memory_mb=50, disk_mb=20)
    world.send(ev.NoMoreTasks())
    world.register()
    return world


def task_of(run: wire.Run) -> int:
    return int(run.attempt.split(".")[0])


def opened(world: World) -> int:
    return sum(isinstance(a, act.OpenClaim) for a in world.actions)


# --- black holes --------------------------------------------------------------------------------
@pytest.mark.parametrize("ahead", [False, True])
def test_an_agent_that_breaks_all_it_gets_fails_no_task(ahead: bool):
    """One agent of two breaks each attempt at once: all 300 tasks finish at the other, whatever comes back to it."""
    world = world_of(300, TWO)
    world.ahead = ahead
    world.fate = lambda executor, run: wire.BROKEN if executor.claim.agent_id == "a1" else wire.FINISHED
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert len(world.reports) == 300


def test_a_claim_that_breaks_attempts_in_a_row_gets_no_more():
    """Three in a row: the claim is drained and its agent avoided, and what it was not yet sent costs nothing."""
    world = world_of(40, TWO)
    world.offer()
    bad = next(e for e in world.live() if e.claim.agent_id == "a1")
    world.sync(bad)
    for attempt in list(bad.running)[:3]:
        world.finish(bad, attempt, wire.BROKEN, reason="the sandbox is read-only")
    world.sync(bad)
    assert world.core.state.claims[bad.claim.claim_id].state is ClaimState.DRAINING
    assert world.core.state.clusters[""].agents["a1"].avoid_until > world.now
    running = len(bad.running)
    for _ in range(3):
        world.sync(bad)
    assert len(bad.running) == running


def test_attempts_that_run_between_keep_a_claim_open():
    """Two broken ones, one that ran, two broken ones: that is no row of three."""
    world = world_of(40, {"a1": Resources(8, 4096, 20000)})
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    for attempt, outcome in zip(list(executor.running), ["broken", "broken", "finished", "broken", "broken"]):
        world.finish(executor, attempt, outcome, reason=outcome)
        world.sync(executor)
    assert world.core.state.claims[executor.claim.claim_id].state is ClaimState.OPEN


def test_failures_in_one_bad_spell_of_an_agent_count_once():
    """The same task breaks at the same agent again and again: one of its tries is used up for each time that the agent
    was avoided, not for each attempt."""
    world = world_of(1, cluster_retries=2)
    world.fate = lambda executor, run: wire.BROKEN
    world.run_to_end()
    assert world.reports[1].attempts == 5  # three in a row, then one after each pause
    assert "failed the task 3 times" in world.reports[1].reason


def broken_once() -> tuple[World, str]:
    """One task and two agents; its first attempt broke at the agent that is named."""
    world = world_of(1, TWO)
    world.offer()
    (executor,) = world.live()
    first = executor.claim.agent_id
    world.sync(executor)
    world.finish(executor, "1.1", wire.BROKEN, reason="no fork")
    world.sync(executor)
    return world, first


def test_where_a_task_failed_outlives_the_scheduler():
    """After a restart the task still prefers the other agent."""
    world, first = broken_once()
    assert world.saved_tasks[1].failed_at == (first,)
    world.restart()
    assert list(world.core.state.tasks[1].failed_at) == [("", first)]


def test_a_task_prefers_an_agent_where_it_has_not_failed():
    """A task broke at one agent: with room at both it runs at the other; with that agent away, here again."""
    world, first = broken_once()
    tried: list[str] = []
    world.fate = lambda executor, run: tried.append(executor.claim.agent_id) or wire.FINISHED
    world.run_to_end()
    assert tried == [({*TWO} - {first}).pop()]


def test_the_only_agent_is_tried_again():
    """Where else? With one agent a task that broke there runs there again."""
    world = world_of(1)
    fates = iter([wire.BROKEN, wire.BROKEN, wire.FINISHED])
    world.fate = lambda executor, run: next(fates)
    world.run_to_end()
    assert world.reports[1].finished


def test_failures_without_end_do_not_overflow():
    """Two thousand failures in a row: the pause stays bounded, the notes stay few."""
    world = world_of(50, TWO, cluster_retries=10**6, avoid_s=0.001)
    world.fate = lambda executor, run: wire.BROKEN
    for _ in range(2000):
        world.suppressed = False
        world.offer()
        for executor in world.live():
            world._run_all(executor)
            world.sync(executor)
        world.pass_time(0.1)
    assert max(a.avoided for a in world.core.state.clusters[""].agents.values()) > 10
    assert all(a.avoid_until - world.now <= 600 for a in world.core.state.clusters[""].agents.values())
    again = [n for n in world.notes if "is retried" in n.text]
    assert len(again) <= 6 * 2 * (1 + world.now / 10)
    assert len(world.core.state.notified) < 100


@pytest.mark.parametrize("agents", [None, TWO])
def test_a_web_server_that_fails_is_no_agents_fault(agents: dict[str, Resources] | None):
    """Every attempt breaks because of what lies outside of the cluster: no agent is avoided, no claim drained, and each
    task fails after a few tries, with the reason."""
    world = world_of(4, agents)
    tries = 0
    while not world.over and world.now < 1000:
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt in list(executor.running):
                tries += 1
                world.finish(executor, attempt, wire.BROKEN, reason="HTTP 500", outside=True)
            world.sync(executor)
        world.pass_time(1.0)
    assert tries == 4 * 4
    assert {r.reason for r in world.reports.values()} == {
        "the cluster failed the task 4 times, most recently: HTTP 500"}
    assert not any(agent.failures or agent.avoided for agent in world.core.state.clusters[""].agents.values())
    assert not any("avoided" in note.text for note in world.notes)


def test_another_agent_may_reach_the_web_server():
    """The next attempt is made at the other agent."""
    world = world_of(1, TWO)
    world.offer()
    first = next(e for e in world.live())
    world.sync(first)
    (attempt,) = first.running
    world.finish(first, attempt, wire.BROKEN, reason="no route", outside=True)
    world.sync(first)
    tried: list[str] = []
    world.fate = lambda executor, run: tried.append(executor.claim.agent_id) or wire.FINISHED
    world.run_to_end()
    assert tried == [({*TWO} - {first.claim.agent_id}).pop()]


# --- launches -----------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LIMITATION_MEMORY",
                                    "REASON_CONTAINER_LIMITATION_DISK", "REASON_CONTAINER_LAUNCH_FAILED"])
def test_claims_that_never_sync_end_the_run_in_minutes(reason: str):
    """One agent, each claim ends before its first sync, for whatever reason: reported at the first, and the run ends
    with the reason within five minutes."""
    world = world_of(3)
    while not world.over and world.now < 3600:
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            world.end(executor, "TASK_FAILED", reason)
        world.pass_time(1.0)
        assert any("did not start" in note.text for note in world.notes)
    assert world.now <= 300
    assert "no executor could be started" in (world.over.failure or "")
    assert not any(r.finished for r in world.reports.values())


def test_claims_that_stay_silent_end_the_run_in_minutes():
    """No executor ever reaches the scheduler: each is waited for for two minutes, and the run ends after some."""
    world = world_of(3)
    while not world.over and world.now < 3600:
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            if executor.claim.claim_id not in world.core.state.claims:
                world.end(executor, "TASK_KILLED")
        world.pass_time(1.0)
    assert world.now <= 420
    assert "no executor could be started" in (world.over.failure or "")


# --- poison -------------------------------------------------------------------------------------
@pytest.mark.parametrize("poison", [{7}, {1}, {3, 4, 9, 30}])
@pytest.mark.parametrize("agents", [None, TWO])
def test_tasks_that_kill_their_executor_fail_alone(poison: set[int], agents: dict[str, Resources] | None):
    """The poisonous ones fail with the reason, each innocent task finishes, no agent is avoided, and it costs few
    claims."""
    world = world_of(40, agents)
    world.fate = lambda executor, run: DIES if task_of(run) in poison else wire.FINISHED
    world.run_to_end()
    assert {i for i, r in world.reports.items() if not r.finished} == poison
    for i in poison:
        assert "ran alone" in world.reports[i].reason
        assert "SIGKILL" in world.reports[i].reason
    assert not any("avoided" in note.text for note in world.notes)
    assert opened(world) < 12 + 8 * len(poison)


def test_an_executor_that_is_killed_once_costs_little():
    """A thousand short tasks queued ahead, one executor killed: what it had been sent runs by itself, in turns and in
    few claims; all finish, none is charged, and the agent is not blamed."""
    world = world_of(1000)
    world.ahead = True
    killed: list[str] = []

    def fate(executor: FakeExecutor, run: wire.Run) -> str:
        if not killed and task_of(run) > 300:
            killed.append(run.attempt)
            return DIES
        return wire.FINISHED
    world.fate = fate
    world.run_to_end()
    assert killed
    assert all(r.finished for r in world.reports.values())
    assert max(r.attempts for r in world.reports.values()) == 2
    assert opened(world) < 12
    assert world.core.state.clusters[""].agents["a1"].failures == 0


def test_a_lost_agent_isolates_nothing():
    """The machine is gone: its tasks run elsewhere, side by side."""
    world = world_of(20, TWO)
    world.offer()
    for executor in world.live():
        world.sync(executor)
    world.end(world.live()[0], "TASK_LOST", "REASON_AGENT_REMOVED")
    assert not any(record.solo for record in world.core.state.tasks.values())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_suspects_run_where_there_is_room():
    """The other agent is busy for hours: those that were in the killed executor run again on theirs, at once."""
    world = world_of(40, TWO)
    world.offer()
    for executor in world.live():
        world.sync(executor)
    world.die(world.live()[0])
    for _ in range(5):
        world.pass_time(0.5)
        world.offer()
        for executor in world.live():
            world.sync(executor)
    assert any(len(e.running) == 1 for e in world.live())


def test_suspects_do_not_wait_for_all_others():
    """Thousands wait behind them: those that were in the killed executor run first, not last."""
    world = world_of(400)
    world.fate = lambda executor, run: DIES if task_of(run) == 2 else wire.FINISHED
    ended: list[int] = []
    for _ in range(2000):
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            world._run_all(executor)
            if executor.alive:
                world.sync(executor)
        world.pass_time(0.1)
        ended += [i for i in world.reports if i not in ended]
        if world.over:
            break
    assert max(ended.index(i) for i in range(1, 9)) < 200


def test_an_agent_where_executors_die_of_themselves_is_found_out():
    """It is the agent: alone there each task's executor dies, at the other each ends well. So the agent is avoided, and
    nobody fails."""
    world = world_of(60, TWO)
    world.fate = lambda executor, run: DIES if executor.claim.agent_id == "a1" else wire.FINISHED
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_deaths_outlive_the_scheduler():
    """The scheduler dies between: the third executor that ended with the task alone in it is the last."""
    world = world_of(1)
    for n in range(3):
        world.suppressed = False
        world.pass_time(100)
        world.offer()
        (executor,) = world.live()
        world.sync(executor)
        assert executor.running
        world.die(executor)
        if n == 1:
            world.restart()
    assert "each of the 3 times" in world.reports[1].reason


def test_a_container_over_its_disk_isolates_the_suspects():
    """As for memory: with several tasks in the destroyed container each runs by itself."""
    world = world_of(4)
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.end(executor, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_DISK")
    assert all(record.solo for record in world.core.state.tasks.values())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


@pytest.mark.parametrize("outcome", [wire.FAILED, wire.BROKEN])
def test_what_can_never_succeed_is_not_tried_again(outcome: str):
    """A result that says so ends the task at once, retries or not, and no agent is blamed."""
    world = world_of(1, retries=5)
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "1.1", outcome, reason="its environment is too large", final=True)
    world.sync(executor)
    assert world.reports[1].attempts == 1
    assert world.core.state.clusters[""].agents["a1"].failures == 0


# --- out of order -------------------------------------------------------------------------------
@pytest.mark.parametrize("refused", [False, True])
def test_a_withdrawal_before_the_submission_is_not_lost(refused: bool):
    """makeflow aborts a task while its inputs are still hashed: it never starts, and is reported withdrawn once."""
    world = World()
    world.register()
    world.send(ev.TaskWithdrawn(1))
    task = Task(1, "x", (), ("o",))
    world.send(ev.TaskRefused(task, "no input") if refused else ev.TaskSubmitted(task))
    assert world.reports[1].withdrawn
    assert not world.core.state.tasks
    world.submit(2)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.reports[2].finished


def test_restored_tasks_learn_from_the_history():
    """The history is loaded after the restored tasks are known: their category's estimates follow from it all the
    same."""
    task = Task(1, "x", category="c")
    past = [Attempt(1.0, "c", "finished", measured_memory_mb=100.0, measured_disk_mb=10.0, wall_s=5.0)] * 20
    needs = []
    for restored in (True, False):
        core = core_with(Policy(workdir="/w"))
        first = ev.Restored((SavedTask(task, (), 1, "", 1),), ()) if restored else ev.TaskSubmitted(task)
        batch = (first, ev.HistoryLoaded(tuple(past))) if restored else (ev.HistoryLoaded(tuple(past)), first)
        core.handle_all(batch, 0.0)
        needs.append(core.state.need(core.state.tasks[1].shape()))
    assert needs[0].memory_mb is not None
    assert needs[0] == needs[1]


def test_orphans_are_looked_for_at_each_registration():
    """Claims of ours that nobody knows any more are asked for at once, not after a quarter of an hour, and killed."""
    world = World()
    world.register()
    assert act.Reconcile() in world.actions
    world.send(ev.ClaimUpdated("dead-1", "TASK_RUNNING", "REASON_RECONCILIATION", "", "a1"))
    assert [a.claim_id for a in world.actions if isinstance(a, act.KillClaim)] == ["dead-1"]


# --- claims' times ------------------------------------------------------------------------------
@pytest.mark.parametrize("settings", [
    {"claim_idle_s": 0.0}, {"claim_worklife_s": 0.0}, {"claim_idle_s": 0.0, "claim_worklife_s": 0.0}])
def test_claims_may_have_no_time_at_all(settings: dict[str, float]):
    """--claim-idle 0, --claim-worklife 0: a claim does what it was opened for, and is given back at once."""
    world = world_of(20, TWO, **settings)
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert len(world.reports) == 20


def test_a_claim_with_no_idle_time_goes_as_soon_as_it_has_no_work():
    """At the sync that brings its last result, not earlier and not later."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, claim_idle_s=0.0))
    world.submit(1)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    assert executor.running
    world.finish(executor, "1.1")
    world.sync(executor)
    assert executor.released
