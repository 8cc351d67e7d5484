"""Shared folders in the simulated world: agents that lack one are not blamed, and nobody waits for ever."""
from __future__ import annotations

from dataclasses import replace

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

DIR = "/nfs"
TWO = {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)}


def task(number: int, **more: object) -> Task:
    asked = Request(0.5, 50, 20)
    return Task(number, f"cmd {number}", ("in",), (f"o{number}",), asked, shared=(DIR,), **more)  # type: ignore[arg-type]


def world_of(*tasks: Task, agents: dict[str, Resources] | None = None, **settings: object) -> World:
    world = World(Policy(workdir="/nfs/w", batch_delay_s=0.0, **settings), agents or TWO)  # type: ignore[arg-type]
    world.send(ev.SharedFolders({DIR: ".mfmesos-shared-x"}))
    for one in tasks:
        world.send(ev.TaskSubmitted(one))
    world.send(ev.NoMoreTasks())
    world.register()
    return world


def play(world: World, without: set[str], seconds: float = 200.0, plain: frozenset[int] = frozenset(),
         ) -> dict[str, int]:
    """The agents of these names lack the folder, which the tasks with the numbers `plain` do not use; returns the
    number of attempts by agent."""
    tried: dict[str, int] = {}
    until = world.now + seconds
    while not world.over and world.now < until:
        world.offer()
        for executor in world.live():
            world.sync(executor)
            for attempt in list(executor.running):
                tried[executor.claim.agent_id] = tried.get(executor.claim.agent_id, 0) + 1
                if executor.claim.agent_id in without and int(attempt.split(".")[0]) not in plain:
                    world.finish(executor, attempt, wire.BROKEN, reason="it lacks /nfs", lacks=DIR)
                else:
                    world.finish(executor, attempt)
            world.sync(executor)
        world.place_all()
        world.pass_time(1.0)
    return tried


def test_an_agent_without_the_folder_is_not_blamed():
    """Its attempts run again at the other agent, uncharged; it is noted once, and never avoided."""
    world = world_of(*(task(i) for i in range(1, 21)))
    tried = play(world, {"a1"})
    assert all(r.finished for r in world.reports.values())
    assert len(world.reports) == 20
    assert tried["a2"] == 20
    assert tried.get("a1", 0) <= 8  # what it had received before the first was known
    noted = [n.text for n in world.notes if "does not have the shared folder" in n.text]
    assert len(noted) == 1
    agent = world.core.state.clusters[""].agents["a1"]
    assert (agent.failures, agent.avoided) == (0, 0)
    assert not any("avoided" in n.text for n in world.notes)


def test_no_agent_has_it():
    """After a while, with a list of agents newer than the last try, each task fails with the names."""
    world = world_of(*(task(i) for i in range(1, 6)))
    play(world, {"a1", "a2"})
    assert world.over
    assert len(world.reports) == 5
    for report in world.reports.values():
        assert not report.finished
        assert report.reason.startswith("no agent has the shared folder /nfs (")
    assert world.now < 60


def test_other_tasks_run_there():
    """An agent without the folder still runs what does not use it."""
    plain = [replace(task(i), shared=()) for i in range(10, 14)]
    world = world_of(task(1), *plain, agents={"a1": TWO["a1"]})
    play(world, {"a1"}, plain=frozenset(range(10, 14)))
    assert {i for i, r in world.reports.items() if r.finished} == {10, 11, 12, 13}
    assert "no agent has" in world.reports[1].reason


def test_a_folder_that_is_mounted_later():
    """An agent is tried again after ten minutes; the task meanwhile runs where another agent appears."""
    world = world_of(task(1), agents={"a1": TWO["a1"]}, unsatisfiable_s=1e9)
    assert play(world, {"a1"}, 100.0) == {"a1": 1}
    tried = play(world, set(), 700.0)
    assert tried == {"a1": 1}
    assert world.reports[1].finished


@pytest.mark.parametrize("lacks", ["/other", ""])
def test_a_folder_that_is_none_of_the_tasks(lacks: str):
    """A report about it counts as any broken attempt."""
    world = world_of(task(1), agents={"a1": TWO["a1"]})
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    (attempt,) = list(executor.running)
    world.finish(executor, attempt, wire.BROKEN, reason="x", lacks=lacks)
    world.sync(executor)
    assert world.core.state.clusters[""].agents["a1"].lacks == {}
    assert world.core.state.clusters[""].agents["a1"].failures == 1


def test_what_the_executor_gets():
    """The marker, the stem for outputs in a shared workflow's folder, and which outputs the command writes itself."""
    inputs = (StagedInput("in", "d" * 64, 5, 0o644, tag="5 1", in_place="/nfs/w/in"),)
    world = World(Policy(workdir="/nfs/w", batch_delay_s=0.0), TWO)
    world.send(ev.SharedFolders({DIR: "m"}))
    one = replace(task(1), outputs=("o", "/nfs/res/x"))
    world.send(ev.TaskSubmitted(one, inputs))
    world.register()
    world.offer()
    executor = next(iter(world.live()))
    world.sync(executor)
    (run,) = executor.running.values()
    assert (run.shared, run.stay) == ({DIR: "m"}, ["/nfs/res/x"])
    assert run.place == f"/nfs/w/.mfmesos/incoming/{run.attempt}-0"
    assert run.inputs[0].in_place == "/nfs/w/in"
    assert world.core.state.tasks[1].kind.input_mb == 0.0


def test_a_folder_beside_the_workflow():
    """Outputs of a workflow elsewhere are sent as ever."""
    world = World(Policy(workdir="/home/w", batch_delay_s=0.0), TWO)
    world.send(ev.SharedFolders({DIR: "m"}))
    world.send(ev.TaskSubmitted(replace(task(1), outputs=("o", "/nfs/res/x"))))
    world.register()
    world.offer()
    executor = next(iter(world.live()))
    world.sync(executor)
    (run,) = executor.running.values()
    assert (run.place, run.stay) == ("", ["/nfs/res/x"])
