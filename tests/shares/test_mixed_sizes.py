"""Two managers with tasks of mixed sizes on a small cluster, second by second: who gets which share, and what idles."""
from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

import pytest

from mfmesos.core.model import Resources
from mfmesos.shares.desk import Pool
from mfmesos.shares.pool_values import ManagerStatus, PoolWorker, ProjectSettings

OVERHEAD = Resources(0, 160, 64)
AGENT = Resources(8, 16000, 80000)
"""The largest worker on each agent."""
AGENTS = 4
SETTINGS = {"heavy": ProjectSettings(weight=3), "light": ProjectSettings(weight=1)}


@dataclass
class Slot:
    """A worker: the cores and the end of each of its running tasks; `agent` is None while no agent has room for it."""

    worker: PoolWorker
    agent: int | None = None
    tasks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def project(self) -> str:
        return self.worker.manager.partition(" ")[0]

    @property
    def used(self) -> int:
        return sum(cores for cores, _ in self.tasks)


class Simulated:
    """Managers that report totals only, as TaskVine's do, and give each worker the first tasks that fit."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.waiting = {name: [(chance.choice([1, 1, 1, 2, 4]), chance.randint(3, 20)) for _ in range(1500)]
                        for name in SETTINGS}
        self.pool = Pool()
        self.slots: list[Slot] = []
        self.free = [AGENT + OVERHEAD] * AGENTS
        self.made = 0

    def second(self, now: int) -> None:
        for slot in self.slots:
            slot.tasks = [one for one in slot.tasks if one[1] > now]
            self._place(slot)
            if slot.agent is not None:
                self._give(slot, now)
            idle = None if slot.tasks else slot.worker.idle_since if slot.worker.idle_since is not None else now
            slot.worker = replace(slot.worker, idle_since=idle, placed=slot.agent is not None,
                                  connected=slot.agent is not None, leaves=True)
        self._decide(now)

    def _place(self, slot: Slot) -> None:
        taken = slot.worker.size + OVERHEAD
        for agent, free in enumerate(self.free):
            if slot.agent is None and taken.fits_in(free):
                slot.agent, self.free[agent] = agent, free - taken

    def _give(self, slot: Slot, now: int) -> None:
        left = []
        for cores, seconds in self.waiting[slot.project]:
            if cores <= slot.worker.size.cores - slot.used:
                slot.tasks.append((cores, now + seconds))
            else:
                left.append((cores, seconds))
        self.waiting[slot.project] = left

    def _decide(self, now: int) -> None:
        made = self.pool.decide([self._status(name) for name in SETTINGS], SETTINGS, [s.worker for s in self.slots],
                                AGENT, now, cluster_cores=AGENT.cores * AGENTS, overhead=OVERHEAD)
        drained = {drain.worker_id for drain in made.drains}
        for slot in [slot for slot in self.slots if slot.worker.id in drained]:
            self.slots.remove(slot)
            self.waiting[slot.project] += [(cores, end - now) for cores, end in slot.tasks]
            if slot.agent is not None:
                self.free[slot.agent] += slot.worker.size + OVERHEAD
        for start in made.starts:
            for _ in range(start.count):
                self.made += 1
                self.slots.append(Slot(PoolWorker(f"w{self.made}", start.manager.key, start.size, now, now)))

    def _status(self, name: str) -> ManagerStatus:
        waiting = self.waiting[name]
        cores = sum(each for each, _ in waiting)
        mine = [slot for slot in self.slots if slot.project == name]
        return ManagerStatus(
            name, "h", 9123, len(waiting), sum(len(slot.tasks) for slot in mine),
            Resources(cores + sum(slot.used for slot in mine)), Resources(math.ceil(cores / max(len(waiting), 1))))


@pytest.mark.once
@pytest.mark.parametrize("seed", range(4))
def test_shares_and_idle_cores(seed: int) -> None:
    """Weights 3:1, tasks of 1, 2 and 4 cores: the shares are within 10 %, and at most 2 % of the cores idle."""
    world = Simulated(seed)
    used = dict.fromkeys(SETTINGS, 0)
    seconds = 0
    for now in range(400):
        world.second(now)
        if now >= 60:
            seconds += 1
            for slot in world.slots:
                used[slot.project] += slot.used
    assert all(world.waiting.values()), "both have work to the end"
    assert used["heavy"] / used["light"] == pytest.approx(3, rel=0.1)
    assert sum(used.values()) >= 0.98 * AGENT.cores * AGENTS * seconds
