"""Backfilling: the core alone in virtual time against EASY on one machine, with the jobs of Lublin and Feitelson.

    python3 bench/backfill.py [--seeds N] [--jobs N] [--order NAME ...] [--reserve NAME ...]

Sizes and arrivals are drawn from the model of Lublin and Feitelson (JPDC 2003, batch jobs, 128 cores); arrivals are
stretched to a load of 0.7 to 0.95, which grows from seed to seed. Jobs are of 30 categories: a job runs for the median
of its category times a lognormal factor of sigma 0.3, and 5 jobs of each category have been seen before. EASY is the
reference of tests/core/easy_reference.py, with what users say (true run times x 1 to 10), and with true run times.

Shown are mean bounded slowdowns, max(1, (wait + run) / max(run, 10 s)), their ratios, and the mean of the longest
waits. With --sigma 0 the core's
predictions are the true run times: then no job may start after its first planned start.
"""
from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests" / "core")]

from easy_reference import Job, easy  # noqa: E402  needs the path above
from one_claim import Drawn, OneClaim, policy_of  # noqa: E402  needs the path above

CORES = 128
CATEGORIES, SEEN, SIGMA = 30, 5, 0.3
LEAST_LOAD, MOST_LOAD = 0.7, 0.95
USERS, TRUE = "EASY, user estimates", "EASY, true run times"
SHORTEST_S = 10.0
"""Shorter jobs count as this long in a bounded slowdown."""


def size(chance: random.Random) -> int:
    """Two-stage uniform in the logarithm; a quarter are serial, and powers of two are preferred."""
    if chance.random() < 0.244:
        return 1
    low, high = 0.8, math.log2(CORES)
    middle = high - 2.5
    log = chance.uniform(low, middle) if chance.random() < 0.86 else chance.uniform(middle, high)
    return min(CORES, max(2, 2 ** round(log) if chance.random() < 0.576 else round(2 ** log)))


def median_s(cores: int, chance: random.Random) -> float:
    """Hyper-gamma in the logarithm: the larger a job, the longer."""
    first = chance.random() < min(1.0, max(0.0, 0.78 - 0.0054 * cores))
    return math.exp(chance.gammavariate(4.2, 0.94) if first else chance.gammavariate(312, 0.03))


def workload(seed: int, seeds: int, number: int, sigma: float = SIGMA) -> tuple[list[Drawn], list[tuple[str, float]]]:
    """The jobs, and what was seen before."""
    chance = random.Random(seed)
    medians = {f"c{n}": min(median_s(size(chance), chance), 86400.0) for n in range(CATEGORIES)}

    def lasts(category: str) -> float:
        return max(1.0, medians[category] * chance.lognormvariate(0.0, sigma))

    jobs, at = [], 0.0
    for _ in range(number):
        at += math.exp(chance.gammavariate(6.0415, 0.8531))
        category = chance.choice(list(medians))
        jobs.append(Drawn(at, size(chance), lasts(category), category))
    load = LEAST_LOAD + (MOST_LOAD - LEAST_LOAD) * seed / max(seeds - 1, 1)
    stretch = sum(job.cores * job.lasts for job in jobs) / CORES / load / at
    seen = [(category, lasts(category)) for category in medians for _ in range(SEEN)]
    return [job._replace(arrival=job.arrival * stretch) for job in jobs], seen


def slowdown(jobs: Sequence[Drawn], starts: Sequence[float]) -> float:
    """The mean bounded slowdown."""
    return statistics.mean(max(1.0, (start - job.arrival + job.lasts) / max(job.lasts, SHORTEST_S))
                           for job, start in zip(jobs, starts))


def by_easy(jobs: Sequence[Drawn], seed: int, most: float, shortest: bool = False) -> list[int]:
    """Start times, with expectations of up to that many times the run time."""
    chance = random.Random(f"users {seed}")
    asked = [Job(job.arrival, job.cores, job.lasts, job.lasts * chance.uniform(1.0, most)) for job in jobs]
    return easy(asked, CORES, shortest)


class Scores:
    """Of one way to schedule: of each seed the mean bounded slowdown, and the longest wait in hours."""

    def __init__(self) -> None:
        self.slowdowns: list[float] = []
        self.longest_h: list[float] = []
        self.planned = self.late = 0

    def add(self, jobs: Sequence[Drawn], starts: Sequence[float]) -> None:
        self.slowdowns.append(slowdown(jobs, starts))
        self.longest_h.append(max(start - job.arrival for job, start in zip(jobs, starts)) / 3600)

    def mean(self) -> float:
        return statistics.mean(self.slowdowns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--order", nargs="+", default=["fifo", "shortest"])
    parser.add_argument("--reserve", nargs="+", default=["easy", "sjbf"])
    parser.add_argument("--sigma", type=float, default=SIGMA)
    options = parser.parse_args()
    found: defaultdict[str, Scores] = defaultdict(Scores)
    for seed in range(options.seeds):
        jobs, seen = workload(seed, options.seeds, options.jobs, options.sigma)
        found[USERS].add(jobs, by_easy(jobs, seed, 10.0))
        found[TRUE].add(jobs, by_easy(jobs, seed, 1.0))
        found["EASY, true run times, shortest first"].add(jobs, by_easy(jobs, seed, 1.0, shortest=True))
        for order in options.order:
            for reserve in options.reserve:
                one, score = OneClaim(jobs, seen, CORES, policy_of(order, reserve)), found[f"`{order}`, `{reserve}`"]
                score.add(jobs, one.run())
                score.planned += len(one.promised)
                score.late += one.late()
    print("| | mean bounded slowdown | of EASY with user estimates | with true run times | longest wait |"
          " planned, late |\n| --- | --- | --- | --- | --- | --- |")
    for name, score in found.items():
        mean = score.mean()
        print(f"| {name} | {mean:.2f} | {mean / found[USERS].mean():.2f} | {mean / found[TRUE].mean():.2f} | "
              f"{statistics.mean(score.longest_h):.1f} h | " + (
                  f"{score.planned}, {score.late} |" if score.planned else "|"))


if __name__ == "__main__":
    main()
