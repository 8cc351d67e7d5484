"""Estimates end to end: simulated runs of six kinds of workflow with our estimates of memory and with other policies.

    python3 bench/simulated_estimates.py [--seeds N]        (part of make bench-simulate)

The workflows are those of the estimator's tests: 8 categories of 20 to 60 tasks that declare their largest peak, on 4
agents of 16 cores with 1 GB each, so that memory is scarce. GB-hours are allocated to attempts, failed ones included.
"""
from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "estimates"))

import families

from mfmesos.core.model import Request, Resources
from mfmesos.core.needs import Needs
from mfmesos.core.policy import Policy
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


def workload(kind: str, seed: int) -> Workload:
    rows = families.workflow(kind, seed, 8, (20, 60))
    return Workload(kind, [SimTask(
        number, row.category, row.seconds, 1.0, row.peak_mb, 10.0, Request(1.0, min(row.declared_mb, 16000.0), 100.0),
        row.input_mb) for number, row in enumerate(rows, 1) if row.peak_mb < 15000.0])


def measured(kind: str, seed: int, needs: Callable[[Policy], Needs]) -> tuple[float, float, float, float]:
    """Makespan in seconds, core-hours, GB-hours, attempts per task."""
    simulation = Simulation(CLUSTER, [workload(kind, seed)], Policy(estimates="override"), seed, needs=needs)
    simulation.run()
    (run,) = results.as_json(simulation)["runs"]
    assert run["finished"] == run["tasks"], run
    gb = run["gb_hours"]
    return (run["makespan_s"], sum(run["core_hours"].values()), sum(gb.values()) - gb["idle"],
            run["attempts"] / run["tasks"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(1, parser.parse_args().seeds + 1)
    print(f"{'':10} {'policy':15} {'makespan s':>10} {'core-h':>7} {'GB-h':>7} {'attempts':>9}")
    for kind in KINDS:
        found = {}
        for name, needs in POLICIES.items():
            runs = [measured(kind, seed, needs) for seed in seeds]
            found[name] = [statistics.fmean(column) for column in zip(*runs)]
            makespan, cores, gb, attempts = found[name]
            print(f"{kind:10} {name:15} {makespan:10.0f} {cores:7.2f} {gb:7.2f} {attempts:9.2f}", flush=True)
        own, others = found["mfmesos"], [values for name, values in found.items() if name != "mfmesos"]
        print(f"{kind:10} {'ours / best':15} {own[0] / min(o[0] for o in others):10.2f} {'':7} "
              f"{own[2] / min(o[2] for o in others):7.2f}", flush=True)


if __name__ == "__main__":
    main()
