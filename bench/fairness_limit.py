"""How fair any framework could be to the greedy one of fairness.py on a real Mesos: the greedy one alone, beside one
that holds exactly half of the cores and never more, beside another greedy one, and beside mfmesos.

    python3 bench/fairness_limit.py [CASE ...] [--from S] [--to S]                         (make bench-fairness-limit)

CASE is FRAMEWORK,SECONDS,INTERVAL: what is beside the greedy framework (nothing, half, greedy or mfmesos), the seconds
that each task lasts, and Mesos's --allocation_interval in ms. Each takes --to seconds.

After a task has ended, its core is nobody's until Mesos's next allocation. "Task" is what the greedy framework sees
from the launch of a task to the news of its end, "gap" from then to a launch on the same agent: medians.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path

from fairness import CORES, GREEDY, Shares, found
from fairness_on_mesos import AGENTS, Start, mfmesos, plain, watched
from machine import describe
from plain_framework import Used
from realmesos import install
from rows import Bench

CASES = ("nothing,5,1000", "half,5,1000", "greedy,5,1000", "mfmesos,5,1000", "half,5.5,1000", "mfmesos,5.5,1000",
         "half,5.8,1000", "mfmesos,5.8,1000", "mfmesos,20,1000", "half,5,100", "mfmesos,5,100")
FOR_EVER_S = 3600.0


def beside(name: str, seconds: float) -> Start | None:
    if name == "nothing":
        return None
    if name == "mfmesos":
        return partial(mfmesos, None, seconds)
    rival = replace(GREEDY, name="beside", at_s=0.0, seconds=seconds)
    half = int(CORES / 2 / AGENTS.count)
    return partial(plain, replace(rival, seconds=FOR_EVER_S, per_agent=half) if name == "half" else rival)


def used(where: Path) -> Used:
    """As the greedy framework printed it at its end."""
    last = (where / f"{GREEDY.name}.log").read_text().splitlines()[-1]
    return Used(**json.loads(last))


def line(case: str, shares: list[Shares], since: float, greedy: Used) -> str:
    """Of the table."""
    name, seconds, interval = case.split(",")
    late = [one for one in shares if one.at >= since]
    first, other = (statistics.mean(one[number] for one in late) for number in (1, 2))
    both = found(shares, None, since)
    return (f"| {name} | {seconds} s | {interval} ms | {first:.1%} | {other:.1%} | {both.unfairness:.1%} | "
            f"{both.error:.1%} | {both.idle:.1%} | {greedy.task_s:.2f} s | {greedy.gap_s:.2f} s |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", default=list(CASES))
    parser.add_argument("--from", dest="since", type=float, default=40.0)
    parser.add_argument("--to", dest="until", type=float, default=100.0)
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in describe(install.VERSION).items()), flush=True)
    print("| beside the greedy framework | tasks | allocation interval | its share | share of the greedy one | UF | "
          "FE | idle offers | task | gap |\n" + "| --- " * 10 + "|", flush=True)
    bench = Bench()
    try:
        for case in options.cases:
            name, seconds, interval = case.split(",")
            where, greedy = bench.new_folder(), replace(GREEDY, seconds=float(seconds))
            shares = watched(where, beside(name, float(seconds)), options.until, greedy,
                             {"allocation_interval": f"{interval}ms"})
            print(line(case, shares, options.since, used(where)), flush=True)
    finally:
        bench.close()
    print(f"load after: {os.getloadavg()[2]:.2f} over 15 minutes")


if __name__ == "__main__":
    main()
