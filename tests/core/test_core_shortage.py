"""Nobody waits without knowing why: nothing is offered, or an executor is not heard from. The core in its world."""
from __future__ import annotations

from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import Holder, Resources
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

WHOLE = Resources(4, 3000, 20000)


def waiting(*holders: Holder, left: Resources = Resources()) -> World:
    """Tasks wait on an agent that others hold, all but `left`."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": WHOLE})
    world.used["a1"] = WHOLE - left
    world.holders = holders
    world.register()
    world.submit(*range(1, 9))
    return world


def pass_time(world: World, seconds: float) -> None:
    """In ticks, with whatever the master offers."""
    for _ in range(int(seconds * 2)):
        if not world.suppressed:
            world.offer()
        world.pass_time(0.5)


def texts(world: World) -> list[str]:
    return [n.text for n in world.notes if n.level == "warning"]


def test_who_holds_the_agents_is_said_within_5_s_and_when_that_changes():
    """By name, with amounts; a run that has died is shown as such; nothing is repeated while it stays so."""
    alive = Holder("f1", "spark", Resources(1, 900))
    world = waiting(alive, Holder("f2", "mfmesos a", Resources(3, 2000), active=False), left=Resources(0, 100, 9))
    pass_time(world, 5)
    (line,) = texts(world)
    assert "8 tasks wait: the cluster offers nothing large enough" in line
    assert "of its 4 cores and 3,000 MB memory, mfmesos a (its scheduler has died or is cut off" in line
    assert "spark holds 1 core and 900 MB memory" in line
    pass_time(world, 60)
    assert len(texts(world)) == 1
    world.holders = (alive,)
    pass_time(world, 6)
    assert len(texts(world)) == 2
    assert "others hold 3 cores" in texts(world)[1]


def test_a_master_that_lists_nothing_is_no_reason_for_silence():
    """Without the rights to see agents and frameworks the user still hears of it."""
    world = waiting()
    world.lists = False
    pass_time(world, 5)
    assert "does not show who holds its agents" in texts(world)[0]
    assert len(texts(world)) == 1


def test_no_agent_at_all():
    """The cluster is empty, or every agent is away."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {})
    world.agents.clear()
    world.register()
    world.submit(1)
    pass_time(world, 5)
    assert "the cluster has no active agent" in texts(world)[0]


def test_room_that_is_not_offered_is_said():
    """Nobody holds anything, yet nothing comes: the role's quota, say."""
    world = waiting(left=WHOLE)
    for _ in range(10):
        world.pass_time(0.5)
    assert "agent a1 has room, but the master does not offer it" in texts(world)[0]


def test_agents_with_gpus_are_kept_from_runs_without():
    """Mesos does not offer them: that is why nothing comes, and the line says so."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, gpus=False), {"a1": Resources(4, 3000, 20000, 1)})
    world.register()
    world.submit(1)
    for _ in range(10):
        world.pass_time(0.5)
    assert "Mesos offers such agents only to runs with tasks that request GPUs" in texts(world)[0]


def test_nothing_is_said_while_tasks_run():
    """Some run, others wait for their end: that is as it should be."""
    world = waiting(left=Resources(1, 2000, 5000))
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    assert executor.running
    for _ in range(40):
        world.sync(executor)
        world.pass_time(0.5)
    assert not texts(world)


def test_a_stopped_executor_is_reported_within_30_s_and_when_it_is_back():
    """SIGSTOP, a network that is cut: its tasks are not heard of."""
    world = waiting(left=WHOLE)
    world.offer()
    (executor,) = world.live()
    for _ in range(40):
        world.sync(executor)
        world.pass_time(1)
    assert not texts(world)
    for _ in range(29):
        world.pass_time(1)
    (line,) = texts(world)
    assert "the executor on a1, where 4 tasks run, has not been heard from for 2" in line
    world.sync(executor)
    assert texts(world)[1:] == ["the executor on a1 answers again"]
    for attempt in list(executor.running):
        world.finish(executor, attempt, wire.FINISHED)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_an_executor_that_does_not_start_is_reported():
    """It was launched, and nothing is heard of it."""
    world = waiting(left=WHOLE)
    world.offer()
    for _ in range(30):
        world.pass_time(1)
    assert "the executor on a1 was launched 2" in texts(world)[0]


def test_who_does_not_list_its_agents_leaves_no_task_waiting_in_silence():
    """A task is larger than all that was ever offered, and the master does not list its agents: perhaps there is a
    larger one, so it waits, and the user reads why."""
    world = World()
    world.lists = False
    world.submit(1, gpus=1)
    world.register()
    for _ in range(100):
        world.offer()
        world.pass_time(0.1)
    assert 1 not in world.reports
    assert sum("1 task waits: the cluster has offered nothing large enough" in n.text for n in world.notes) == 1
    world.lists = True
    world.pass_time(60)
    world.pass_time(6)
    assert "request less" in world.reports[1].reason


def test_an_agent_where_the_tasks_have_failed_is_not_said_to_be_withheld():
    """One agent has failed the task and has room, and another one, where nothing has failed, is taken: for a minute the
    task waits for that, and the line says so."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": WHOLE, "a2": WHOLE})
    world.register()
    world.submit(1)
    world.offer()
    (executor,) = world.live()
    here, other = executor.claim.agent_id, "a2" if executor.claim.agent_id == "a1" else "a1"
    world.used[other] = WHOLE
    world.holders = (Holder("f-2", "spark", WHOLE),)
    world.sync(executor)
    world.finish(executor, "1.1", wire.BROKEN, reason="no fork")
    world.sync(executor)
    pass_time(world, 15)
    lines = [n.text for n in world.notes if "the cluster offers nothing large enough" in n.text]
    assert lines
    text = f"agent {here} has room, but these tasks failed there and wait for another agent for up to 60 s"
    assert all(line.endswith(text) for line in lines)
    pass_time(world, 60)
    assert world.live()
