"""How often the waiting tasks are counted against all claims and offers."""
from __future__ import annotations

from world import World

from mfmesos.core import events as ev
from mfmesos.core import matching
from mfmesos.core.model import Resources
from mfmesos.core.policy import Policy


def full_world():
    """One task runs, and others wait although all offers were tried."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {"a1": Resources(1, 4096, 20000)})
    world.register()
    world.submit(*range(1, 6), cores=1.0, memory_mb=100.0)
    world.offer()
    for _ in range(3):
        for executor in world.live():
            world.sync(executor)
        world.pass_time(1.0)
    return world


def test_a_timer_that_is_due_looks_at_everything_only_now_and_then(monkeypatch):
    """A Tick a moment after such a look leaves it out; one after LOOK_AGAIN_S and some ms does it again."""
    looks = []
    counted = matching._unmet
    world = full_world()
    monkeypatch.setattr(matching, "_unmet", lambda state: looks.append(state.now) or counted(state))
    world.pass_time(2 * matching.LOOK_AGAIN_S)
    first = len(looks)
    assert first
    for _ in range(5):
        world.pass_time(0.001)
    assert len(looks) == first
    world.pass_time(2 * matching.LOOK_AGAIN_S)
    assert len(looks) > first


def test_what_could_help_is_used_at_once():
    """An offer a moment after a look opens a claim."""
    world = full_world()
    claims = len(world.executors)
    world.agents["a2"], world.used["a2"] = Resources(1, 4096, 20000), Resources()
    world.now += 0.001
    world.send(ev.Tick())
    world.offer()
    assert len(world.executors) == claims + 1


def test_requested_tasks_of_several_contexts_have_one_shape():
    """What came before a task does not matter if nothing but its run time is estimated; it does otherwise."""
    world = World(Policy(workdir="/w", estimates="fill"))
    for number in range(1, 7):
        world.submit(number, cores=1.0, memory_mb=100.0, disk_mb=10.0)
        world.submit(10 + number, cores=1.0)
    kinds = {shape.kind.context for shape, _, _ in world.core.state.queue.shapes() if shape.disk_mb == 10.0}
    assert kinds == {""}
    assert all(shape.kind.context == "" or shape.disk_mb is None
               for shape, _, _ in world.core.state.queue.shapes())
