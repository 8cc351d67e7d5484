"""The core in a simulated world: the ways of a task and of a claim, one by one."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.states import CLAIM_MOVES, TASK_MOVES, ClaimState, ImpossibleMove, TaskState, move
from mfmesos.shared import wire


def of_type(world: World, kind: type) -> list:
    return [a for a in world.actions if isinstance(a, kind)]


def started(world: World):
    """A world with a registered framework and one open claim that runs what was submitted."""
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    return world.live()


def test_a_task_goes_all_the_way():
    """Submitted, offered, claimed, run, delivered, published, reported, acknowledged, and the claim released."""
    world = World()
    world.submit(1)
    (executor,) = started(world)
    assert list(executor.running) == ["1.1"]
    world.finish(executor, "1.1")
    world.sync(executor)
    assert world.reports[1].finished
    assert executor.results == {}
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.over == act.Over(None)


def test_a_thousand_tasks_share_few_claims():
    """Many tasks run in one claim, side by side and one after the other, each reported once."""
    world = World()
    world.submit(*range(1, 1001))
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert len(world.reports) == 1000
    assert all(r.finished for r in world.reports.values())
    assert len(of_type(world, act.OpenClaim)) <= 2


def test_a_claim_is_sized_for_what_waits():
    """One waiting task of one core opens a claim of one core, not of the whole agent."""
    world = World()
    world.submit(1, cores=1, memory_mb=100, disk_mb=100)
    world.register()
    world.offer()
    (claim,) = of_type(world, act.OpenClaim)
    assert claim.resources.cores == 1


def test_a_task_as_large_as_the_agent_fits():
    """A task that asks for every cpu that an agent has is run: the executor's share is memory only."""
    world = World()
    world.submit(1, cores=4, memory_mb=1000)
    (executor,) = started(world)
    assert "1.1" in executor.running


def test_undeclared_tasks_fill_an_agent_by_its_cores():
    """Tasks that declare nothing run as many as there are cores, however little memory that leaves each."""
    world = World(agents={"a": Resources(8, 2048, 1000)})
    world.submit(*range(1, 20))
    (executor,) = started(world)
    assert len(executor.running) == 8


def test_no_offer_is_held_and_nothing_wanted_is_said():
    """Offers without work are declined at once for long, and offers are suppressed; work revives them."""
    world = World()
    world.register()
    world.offer()
    assert of_type(world, act.DeclineOffers)[0].refuse_s >= 300
    assert world.suppressed
    world.submit(1)
    assert not world.suppressed
    world.offer()
    assert of_type(world, act.OpenClaim)


def test_a_failed_task_uses_its_own_retries_only():
    """exit 3 with --retries 1: tried twice, then reported with its reason and code."""
    world = World(Policy(workdir="/w", batch_delay_s=0, retries=1))
    world.submit(1)
    (executor,) = started(world)
    world.finish(executor, "1.1", wire.FAILED, reason="exit code 3", exit_code=3)
    world.sync(executor)
    assert 1 not in world.reports
    world.sync(executor)
    world.finish(executor, "1.2", wire.FAILED, reason="exit code 3", exit_code=3)
    world.sync(executor)
    report = world.reports[1]
    assert not report.finished
    assert (report.exit_code, report.reason) == (3, "exit code 3")


def test_what_a_failed_attempt_made_comes_with_the_last_one_alone():
    """Before that, it would be in the folder that the next attempt fills."""
    world = World(Policy(workdir="/w", batch_delay_s=0, retries=1, keep_partial=True))
    world.submit(1)
    (executor,) = started(world)
    assert not executor.running["1.1"].keep_partial
    world.finish(executor, "1.1", wire.FAILED, reason="exit code 3", exit_code=3)
    world.sync(executor)
    world.sync(executor)
    assert executor.running["1.2"].keep_partial


def test_the_clusters_failures_cost_the_task_nothing_but_are_bounded():
    """With no retries of its own a task survives lost claims, but not for ever."""
    world = World(Policy(workdir="/w", batch_delay_s=0, cluster_retries=3, avoid_s=0.0))
    world.submit(1)
    world.register()
    for _ in range(4):
        world.suppressed = False
        world.offer()
        (executor,) = world.live()
        world.sync(executor)
        assert executor.running
        world.end(executor, "TASK_LOST", "REASON_AGENT_REMOVED")
        world.pass_time(1)
    assert "removed from the cluster" in world.reports[1].reason
    assert "4 times" in world.reports[1].reason


def test_an_exhausted_guess_grows_and_a_declared_limit_does_not():
    """Memory exhausted: what was not declared is doubled and tried again, what was declared ends the task."""
    world = World()
    world.submit(1)
    world.submit(2, memory_mb=200)
    (executor,) = started(world)
    for attempt in ("1.1", "2.1"):
        world.finish(executor, attempt, wire.EXHAUSTED, reason="memory: too much", resource="memory",
                     usage=wire.Usage(memory_mb=600))
    world.sync(executor)
    assert not world.reports[2].finished
    assert world.reports[2].reason == (
        "memory: too much; declared 200 MB, used more than 600 MB: declare about 750 MB")
    assert world.core.state.tasks[1].floor_memory_mb == 1200


def test_one_over_its_wall_time_fails_with_the_cure():
    """At once, whatever the retries."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, retries=3))
    world.submit(1)
    (executor,) = started(world)
    world.finish(executor, "1.1", wire.EXHAUSTED, reason="wall time: ran for 6.1 s, longer than its limit of 6 s",
                 resource="wall")
    world.sync(executor)
    assert world.reports[1].reason.endswith("limit of 6 s; declare a longer wall_time")


def test_a_container_over_its_memory_blames_the_task_when_it_was_alone():
    """A cgroup kill of a claim with one declared task: that task fails for memory, in plain words."""
    world = World()
    world.submit(1, memory_mb=100)
    (executor,) = started(world)
    world.end(executor, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY")
    assert "more memory" in world.reports[1].reason
    held = executor.claim.resources.memory_mb
    assert f"used more than {held:.0f} MB: declare about " in world.reports[1].reason


def test_a_container_over_its_memory_isolates_the_suspects():
    """With several tasks in the killed container each gets a claim of its own, so that the innocent finish."""
    world = World()
    world.submit(1, 2, memory_mb=100)
    (executor,) = started(world)
    world.end(executor, "TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY")
    assert not world.reports
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert all(len(e.known) <= 1 for e in world.live())


def test_an_unsatisfiable_task_is_named_with_what_it_asks_and_the_largest_agent():
    """More cores than any agent has: failed after the waiting time, the rest runs on."""
    world = World()
    world.submit(1, cores=64)
    world.submit(2)
    started(world)
    world.list_agents()
    world.pass_time(1)
    world.list_agents()
    world.pass_time(6)
    reason = world.reports[1].reason
    assert "64 cores" in reason
    assert "largest agent has 4 cores" in reason
    assert 2 not in world.reports


def test_an_answer_that_is_lost_is_given_again():
    """The executor never saw the answer that named the attempt: the next sync names it again, and it runs once."""
    world = World()
    world.submit(1)
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor, lose_answer=True)
    assert not executor.running
    world.sync(executor)
    assert list(executor.running) == ["1.1"]


def test_a_newer_sync_supersedes_the_held_one():
    """At most one sync of a claim is held; the older one is answered at once."""
    world = World()
    world.submit(1)
    (executor,) = started(world)
    world.sync(executor)
    world.sync(executor)
    assert [a for a in of_type(world, act.AnswerSync) if a.answer.superseded]


def answers(world: World) -> list[wire.SyncAnswer]:
    """Those that say something."""
    return [a.answer for a in of_type(world, act.AnswerSync) if not a.answer.superseded]


def test_an_answer_waits_while_outputs_are_published():
    """So one answer acknowledges the attempt and gives its room to the next one."""
    world = World()
    world.submit(1, 2, cores=4.0)
    (executor,) = started(world)
    world.sync(executor)
    world.auto_place = False
    world.finish(executor, "1.1")
    before = len(answers(world))
    world.sync(executor)
    assert len(answers(world)) == before
    world.place_all()
    (answer,) = answers(world)[before:]
    assert (answer.acked, [run.attempt for run in answer.run]) == (["1.1"], ["2.1"])


def test_an_answer_does_not_wait_long_for_outputs():
    """Large outputs may take minutes: everything else is answered when the core asked to be woken."""
    world = World()
    world.submit(1, 2)
    (executor,) = started(world)
    world.sync(executor)
    world.auto_place = False
    world.finish(executor, "1.1")
    world.sync(executor)
    before = len(answers(world))
    world.send(ev.TaskWithdrawn(2))
    assert len(answers(world)) == before
    at = world.core.wakeup()
    assert world.now < at <= world.now + 0.1
    world.now = at
    world.send(ev.Tick())
    (answer,) = answers(world)[before:]
    assert (answer.acked, answer.kill) == ([], ["2.1"])


def test_attempts_that_go_on_ending_do_not_put_answers_off():
    """While the outputs of one take long, others end every few milliseconds: the wait counts from the first."""
    world = World()
    world.submit(1, 2, 3, 4)
    (executor,) = started(world)
    world.sync(executor)
    world.auto_place = False
    before = len(answers(world))
    for attempt in ("1.1", "2.1", "3.1"):
        world.finish(executor, attempt)
        world.sync(executor)
        world.send(ev.TaskWithdrawn(4))
        world.now += 0.009
        world.send(ev.Tick())
    assert "4.1" in [name for answer in answers(world)[before:] for name in answer.kill]


def test_a_held_sync_is_answered_in_time():
    """With nothing to say a sync is answered after hold_s all the same, so both sides know they are alive."""
    world = World()
    world.submit(1)
    (executor,) = started(world)
    world.sync(executor)
    before = len(of_type(world, act.AnswerSync))
    world.pass_time(21)
    assert len(of_type(world, act.AnswerSync)) == before + 1


def test_a_withdrawn_task_is_killed():
    """An aborting line of a running task: the task is reported as withdrawn, and the executor is ordered to kill it."""
    world = World()
    world.submit(1)
    (executor,) = started(world)
    world.send(ev.TaskWithdrawn(1))
    assert world.reports[1].withdrawn
    world.sync(executor)
    assert executor.running == {}


def test_a_withdrawn_task_makes_room_when_it_is_killed():
    """The answer that gives its place to the next task tells the executor to kill it: the claim never runs both."""
    world = World(agents={"a1": Resources(1, 4096, 20000)})
    world.submit(1, 2)
    (executor,) = started(world)
    world.sync(executor)
    world.send(ev.TaskWithdrawn(1))
    answer = of_type(world, act.AnswerSync)[-1].answer
    assert (answer.kill, [run.attempt for run in answer.run]) == (["1.1"], ["2.1"])
    assert list(executor.running) == ["2.1"]


def test_a_task_that_is_withdrawn_before_it_is_submitted():
    """Looking at its inputs took longer than the engine's patience: it never runs, and is reported once."""
    world = World()
    world.send(ev.TaskWithdrawn(1), ev.TaskWithdrawn(2))
    world.submit(1, 3)
    world.send(ev.TaskRefused(Task(2, "cat in", ("in",)), "input missing: in"))
    assert world.reports[1].withdrawn
    assert world.reports[2].withdrawn
    (executor,) = started(world)
    world.sync(executor)
    assert list(executor.running) == ["3.1"]


def test_stop_ends_everything():
    """A stop withdraws all tasks, releases all claims, and then all is over."""
    world = World()
    world.submit(*range(1, 50))
    started(world)
    world.send(ev.StopRequested("the engine is gone"))
    for executor in world.live():
        world.sync(executor)
    assert world.over
    assert len(world.reports) == 49


def test_claims_wait_for_more_tasks_unless_none_follows_soon():
    """A claim is sized a moment after the first task has come, for all that have come by then; at once, if it is known
    that these are all.
    """
    for all_known in (False, True):
        world = World(Policy(workdir="/w", batch_delay_s=0.03))
        world.now = 1234.5  # 1234.5 - (1234.5 - 0.03) < 0.03
        world.submit(1, 2)
        if all_known:
            world.send(ev.NoneFollowsSoon())
        world.register()
        world.offer()
        assert bool(of_type(world, act.OpenClaim)) == all_known
        world.submit(3)
        world.pass_time(0.6)
        (claim,) = of_type(world, act.OpenClaim)
        assert claim.resources.cores == (2 if all_known else 3)


def test_nothing_new_lets_what_runs_end():
    """After NothingNew waiting tasks are withdrawn, running ones finish, and then it is over."""
    world = World()
    world.submit(*range(1, 9))
    started(world)
    world.send(ev.NothingNew("a task failed"))
    world.run_to_end()
    assert sum(r.finished for r in world.reports.values()) == 4
    assert sum(r.withdrawn for r in world.reports.values()) == 4


def test_nothing_new_while_a_file_is_followed():
    """What is submitted later is withdrawn at once, and it is over only when the file has ended."""
    world = World()
    world.submit(*range(1, 9))
    started(world)
    world.send(ev.NothingNew("a task failed", follow=True))
    (executor,) = world.live()
    world.sync(executor)
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    world.sync(executor)
    world.pass_time(30)
    assert len(world.reports) == 8
    assert not world.over
    world.submit(9)
    assert world.reports[9].withdrawn
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.over
    assert sum(r.finished for r in world.reports.values()) == 4


CHOWN = ("Failed to create executor directory '/var/lib/mesos/slaves/S0/frameworks/F/executors/c-1/runs/1': "
         "Failed to chown directory to 'nosuchuser': No such user 'nosuchuser'")


@pytest.mark.parametrize(
    "message", [CHOWN, "Failed to get user information for 'x'", "Not authorized to run as user 'x'"])
def test_a_user_that_agents_do_not_know_is_the_runs_fault(message):
    """Three executors in a row that could not run as that user: reported once, with the option, and no task has
    failed."""
    world = World()
    world.submit(1, 2)
    world.register()
    for _ in range(30):
        if world.over:
            break
        world.offer()
        for executor in world.live():
            world.end(executor, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", message)
        world.pass_time(1)
    assert world.over
    assert len(of_type(world, act.OpenClaim)) == 3
    assert "--user" in world.over.failure
    assert not [note for note in world.notes if "user" in note.text]
    assert all(report.withdrawn for report in world.reports.values())


def test_a_refused_framework_is_the_runs_fault():
    """Not its tasks': they are withdrawn, and the reason is given with the end of the run alone."""
    world = World()
    world.submit(1, 2)
    world.register()
    world.send(ev.FrameworkEnded("the master wants a principal"))
    assert world.over.failure == "the master wants a principal"
    assert not world.notes
    assert [report.withdrawn for report in world.reports.values()] == [True, True]


def test_a_claim_that_never_syncs_is_given_up():
    """No sync within a minute: Mesos is asked; after two it is killed and its tasks go elsewhere."""
    world = World()
    world.submit(1)
    world.register()
    world.offer()
    world.pass_time(61)
    assert of_type(world, act.Reconcile)[-1].claims
    world.pass_time(61)
    assert of_type(world, act.KillClaim)
    assert not world.core.state.claims


def test_executors_that_never_start_end_the_run():
    """When no executor starts, many times in a row, the run ends with the reason instead of trying for ever."""
    world = World(Policy(workdir="/w", batch_delay_s=0, launch_failures=4, avoid_s=0))
    world.submit(1)
    world.register()
    for _ in range(4):
        world.suppressed = False
        world.offer()
        world.end(world.live()[0], "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        world.pass_time(1)
    assert world.over
    assert "no executor could be started" in (world.over.failure or "")
    assert not world.reports[1].finished


def with_an_idle_claim():
    """Its only task has ended."""
    world = World()
    world.submit(1)
    (executor,) = started(world)
    world.finish(executor, "1.1")
    world.sync(executor)
    world.sync(executor)
    return world, executor


def test_an_idle_claim_is_released():
    """Polite to others: a claim without work goes after claim_idle_s."""
    world, executor = with_an_idle_claim()
    world.pass_time(6)
    assert executor.released
    assert {a.answer.over for a in of_type(world, act.AnswerSync) if a.answer.release} == {False}


def test_the_last_claims_hear_that_the_run_ends():
    """Nobody waits for their room: they may report their end before they remove their files."""
    world, _ = with_an_idle_claim()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert {a.answer.over for a in of_type(world, act.AnswerSync) if a.answer.release} == {True}


def test_a_large_task_gets_its_room():
    """Small idle claims are released when a waiting task needs a larger one on the same agent."""
    world = World()
    world.submit(1, cores=1)
    (executor,) = started(world)
    world.finish(executor, "1.1")
    world.sync(executor)
    world.submit(2, cores=4)
    world.send(ev.NoMoreTasks())
    world.pass_time(0.1)
    world.run_to_end()
    assert world.reports[2].finished


def test_max_running_bounds_the_claims_as_well():
    """Two tasks at once of twenty, on six agents: no more than two claims are opened, whatever comes and goes."""
    agents = {f"a{i}": Resources(1, 1024, 5000) for i in range(6)}
    world = World(Policy(workdir="/w", batch_delay_s=0, max_running=2), agents)
    world.submit(*range(1, 21), cores=1)
    world.register()
    for _ in range(3):
        world.offer()
        world.pass_time(1.0)
        for executor in world.live():
            world.sync(executor)
    assert len(world.executors) == 2
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert len(of_type(world, act.OpenClaim)) == 2


def held(world: World) -> tuple[float, float]:
    """Cores and memory (MB) of all claims and their executors."""
    claims = [e.claim for e in world.live()]
    return (sum(c.resources.cores for c in claims),
            sum(c.resources.memory_mb + c.executor_memory_mb for c in claims))


@pytest.mark.parametrize("bound", [{"max_cores": 6.0}, {"max_memory_mb": 1500.0}])
def test_a_run_holds_no_more_than_it_may(bound):
    """Forty tasks on six agents: all end, and at no time did the claims hold more than the bound."""
    world = World(Policy(workdir="/w", batch_delay_s=0, claim_idle_s=1.0, **bound),
                  {f"a{i}": Resources(4, 4096, 20000) for i in range(6)})
    world.submit(*range(1, 41), cores=1, memory_mb=200)
    world.register()
    world.send(ev.NoMoreTasks())
    most = (0.0, 0.0)
    for _ in range(400):
        if world.over:
            break
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            world._run_all(executor)
            world.sync(executor)
        most = max(most[0], held(world)[0]), max(most[1], held(world)[1])
        world.pass_time(0.5)
    assert world.over is not None
    assert all(r.finished for r in world.reports.values())
    assert most[0] <= bound.get("max_cores", 24)
    assert most[1] <= bound.get("max_memory_mb", 1e9)
    assert most[0] >= 5  # and it used what it may


def test_a_task_beyond_the_bounds_of_its_run_fails_at_once():
    """Before any offer came, with the option's name; one that fits to the last bit runs."""
    world = World(Policy(workdir="/w", batch_delay_s=0, max_cores=2.0, max_memory_mb=1000.0))
    world.submit(1, cores=3)
    world.submit(2, memory_mb=905)
    assert "--max-cores" in world.reports[1].reason
    assert "--max-memory" in world.reports[2].reason
    world.submit(3, cores=2, memory_mb=904)
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.reports[3].finished


def test_max_running_is_kept():
    """Never more tasks in claims than allowed."""
    world = World(Policy(workdir="/w", batch_delay_s=0, max_running=2))
    world.submit(*range(1, 11))
    (executor,) = started(world)
    assert len(executor.running) == 2


def test_short_attempts_are_queued_ahead():
    """Attempts of milliseconds: some more are given than run at once, so the executor need not wait for us."""
    world = World()
    world.ahead = True
    world.submit(*range(1, 101))
    (executor,) = started(world)
    assert len(executor.running) == 4
    world.finish(executor, "1.1")
    world.sync(executor)
    world.sync(executor)
    assert len(executor.running) > 8
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_long_attempts_are_not_queued_ahead():
    """Attempts of seconds wait in our queue, where the first free claim takes them."""
    world = World()
    world.submit(*range(1, 101))
    (executor,) = started(world)
    world.finish(executor, "1.1")
    world.sync(executor)
    world.sync(executor)
    assert len(executor.running) == 4


def test_each_slot_of_fairly_short_attempts_has_its_next_one():
    """Attempts of 0.4 s are too long for a queue of 0.1 s, but each slot has one more: no round trip between two."""
    world = World()
    world.ahead = True
    world.submit(*range(1, 101))
    (executor,) = started(world)
    for n in (1, 2):
        world.finish(executor, f"{n}.1", usage=wire.Usage(wall_s=0.4, cores=1.0))
    world.sync(executor)
    world.sync(executor)
    assert len(executor.running) == 8


def test_attempts_that_nothing_is_known_of_are_not_queued_ahead():
    """Lately all were short, but the new ones are of another category: they might take hours."""
    world = World()
    world.ahead = True
    world.submit(*range(1, 6))
    (executor,) = started(world)
    for n in range(1, 6):
        world.finish(executor, f"{n}.1")
        world.sync(executor)
    world.sync(executor)
    world.send(*(ev.TaskSubmitted(Task(n, "other", (), (), category="new")) for n in range(11, 41)))
    world.sync(executor)
    assert len(executor.running) == 4
    world.finish(executor, "11.1")
    world.sync(executor)
    world.sync(executor)
    assert len(executor.running) > 8


def test_claims_per_task():
    """Each task has a claim of its own, as the first connector did."""
    world = World(Policy(workdir="/w", batch_delay_s=0, per_task_claims=True))
    world.submit(1, 2, 3, cores=1, memory_mb=100)
    world.register()
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert len(of_type(world, act.OpenClaim)) == 3
    assert all(r.finished for r in world.reports.values())


def test_late_result_of_an_old_attempt_is_thrown_away():
    """A result of an attempt that was given up never overwrites the newer one."""
    world = World(Policy(workdir="/w", batch_delay_s=0, silence_lost_s=100))
    world.submit(1)
    (executor,) = started(world)
    world.pass_time(101)
    assert world.core.state.tasks[1].attempt_id == "1.1"
    executor.results["1.1"] = wire.Result("1.1", wire.FINISHED)
    executor.running.clear()
    world.sync(executor)
    assert 1 not in world.reports


def test_a_master_that_was_never_there_is_said():
    """Nobody waits without knowing why: the first failed try is reported, and then one a minute."""
    world = World()
    for _ in range(3):
        world.send(ev.Disconnected("connection refused"))
    assert len(world.notes) == 1
    assert "connection refused" in world.notes[0].text
    world.pass_time(61)
    world.send(ev.Disconnected("connection refused"))
    assert len(world.notes) == 2


def test_unknown_claims_are_killed():
    """A running claim that the core does not know (of a dead run) is killed."""
    world = World()
    world.register()
    world.send(ev.ClaimUpdated("old-1", "TASK_RUNNING", agent_id="a1", uuid="dXVpZA=="))
    assert of_type(world, act.KillClaim)[0].claim_id == "old-1"
    assert of_type(world, act.AcknowledgeUpdate)


def test_a_refused_task_is_reported_with_its_reason():
    """A task whose input is missing fails before it costs anything."""
    world = World()
    world.send(ev.TaskRefused(Task(7, "x", ("gone",), (), Request()), "input gone does not exist"))
    assert world.reports[7].reason == "input gone does not exist"


@pytest.mark.parametrize(("moves", "kind"), [(TASK_MOVES, TaskState), (CLAIM_MOVES, ClaimState)])
def test_only_the_moves_of_the_table_are_possible(moves, kind):
    """Every pair of states is either in the table or refused."""
    for old in kind:
        for new in kind:
            if new in moves[old]:
                assert move(moves, old, new) is new
            else:
                with pytest.raises(ImpossibleMove):
                    move(moves, old, new)


def test_a_full_folder_holds_everything_up_and_fails_nothing():
    """While the workflow's folder has no room, nothing new starts and the user is notified; then all tasks finish. It
    uses up no retries, however often it happens."""
    world = World()
    world.submit(*range(1, 9))
    (executor,) = started(world)
    world.full = True
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    world.sync(executor)
    assert executor.running == {}
    assert not world.reports
    assert any("free some space" in note.text for note in world.notes)
    for _ in range(30):
        world.pass_time(world.core.state.policy.full_pause_s / 2)
        world.offer()
        for executor in world.live():
            world.sync(executor)
            for attempt in list(executor.running):
                world.finish(executor, attempt)
            if executor.alive:
                world.sync(executor)
    assert not world.reports
    world.full = False
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert len(world.reports) == 8


def test_wants_no_call_for_outputs_that_are_published():
    """An answer waits some milliseconds for outputs; when they are in place before, nothing is left to be woken for."""
    world = World()
    world.submit(1, 2)
    (executor,) = started(world)
    world.finish(executor, "1.1")
    world.sync(executor)
    assert world.core.wakeup() is None


def test_wants_to_be_called_when_the_batch_is_over():
    """It waits for more tasks before it opens claims, and says until when, however late it is asked; then no more."""
    world = World(Policy(workdir="/w", batch_delay_s=0.03))
    world.submit(1)
    world.register()
    since = world.now
    assert world.core.wakeup() == pytest.approx(since + 0.03)
    world.core.handle_all((ev.Tick(),), since + 0.02)
    assert world.core.wakeup() == pytest.approx(since + 0.03)
    world.core.handle_all((ev.Tick(),), since + 0.04)
    assert world.core.wakeup() is None
