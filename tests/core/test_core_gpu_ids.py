"""Which GPUs a claim gets, where that is not clear."""
from __future__ import annotations

from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import GPU_TYPE, Constraint, Request, Resources, SavedClaim, SavedTask, Task
from mfmesos.core.policy import Policy
from mfmesos.shared.devices import FAULTY, Device
from mfmesos.shared.resources import named

AGENT = {"g1": Resources(8, 8096, 20000, 4)}


def world_of(**policy: object) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, **policy), AGENT)  # type: ignore[arg-type]
    world.register()
    return world


def step(world: World) -> list[list[str]]:
    """The GPUs of each task that runs, in the order of the claims."""
    for _ in range(4):  # an offer is answered with one claim
        world.offer()
        for executor in world.live():
            world.sync(executor)
            world.sync(executor)
    return [run.given.get("gpus", []) for e in world.live() for run in e.running.values()]


def test_claims_of_the_version_before_keep_their_gpus():
    """It gave out no ids: such a claim has the first numbers, its attempt one of them, and others get the rest."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), AGENT)
    old = Task(1, "x", (), ("o1",), Request(1, 100, 10, None, 1))
    world.send(ev.Restored(
        (SavedTask(old, (), 1, "", 1, "old-1", Resources(1, 100, 10, 1), stem="1"),),
        (SavedClaim("old-1", "g1", "g1", Resources(1, 200, 20, 2)),)))
    claim = world.core.state.claims["old-1"]
    assert (claim.ids.of("gpus"), claim.ids.free("gpus"), claim.free.gpus) == (["0", "1"], ["1"], 1.0)
    world.used["g1"] = Resources(1, 296, 20, 2)
    world.register()
    world.submit(2, 3, cores=1, memory_mb=100, disk_mb=10, gpus=1)
    assert step(world) == [["2"], ["3"]]


def test_those_of_a_claim_that_was_given_up_come_last():
    """Its executor was silent for long, and may still run."""
    world = world_of(silence_lost_s=100.0)
    world.submit(1, 2, cores=1, memory_mb=100, disk_mb=10, gpus=1)
    assert step(world) == [["0"], ["1"]]
    for _ in range(12):
        world.pass_time(10.0)
    assert not world.core.state.claims.get("run-1")
    silent = set(world.executors)
    for _ in range(20):
        world.offer()
        for executor in world.live():
            if executor.claim.claim_id not in silent:
                world.sync(executor)
        world.pass_time(5.0)
    again = [run.given["gpus"] for e in world.live() if e.claim.claim_id not in silent for run in e.running.values()]
    assert sorted(again) == [["2"], ["3"]]


def test_a_gpu_with_errors_is_not_given_out_again():
    """Not by claims that come later, either, and however many wait."""
    world = world_of()
    world.submit(*range(1, 7), cores=1, memory_mb=100, disk_mb=10, gpus=1)
    world.offer()
    (executor,) = world.live()
    executor.devices = tuple(Device(f"GPU-{n}", FAULTY if n == 1 else "free", "ECC", str(n)) for n in range(4))
    assert sorted(step(world)) == [["GPU-0"], ["GPU-2"], ["GPU-3"]]
    assert any("GPU-1 on agent g1" in note.text and "ECC" in note.text for note in world.notes)
    for one in world.live():
        for attempt in list(one.running):
            world.finish(one, attempt)
        world.sync(one)
    for one in world.live():
        world.end(one, "TASK_LOST")
    world.pass_time(61.0)
    assert all("GPU-1" not in given for given in step(world))


def test_what_the_settings_say_of_a_category():
    """Tasks that do not request it themselves get it; a type is a constraint, a counter is one of the run."""
    world = world_of(by_category=(("cmd", 2.0, "a100", named({"licences": 1.0})),), counters=(("licences", 3.0),))
    world.submit(1)
    world.submit(2, gpus=1.0, others=named({"licences": 2.0}))
    first, second = (world.core.state.tasks[n].shape() for n in (1, 2))
    assert (first.gpus, first.others) == (2.0, ())
    assert first.where == (Constraint(GPU_TYPE, "equals", "a100"), Constraint("licences", "counts", "1"))
    assert (second.gpus, second.where) == (1.0, (Constraint("licences", "counts", "2"),))
    assert world.core.state.tasks[1].task.request == Request()


def test_more_of_a_counter_than_there_is():
    """The task fails at once, with what there is."""
    world = world_of(counters=(("licences", 3.0),))
    world.submit(1, others=named({"licences": 4.0}))
    assert "it needs 4 licences, and the run has 3" in world.reports[1].reason
