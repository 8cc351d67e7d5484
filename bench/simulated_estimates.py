"""Estimates end to end: simulated runs of six kinds of workflow with our estimates of memory and with other policies.

    python3 bench/simulated_estimates.py [--seeds N]        (part of make bench-simulate)

The workflows are those of the estimator's tests: 8 categories of 20 to 60 tasks that declare their largest peak, on 4
agents of 16 cores with 1 GB each, so that memory is scarce. GB-hours are allocated to attempts, failed ones included.
Two limits are printed besides. "law known" gives what was declared until a task of the category has ended, then what 98
of 100 tasks need by the law, the trend and the input size: all that can be known before a task runs.
"peak known" gives each task its peak, from the first one on.
"""
from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "estimates"))

import families

from mfmesos.core.model import Request, Resources
from mfmesos.core.needs import Need, Needs
from mfmesos.core.policy import Policy
from mfmesos.core.records import Kind, Shape
from mfmesos.estimates.baselines import Declared, MaxSeen, PonderLike
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.simulate import results
from mfmesos.simulate.baseline_needs import BaselineNeeds
from mfmesos.simulate.cluster_model import AgentGroup, Cluster
from mfmesos.simulate.simulation import Simulation
from mfmesos.simulate.workload_model import SimTask, Workload

KINDS = ("normal", "lognormal", "bimodal", "linear", "rising", "falling")
POLICIES: dict[str, Callable[[Policy], Needs]] = {
    "mfmesos": needs_for, "max seen x 1.1": lambda p: BaselineNeeds(p, MaxSeen(1.1)),
    "Ponder-like": lambda p: BaselineNeeds(p, PonderLike()), "declared": lambda p: BaselineNeeds(p, Declared())}
CLUSTER = Cluster("scarce memory", (AgentGroup(4, Resources(16, 16384, 200_000)),))


Scene = tuple[Workload, Callable[[Policy], Needs]]
HELD, DRAWN = 0.98, 2000
"""The part of the tasks that "law known" holds, by that many drawn peaks."""


class Known(BaselineNeeds):
    """Knows what each task is to be given, by the disk that it requests, once a task of its category has ended; or from
    the start.
    """

    def __init__(self, policy: Policy, amounts: dict[float, float], from_the_start: bool) -> None:
        super().__init__(policy, Declared())
        self._amounts, self._all = amounts, from_the_start

    def _estimate(self, shape: Shape, kind: Kind) -> Need:
        need = super()._estimate(shape, kind)
        if shape.floor_memory_mb or not (self._all or self._seen[kind.category]):
            return need
        return need._replace(memory_mb=min(self._amounts[shape.disk_mb or 0.0], shape.memory_mb or 0.0))


def workload(kind: str, seed: int) -> Workload:
    rows = families.workflow(kind, seed, 8, (20, 60))
    return Workload(kind, [SimTask(
        number, row.category, row.seconds, 1.0, row.peak_mb, 10.0, Request(1.0, min(row.declared_mb, 16000.0), 100.0),
        row.input_mb) for number, row in enumerate(rows, 1) if row.peak_mb < 15000.0])


def _with_amounts(made: Workload, amounts: dict[int, float], from_the_start: bool) -> Scene:
    by_disk = {100.0 + number: amount for number, amount in amounts.items()}
    tasks = [task._replace(request=replace(task.request, disk_mb=100.0 + task.id)) for task in made.tasks]
    return Workload(made.name, tasks), lambda policy: Known(policy, by_disk, from_the_start)


def by_law(kind: str, seed: int) -> Scene:
    """By what the law was asked for: the base of the category, the input size, and the number of the task."""
    law, asked, rng = families.KINDS[kind], {}, random.Random(1)

    def recorded(r: random.Random, base: float, x: float, i: int, n: int) -> float:
        asked[x] = base, i, n
        return law(r, base, x, i, n)

    families.KINDS[kind] = recorded
    try:
        made = workload(kind, seed)
    finally:
        families.KINDS[kind] = law
    amounts = {}
    for task in made.tasks:
        base, i, n = asked[task.input_mb]
        drawn = sorted(law(rng, base, task.input_mb, i, n) for _ in range(DRAWN))
        amounts[task.id] = drawn[int(DRAWN * HELD)]
    return _with_amounts(made, amounts, False)


def by_peak(kind: str, seed: int) -> Scene:
    made = workload(kind, seed)
    return _with_amounts(made, {task.id: task.memory_mb + 1.0 for task in made.tasks}, True)


LIMITS = {"law known": by_law, "peak known": by_peak}


def measured(kind: str, seed: int, name: str) -> tuple[float, float, float, float]:
    """Makespan in seconds, core-hours, GB-hours, attempts per task."""
    made, needs = LIMITS[name](kind, seed) if name in LIMITS else (workload(kind, seed), POLICIES[name])
    simulation = Simulation(CLUSTER, [made], Policy(estimates="override"), seed, needs=needs)
    simulation.run()
    (run,) = results.as_json(simulation)["runs"]
    assert run["finished"] == run["tasks"], run
    gb = run["gb_hours"]
    return (run["makespan_s"], sum(run["core_hours"].values()), sum(gb.values()) - gb["idle"],
            run["attempts"] / run["tasks"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    print(f"{'':10} {'policy':15} {'makespan s':>10} {'core-h':>7} {'GB-h':>7} {'attempts':>9}")
    for kind in options.kinds:
        found = {}
        for name in (*POLICIES, *LIMITS):
            runs = [measured(kind, seed, name) for seed in seeds]
            found[name] = [statistics.fmean(column) for column in zip(*runs)]
            makespan, cores, gb, attempts = found[name]
            print(f"{kind:10} {name:15} {makespan:10.0f} {cores:7.2f} {gb:7.2f} {attempts:9.2f}", flush=True)
        own, others = found["mfmesos"], [found[name] for name in POLICIES if name != "mfmesos"]
        print(f"{kind:10} {'law / best':15} {'':10} {'':7} "
              f"{found['law known'][2] / min(o[2] for o in others):7.2f}")
        print(f"{kind:10} {'ours / best':15} {own[0] / min(o[0] for o in others):10.2f} {'':7} "
              f"{own[2] / min(o[2] for o in others):7.2f}", flush=True)


if __name__ == "__main__":
    main()
