"""Tasks that write to an input they share with others: they run again with copies, and nobody pays for it."""
from __future__ import annotations

from dataclasses import replace

from world import World, core_with

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import WROTE_INPUT
from mfmesos.core.model import Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.shared import wire
from mfmesos.store.history import History

WRITES, READS = "gzip big.dat", "wc -c big.dat"


def world_of(*commands: str, **settings: object) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **settings),  # type: ignore[arg-type]
                  {"a1": Resources(8, 8192, 20000)})
    for number, command in enumerate(commands, 1):
        world.send(ev.TaskSubmitted(Task(number, command, ("big.dat",), ()), ()))
    world.send(ev.NoMoreTasks())
    world.register()
    return world


def wrote(world: World) -> list[wire.Run]:
    """Run to the end; attempts of WRITES that share their input report that they wrote to it. Returns all runs."""
    runs = []
    while not world.over and world.now < 100:
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt, run in list(executor.running.items()):
                runs.append(run)
                guilty = run.command == WRITES and not run.copies
                world.finish(executor, attempt, wire.BROKEN if guilty else wire.FINISHED,
                             reason="wrote", wrote_input="big.dat" if guilty else "")
            world.sync(executor)
        world.pass_time(0.1)
    return runs


def test_it_runs_again_with_copies_at_no_cost():
    """Without any retry allowed it finishes; its second attempt has copies; no agent is blamed, no claim drained."""
    world = world_of(WRITES, cluster_retries=0, retries=0)
    runs = wrote(world)
    assert [run.copies for run in runs] == [False, True]
    assert world.reports[1].finished
    assert world.core.state.clusters[""].agents["a1"].avoided == 0
    assert sum(isinstance(a, act.OpenClaim) for a in world.actions) == 1


def test_only_its_category_gets_copies_and_hears_of_it_once():
    """Three writers at once, and readers: one note, readers keep their links."""
    world = world_of(WRITES, WRITES, WRITES, READS, READS)
    runs = wrote(world)
    assert all(r.finished for r in world.reports.values())
    assert {run.copies for run in runs if run.command == READS} == {False}
    notes = [n for n in world.notes if "which tasks shared" in n.text]
    assert len(notes) == 1
    assert "big.dat" in notes[0].text
    kept = [a.attempt for a in world.actions if isinstance(a, act.RecordAttempt) and a.attempt.outcome == WROTE_INPUT]
    assert len(kept) == 1


def test_the_next_run_starts_with_copies(tmp_path):
    """The history keeps the category's mark; a run that loads it gives copies to the first attempt already."""
    first = world_of(WRITES)
    wrote(first)
    with History(tmp_path / "h.sqlite") as history:
        history.add(replace(a.attempt, ended_at=1.0) for a in first.actions if isinstance(a, act.RecordAttempt))
        past = tuple(history.load())
    core = core_with(Policy(workdir="/w"))
    core.handle(ev.HistoryLoaded(past), 0.0)
    assert core.state.writers == {core.state.needs.category(Task(1, WRITES, ("big.dat",), ()))}


def test_an_executor_that_reports_it_for_ever_fails_its_task():
    """What had copies cannot have written to a shared input: such reports count as the cluster's failures."""
    world = world_of(WRITES, cluster_retries=2)
    world.fate = lambda executor, run: wire.FINISHED
    for _ in range(2000):
        if world.over:
            break
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt in list(executor.running):
                world.finish(executor, attempt, wire.BROKEN, reason="wrote", wrote_input="big.dat")
            world.sync(executor)
        world.pass_time(1.0)
    assert not world.reports[1].finished
