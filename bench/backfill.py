"""Backfilling: the core alone in virtual time against EASY on one machine, with the jobs of Lublin and Feitelson.

    python3 bench/backfill.py [--seeds N] [--jobs N] [--order NAME ...] [--reserve NAME ...] [--results FILE]
                              [--plot FILE]                                                  (make bench-backfill)

Sizes and arrivals are drawn from the model of Lublin and Feitelson (JPDC 2003, batch jobs, 128 cores); arrivals are
stretched to a load of 0.7 to 0.95, which grows from seed to seed. Jobs are of 30 categories: a job runs for the median
of its category times a lognormal factor of sigma 0.3, and 5 jobs of each category have been seen before. EASY is the
reference of tests/core/easy_reference.py, with what users say (true run times x 1 to 10), and with true run times.

Shown are mean bounded slowdowns, max(1, (wait + run) / max(run, 10 s)), their ratios, and the mean of the longest
waits. With --sigma 0 the core's predictions are the true run times: then no job may start after its first planned
start. --results keeps what each seed gave: the same command then continues where it was ended.
"""
from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import plotting

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests" / "core")]

from easy_reference import Job, easy  # noqa: E402  needs the path above
from one_claim import Drawn, OneClaim, policy_of  # noqa: E402  needs the path above

CORES = 128
CATEGORIES, SEEN, SIGMA = 30, 5, 0.3
LEAST_LOAD, MOST_LOAD = 0.7, 0.95
USERS, TRUE, SHORTEST = "EASY, user estimates", "EASY, true run times", "EASY, true run times, shortest first"
SHORTEST_S = 10.0
"""Shorter jobs count as this long in a bounded slowdown."""
REACH = 0.75
"""Of EASY with user estimates."""
PARTS = 5
"""Loads that the plot shows: means of as many seeds each."""


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
    stretch = sum(job.cores * job.lasts for job in jobs) / CORES / load_of(seed, seeds) / at
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


class Score(NamedTuple):
    """Of one way to schedule the jobs of one seed."""

    slowdown: float
    """The mean bounded one."""
    longest_h: float
    """The longest wait."""
    planned: int = 0
    """Jobs that had a planned start, and those that started after their first one."""
    late: int = 0


def score(jobs: Sequence[Drawn], starts: Sequence[float], planned: int = 0, late: int = 0) -> Score:
    longest_s = max(start - job.arrival for job, start in zip(jobs, starts))
    return Score(slowdown(jobs, starts), longest_s / 3600, planned, late)


def load_of(seed: int, seeds: int) -> float:
    """Which part of the cores the jobs need, in the mean."""
    return LEAST_LOAD + (MOST_LOAD - LEAST_LOAD) * seed / max(seeds - 1, 1)


def scores(seed: int, options: argparse.Namespace) -> dict[str, Score]:
    """Of each way to schedule."""
    jobs, seen = workload(seed, options.seeds, options.jobs, options.sigma)
    found = {USERS: score(jobs, by_easy(jobs, seed, 10.0)), TRUE: score(jobs, by_easy(jobs, seed, 1.0)),
             SHORTEST: score(jobs, by_easy(jobs, seed, 1.0, shortest=True))}
    for order in options.order:
        for reserve in options.reserve:
            one = OneClaim(jobs, seen, CORES, policy_of(order, reserve))
            found[f"`{order}`, `{reserve}`"] = score(jobs, one.run(), len(one.promised), one.late())
    return found


def all_scores(options: argparse.Namespace) -> list[dict[str, Score]]:
    """By seed; those in the file of results are not computed again."""
    known: dict[int, dict[str, Score]] = {}
    path = Path(options.results) if options.results else None
    asked = [options.seeds, options.jobs, options.sigma, options.order, options.reserve]
    if path is not None and path.exists():
        for line in path.read_text().splitlines():
            kept = json.loads(line)
            if kept["asked"] != asked:
                raise SystemExit(f"{path} has results of other settings: {kept['asked']}")
            known[kept["seed"]] = {name: Score(*values) for name, values in kept["scores"].items()}
    for seed in range(options.seeds):
        if seed not in known:
            known[seed] = scores(seed, options)
            if path is not None:
                with path.open("a") as file:
                    file.write(json.dumps({"seed": seed, "asked": asked, "scores": known[seed]}) + "\n")
    return [known[seed] for seed in range(options.seeds)]


def table(found: Sequence[Mapping[str, Score]]) -> Iterator[str]:
    yield ("| | mean bounded slowdown | of EASY with user estimates | with true run times | longest wait |"
           " planned, late |\n| --- | --- | --- | --- | --- | --- |")
    means = {name: statistics.mean(one[name].slowdown for one in found) for name in found[0]}
    for name, mean in means.items():
        planned, late = (sum(getattr(one[name], field) for one in found) for field in ("planned", "late"))
        longest_h = statistics.mean(one[name].longest_h for one in found)
        yield (f"| {name} | {mean:.2f} | {mean / means[USERS]:.2f} | {mean / means[TRUE]:.2f} | {longest_h:.1f} h | "
               + (f"{planned}, {late} |" if planned else "|"))


def draw(found: Sequence[Mapping[str, Score]], path: str) -> None:
    """Mean slowdowns by load, one line for each way to schedule, as parts of EASY with user estimates."""
    one, = plotting.axes(1, 1, high=3.8)
    parts = min(PARTS, len(found))
    some = [range(len(found) * n // parts, len(found) * (n + 1) // parts) for n in range(parts)]
    for name in found[0]:
        means = [[statistics.mean(found[seed][each].slowdown for seed in part) for each in (name, USERS)]
                 for part in some]
        one.plot([statistics.mean(load_of(seed, len(found)) for seed in part) for part in some],
                 [own / users for own, users in means], "o-" if name.startswith("`") else "s--",
                 label=name.replace("`", ""))
    one.axhline(REACH, color="black", linewidth=0.8, label="to be reached")
    one.set(xlabel="load", ylabel="slowdown; EASY, user estimates = 1")
    plotting.save(one, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--order", nargs="+", default=["fifo", "shortest"])
    parser.add_argument("--reserve", nargs="+", default=["easy", "sjbf"])
    parser.add_argument("--sigma", type=float, default=SIGMA)
    parser.add_argument("--results", metavar="FILE", help="keep what each seed gave (JSON lines)")
    parser.add_argument("--plot", metavar="FILE", help="also draw the slowdowns by load (SVG)")
    options = parser.parse_args()
    found = all_scores(options)
    for line in table(found):
        print(line)
    if options.plot:
        draw(found, options.plot)


if __name__ == "__main__":
    main()
