"""One simulation: a cluster, runs of ours and other frameworks, from the first task to the last."""
from __future__ import annotations

import random
import time as real_time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Callable

from mfmesos.allocation.allocator import INTERVAL_S
from mfmesos.core.model import Resources
from mfmesos.core.needs import Needs
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.simulate.cluster_model import Cluster
from mfmesos.simulate.fairness import Claimed, Fairness
from mfmesos.simulate.measuring import Level, RunMeasures
from mfmesos.simulate.own_framework import WINDOW, OwnFramework
from mfmesos.simulate.rival_framework import RivalFramework
from mfmesos.simulate.simulated_master import SimMaster, resources_of
from mfmesos.simulate.virtual_time import VirtualTime
from mfmesos.simulate.workload_model import Workload

UNTIL_S = 30 * 86400.0
MOST_SAMPLES = 600
DEFAULT = Policy()


@dataclass
class Sample:
    """The cluster at one moment."""

    at_s: float
    waiting: int
    running: int
    claims: int
    cores: float
    held_cores: float
    memory_mb: float


class Simulation:
    """Everything of it follows from the arguments: the same seed gives the same results."""

    def __init__(
            self, clusters: Cluster | Sequence[Cluster], workloads: Sequence[Workload], policy: Policy = DEFAULT,
            seed: int = 1, until_s: float = UNTIL_S, window: int = WINDOW,
            needs: Callable[[Policy], Needs] = needs_for) -> None:
        """Each run uses all `clusters`."""
        self.clusters = (clusters,) if isinstance(clusters, Cluster) else tuple(clusters)
        self.seed, self.until_s = seed, until_s
        self.time, self.level = VirtualTime(), Level()
        several = len(self.clusters) > 1
        self.masters = [
            SimMaster(cluster, self.time, random.Random(f"master {seed}" + (f" {number}" if number > 1 else "")),
                      f"{number} {cluster.name}" if several else "")
            for number, cluster in enumerate(self.clusters, 1)]
        self.runs = []
        for number, workload in enumerate(workloads):
            own = replace(policy, run_id=f"r{number}", nonce=f"n{number}")
            self.runs.append(OwnFramework(workload, own, needs(own), list(zip(self.clusters, self.masters)), self.time,
                                          RunMeasures(self.level), window))
        self.rivals = [RivalFramework(rival, master, cluster.costs, self.time)
                       for cluster, master in zip(self.clusters, self.masters) for rival in cluster.rivals]
        self.samples: list[Sample] = []
        self._stride = self._turn = 0
        self.fairness = Fairness(len(self.runs) + len(self.rivals))
        """Of the runs, then of the rivals."""
        self.offered_s = self.free_waiting_s = 0.0
        """Core-seconds in offers; and free and not offered while tasks waited."""
        self.real_s = 0.0
        self.done = False

    def total(self) -> Resources:
        """Of all clusters."""
        return sum((cluster.total() for cluster in self.clusters), Resources())

    def run(self) -> None:
        """To the end of every run and of all rivals with an end; or to `until_s`, then `done` is false."""
        began = real_time.perf_counter()
        self.time.every(INTERVAL_S, self._sample)
        self.done = self.time.run(self._is_over, self.until_s)
        self.level.advance(self.time.now)
        self.real_s = real_time.perf_counter() - began

    def _is_over(self) -> bool:
        return all(run.over for run in self.runs) and all(r.over for r in self.rivals if r.rival.tasks)

    # --- once per interval -----------------------------------------------------------------------
    def _sample(self) -> None:
        if self._turn % (self._stride + 1) == 0:
            level = self.level
            self.samples.append(Sample(
                self.time.now, level.waiting, level.running, sum(r.measures.open_claims for r in self.runs),
                level.cores, level.held_cores, level.memory_mb))
            if len(self.samples) > MOST_SAMPLES:
                self.samples = self.samples[1::2]
                self._stride = 2 * self._stride + 1
        self._turn += 1
        for master in self.masters:
            if master.offers:
                self.offered_s += sum(o.amounts.get("cpus") for o in master.offers.values()) * INTERVAL_S
            if len(master.frameworks) > 1:
                self._look_at_shares(master)

    def _look_at_shares(self, master: SimMaster) -> None:
        """Of several clusters the mean counts."""
        total = resources_of(master.everything)
        claims = [*(self._claimed(total, r.measures.waiting_need, r.links[master.name].holds(), r.over,
                                  master.weight(r.role)) for r in self.runs),
                  *(self._rival_claimed(total, r) if r.master is master else Claimed((0.0, 0.0), (0.0, 0.0))
                    for r in self.rivals)]
        self.fairness.look(claims, self.time.now, INTERVAL_S / len(self.masters))

    def _claimed(
            self, total: Resources, waiting: Resources, held: Resources, over: bool, weight: float) -> Claimed:
        holds = _parts(held, total)
        demand = _parts(waiting + held, total) if not over else holds
        return Claimed(demand if waiting.cores > 1e-6 or held.cores > 1e-6 else (0.0, 0.0), holds, weight)

    def _rival_claimed(self, total: Resources, rival: RivalFramework) -> Claimed:
        each, held = rival.rival.size, resources_of(rival.holds())
        left = min(rival.left, total.cores / max(each.cores, 1e-3)) if rival.began else 0.0
        return self._claimed(total, each * left, held, rival.over, rival.master.weight(rival.rival.role))


def _parts(amount: Resources, total: Resources) -> tuple[float, float]:
    return amount.cores / (total.cores or 1.0), amount.memory_mb / (total.memory_mb or 1.0)
