"""GPUs and licences in the core under random starts, ends, kills, crashes and restarts: no GPU ever has two tasks, none
is lost, and no more licences are in use than there are.

Eight GPUs of two types on two agents, and one without any; three licences. World checks after each step that no id is
with two attempts, that each attempt has as many as it asked for, and that none is given out that its executor has
reported as out. MFMESOS_GPU_STEPS chooses the number of steps (`make soak`: 100,000).
"""
from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
from world import FakeExecutor, World

from mfmesos.core import events as ev
from mfmesos.core import snapshot
from mfmesos.core.model import GPU_TYPE, Constraint, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.shared import wire
from mfmesos.shared.devices import BUSY, QUARANTINED, Device
from mfmesos.shared.resources import named

STEPS = int(os.environ.get("MFMESOS_GPU_STEPS") or 3000)
MOST_TASKS = 24
UUIDS = {"g1": [f"GPU-a{n}" for n in range(4)], "g2": [str(n) for n in range(4)]}
"""The second agent does not say."""
pytestmark = pytest.mark.timeout(120 + STEPS // 50)


def world_of_gpus(**policy: object) -> World:
    world = World(
        Policy(workdir="/w", batch_delay_s=0.0, retries=1, cluster_retries=10**6, launch_failures=10**6, avoid_s=0.5,
               claim_idle_s=2.0, executor_deaths=10**6, counters=(("licences", 3.0),), **policy),  # type: ignore[arg-type]
        {"g1": Resources(8, 8096, 20000, 4), "g2": Resources(8, 8096, 20000, 4, named({"fpgas": 2})),
         "p1": Resources(4, 4096, 20000)})
    world.first.attributes = {"g1": {GPU_TYPE: "a100", "gpu_uuids": ",".join(UUIDS["g1"])}, "g2": {GPU_TYPE: "v100"}}
    world.first.ids = {"g2": {"fpgas": ["f0", "f1"]}}
    world.register()
    return world


class Chance:
    """What happens next, by chance; every step is one event or a few."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.submitted = 0
        self.out: dict[str, set[str]] = {"g1": set(), "g2": set()}

    def step(self) -> None:
        do = self.chance.choices(
            (self.submit, self.offer, self.sync, self.end, self.time, self.kill, self.crash, self.restart, self.device,
             self.busy, self.rescind, self.reconnect),
            (12, 15, 40, 25, 10, 4, 1, 0.5, 2, 1, 1, 0.5))[0]
        do()

    def submit(self) -> None:
        if len(self.world.core.state.tasks) >= MOST_TASKS:
            return
        kind = self.chance.choice(("", "", "a100", "v100"))
        gpus = self.chance.choice((0, 1, 1, 2, 4))
        others = {name: float(self.chance.choice((1, 2))) for name in ("licences", "fpgas")
                  if self.chance.random() < 0.3}
        if "fpgas" in others and kind == "a100" and gpus:
            del others["fpgas"]  # no agent has both
        self.submitted += 1
        self.world.send(ev.TaskSubmitted(Task(
            self.submitted, "x", (), (f"o{self.submitted}",),
            Request(1, 100, 10, None, float(gpus) or None, named(others)),
            where=(Constraint(GPU_TYPE, "equals", kind),) if gpus and kind else ())))

    def offer(self) -> None:
        if not self.world.suppressed:
            self.world.offer()

    def _one(self, *, running: bool = False) -> FakeExecutor | None:
        some = [e for e in self.world.live() if e.running or not running]
        return self.chance.choice(some) if some else None

    def sync(self) -> None:
        executor = self._one()
        if executor is not None:
            executor.devices = self.devices(executor)
            self.world.sync(executor, lose_answer=self.chance.random() < 0.1)

    def devices(self, executor: FakeExecutor) -> tuple[Device, ...]:
        """Only some executors know any."""
        agent = executor.claim.agent_id
        if agent not in UUIDS or not executor.claim.resources.gpus:
            return ()
        out = self.out[agent]
        if agent == "g1":
            return tuple(Device(one, QUARANTINED if one in out else "free") for one in UUIDS[agent])
        return tuple(Device(f"GPU-b{one}", BUSY if one in out else "free", index=one) for one in UUIDS[agent])

    def end(self) -> None:
        executor = self._one(running=True)
        if executor is not None:
            attempt = self.chance.choice(sorted(executor.running))
            outcome = self.chance.choices(wire.OUTCOMES, (10, 2, 1, 1, 1))[0]
            self.world.finish(executor, attempt, outcome, reason=outcome, resource="memory")

    def time(self) -> None:
        self.world.pass_time(self.chance.choice((0.1, 0.5, 1.0, 3.0)))

    def kill(self) -> None:
        """The user cancels a task."""
        if self.world.core.state.tasks:
            self.world.send(ev.TaskWithdrawn(self.chance.choice(sorted(self.world.core.state.tasks))))

    def crash(self) -> None:
        executor = self._one()
        if executor is not None:
            self.chance.choice((self.world.die, lambda one: self.world.end(one, "TASK_LOST")))(executor)

    def restart(self) -> None:
        """The scheduler dies in the middle of what it does."""
        self.world.crash_after = self.chance.randint(0, 6)

    def device(self) -> None:
        agent = self.chance.choice(sorted(self.out))
        one = self.chance.choice(UUIDS[agent])
        if one in self.out[agent] or len(self.out[agent]) > 1:
            self.out[agent].clear()
        else:
            self.out[agent].add(one)

    def busy(self) -> None:
        """An attempt finds that another run uses its GPU."""
        executor = self._one(running=True)
        attempts = [a for a, r in executor.running.items() if r.given.get("gpus")] if executor is not None else []
        if executor is not None and attempts:
            attempt = self.chance.choice(attempts)
            given = executor.running[attempt].given["gpus"]
            self.world.finish(executor, attempt, wire.BROKEN, reason="busy", busy=given[:1])

    def rescind(self) -> None:
        if self.world.offers:
            self.world.send(ev.OfferRescinded(self.world.first.offers.popitem()[0]))

    def reconnect(self) -> None:
        self.world.disconnect()
        self.world.register()


def in_use(world: World) -> list[tuple[str, str]]:
    return sorted((e.claim.agent_id, one) for e in world.live() for run in e.running.values()
                  for one in run.given.get("gpus", ()))


def settle(world: World) -> None:
    """Nothing ends, and all goes well; a run that waited for long asks its master once a minute."""
    for _ in range(70):
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            executor.devices = tuple(replace(one, state="free") for one in executor.devices)
            world.sync(executor)
        world.pass_time(1.0)


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_no_gpu_has_two_tasks_and_none_is_lost(seed: int):
    """Whatever has happened: afterwards eight tasks run on the eight GPUs at once, and three with licences."""
    world = world_of_gpus()
    chance = Chance(world, seed)
    for _ in range(STEPS // 3):
        chance.step()
    world.crash_after = None
    world.run_to_end_of_tasks()
    assert len(world.reports) == chance.submitted
    settle(world)  # idle claims end
    first = chance.submitted + 1
    world.submit(*range(first, first + 9), cores=1, memory_mb=100, disk_mb=10, gpus=1)
    world.submit(*range(first + 9, first + 13), cores=0.1, memory_mb=10, disk_mb=10, others=named({"licences": 1}))
    settle(world)
    assert len(in_use(world)) == len(set(in_use(world))) == 8
    licensed = [a for e in world.live() for a in e.running if int(a.partition(".")[0]) >= first + 9]
    assert len(licensed) == 3
    world.send(ev.NoMoreTasks())
    world.run_to_end()


def test_gpus_of_agents_that_do_not_isolate_them_are_advisory():
    """For status; until its executor has said so, a claim's are not its own."""
    world = world_of_gpus()
    world.submit(1, 2, cores=8, memory_mb=100, disk_mb=10, gpus=4)
    world.offer()
    assert snapshot.advisory_gpus(world.core.state) == 8
    executor = world.live()[0]
    executor.devices = tuple(Device(f"GPU-{n}", own=True) for n in range(4))
    world.sync(executor)
    assert snapshot.advisory_gpus(world.core.state) == 4


def test_each_task_with_gpus_has_a_claim_for_itself():
    """Mesos keeps claims apart, not the tasks of one. A claim goes on to a task that requests exactly the same; a task
    without GPUs that must run alone takes none of them."""
    world = world_of_gpus()
    world.submit(*range(1, 6), cores=1, memory_mb=100, disk_mb=10, gpus=1)
    world.submit(6, cores=1, memory_mb=100, disk_mb=10, gpus=2)
    for _ in range(12):
        world.offer()
        for executor in world.live():
            world.sync(executor)
        assert all(len(executor.running) <= 1 for executor in world.live())
    assert sorted(e.claim.resources.gpus for e in world.live() if e.running) == [1, 1, 1, 1, 1, 2]
    world.submit(7, cores=1, memory_mb=100, disk_mb=10, gpus=1)
    single = next(e for e in world.live() if e.claim.resources.gpus == 1)
    double = next(e for e in world.live() if e.claim.resources.gpus == 2)
    for executor in (double, single):
        world.finish(executor, next(iter(executor.running)), wire.FINISHED)
        world.sync(executor)
    assert not double.running
    assert [one.partition(".")[0] for one in single.running] == ["7"]
