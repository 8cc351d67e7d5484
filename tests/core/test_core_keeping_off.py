"""Tasks without GPUs keep off agents with GPUs while others have room.

Simulated workloads: GPU tasks and others come and end by chance on agents with and without GPUs. No task without GPUs
starts beside GPUs while, as far as the run knows, it has room elsewhere: so no GPU task ever waits for its cores.
MFMESOS_GPU_WORKLOADS chooses how many (`make soak`: 1,000).
"""
from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.claim_table import Claim
from mfmesos.core.holding import is_held
from mfmesos.core.keeping_off import HOLDS_S, KEEPS_S
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.records import TaskRecord
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.core.waiting import Binding, why_waiting

WORKLOADS = int(os.environ.get("MFMESOS_GPU_WORKLOADS") or 10)
pytestmark = pytest.mark.timeout(120 + 2 * WORKLOADS)
PLAIN, WITH_GPUS = Resources(4, 4096, 20000), Resources(4, 4096, 20000, 2)
STEP_S = 0.5


class Watched(World):
    """Looks at each task that starts beside GPUs."""

    def send(self, *batch: ev.Event) -> list:
        out = super().send(*batch)
        for record in list(self.core.state.tasks.values()):
            key = (record.task.id, record.attempts)
            if record.state is TaskState.ASSIGNED and key not in self.seen:
                self.seen.add(key)
                if not record.task.request.gpus and record.agent_id.agent.startswith("g"):
                    self.beside += 1
                    assert not any(self.room_elsewhere(record)), f"task {record.task.id} starts beside GPUs"
        return out

    def room_elsewhere(self, record: TaskRecord) -> Iterator[object]:
        state, policy = self.core.state, self.core.state.policy
        for claim in state.claims.each_in(ClaimState.OPEN):
            if claim.agent_id.agent.startswith("p") and record.allocation.fits_in(claim.free) and not is_held(
                    state, claim):
                yield claim
        for agent in state.clusters[""].offering.values():
            if agent.id.agent.startswith("p") and (
                    record.allocation + Resources(memory_mb=policy.executor_memory_mb)).fits_in(agent.offered()):
                yield agent


def watched(agents: dict[str, Resources], **policy: object) -> Watched:
    world = Watched(Policy(workdir="/w", batch_delay_s=0.0, **policy), agents)  # type: ignore[arg-type]
    world.seen, world.beside = set(), 0
    world.register()
    world.list_agents()
    return world


def task(number: int, *, gpus: float | None = None, cores: float = 1.0) -> ev.TaskSubmitted:
    return ev.TaskSubmitted(Task(number, f"cmd {number}", (), (f"o{number}",), Request(cores, 200, 10, None, gpus)))


def step(world: World) -> None:
    if not world.suppressed:
        world.offer()
    for executor in world.live():
        world.sync(executor)
    world.pass_time(STEP_S)


def live(world: World, chance: random.Random, steps: int) -> None:
    """Tasks come, run for 1 to 10 s, and end."""
    ends: dict[str, float] = {}
    number = 0
    for _ in range(steps):
        for _ in range(chance.choice((0, 0, 1, 2, 6))):
            number += 1
            gpus = chance.choice((None, None, 1.0, 2.0))
            world.send(task(number, gpus=gpus, cores=chance.choice((1.0, 1.0, 2.0))))
        step(world)
        for executor in world.live():
            for attempt in list(executor.running):
                if ends.setdefault(attempt, world.now + chance.uniform(1, 10)) <= world.now:
                    world.finish(executor, attempt)


def test_none_starts_beside_gpus_while_there_is_room_elsewhere():
    """In none of these workloads; and where there is none, they do not stay away: some do start there."""
    beside = 0
    for seed in range(WORKLOADS):
        chance = random.Random(seed)
        agents = {f"p{n}": PLAIN for n in range(chance.randint(1, 3))}
        agents.update({f"g{n}": WITH_GPUS for n in range(chance.randint(1, 2))})
        world = watched(agents, placement=chance.choice(("first", "first", "pack", "spread")))
        live(world, chance, 60)
        beside += world.beside
    assert beside


def places(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for executor in world.live():
        found[executor.claim.agent_id] = found.get(executor.claim.agent_id, 0) + len(executor.running)
    return found


@pytest.mark.parametrize("order", [("g1", "p1"), ("p1", "g1")])
def test_they_go_elsewhere_first_and_beside_gpus_then(order: tuple[str, ...]):
    """Whichever agent offers first: what fits elsewhere starts there, the rest a moment later beside GPUs."""
    world = watched({name: WITH_GPUS if name == "g1" else PLAIN for name in order})
    world.send(*(task(number) for number in range(1, 7)))
    step(world)
    step(world)
    assert places(world) == {"p1": 4}
    for _ in range(int((KEEPS_S + HOLDS_S + 2) / STEP_S)):
        step(world)
    assert places(world) == {"p1": 4, "g1": 2}


def test_alone_with_gpus_they_start_at_once():
    """Where no other agent could hold them, nobody waits."""
    world = watched({"g1": WITH_GPUS, "p1": Resources(0.5, 4096, 20000)})
    world.send(*(task(number) for number in range(1, 4)))
    step(world)
    step(world)
    assert places(world) == {"g1": 3}


def test_why_says_that_it_keeps_off():
    """While a claim with GPUs has room."""
    world = watched({"g1": WITH_GPUS, "p1": Resources(2, 4096, 20000)})
    world.send(task(1, gpus=1.0), task(2, cores=2.0))
    step(world)
    step(world)
    claim: Claim = next(c for c in world.core.state.claims.values() if c.agent_id.agent == "g1")
    claim.free = claim.free + Resources(2, 1000, 1000)
    claim.resources = claim.resources + Resources(2, 1000, 1000)
    world.send(task(3))
    waiting = why_waiting(world.core.state, 3)
    assert waiting is not None
    assert waiting.binding is Binding.GPUS
