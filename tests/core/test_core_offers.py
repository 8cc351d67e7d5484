"""What a run does with offers: it uses them or declines them at once, and wants none while it has nothing to run."""
from __future__ import annotations

from world import World, oldest_s

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy


def listed(agents, **policy):
    """A run that knows its agents, so that no offer looks like a part of something larger."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", **policy), agents)
    world.register()
    world.list_agents()
    return world


def test_an_unusable_offer_is_declined_at_once():
    """Of two agents one is too small for every task: its offer is answered in the same moment as the other."""
    world = listed({"large": Resources(4, 4096, 20000), "small": Resources(1, 4096, 20000)})
    world.submit(1, cores=2, memory_mb=64, disk_mb=5)
    world.offer()
    use = world.core.state.clusters[""].offer_use
    assert (use.count, use.used, use.longest_s) == (2, 1, 0.0)
    assert sum(isinstance(a, act.DeclineOffers) for a in world.actions) == 1


def test_an_offer_of_an_unknown_agent_is_kept_for_a_second():
    """The master does not say what the agent has: a part of it may be all, and is declined after list_wait_s."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {"a1": Resources(0.5, 200, 20000)})
    world.first.lists = False
    world.register()
    world.submit(1, cores=2, memory_mb=64, disk_mb=5)
    world.offer()
    use = world.core.state.clusters[""].offer_use
    assert oldest_s(use, world.now + 1.0) == 1.0
    world.pass_time(1.0)
    assert oldest_s(use, world.now) == 0.0
    assert use.longest_s == 1.0
    assert use.idle_core_s == 0.5


def test_suppressed_as_soon_as_nothing_waits():
    """In the moment in which the last waiting task has found its claim, while all of them run."""
    world = listed({"a1": Resources(4, 4096, 20000)})
    world.submit(1, 2, cores=1, memory_mb=64, disk_mb=5)
    assert not world.suppressed
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    assert len(executor.running) == 2
    assert world.suppressed


def test_a_task_that_comes_with_the_master():
    """Disconnected while suppressed, which SUBSCRIBE repeats; the first task comes in the same moment as the master: it
    asks for offers."""
    world = listed({"a1": Resources(4, 4096, 20000)})
    assert world.suppressed
    world.disconnect()
    world.masters[""].disconnected = False
    task = Task(1, "cmd", (), ("o",), Request(cores=1, memory_mb=64, disk_mb=5))
    world.send(ev.Registered("f-", "m"), ev.TaskSubmitted(task))
    world.pass_time(1.0)
    assert not world.suppressed
    world.offer()
    assert len(world.live()) == 1


def test_the_end_says_what_became_of_offers():
    """With --verbose: how many there were, how long they were kept, and what was idle meanwhile."""
    world = listed({"a1": Resources(4, 4096, 20000)})
    world.submit(1, cores=1, memory_mb=64, disk_mb=5)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    (text,) = (note.text for note in world.notes if "offers" in note.text)
    assert text.startswith("1 offers, 1 of them used, kept for 0 ms on average and 0 ms at most, 0.0 core-seconds idle")
