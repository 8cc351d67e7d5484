"""The fairness laboratory: two hungry frameworks on 4 agents of 4 cores and 8 GB, in three situations.

    python3 bench/fairness.py [--runs N] [--from S] [--to S] [--plot FILE]          (make bench-fairness)

Kannan and others (CLOUD 2018, arXiv 1905.08388) found that what a framework does with offers decides how fair a Mesos
cluster is. Each situation is one of their levers. A framework that pulls it the wrong way, then a run of mfmesos with
default settings, shares the cluster with a greedy framework, whose tasks take all that it is offered. Tasks have 1 core
and 1 GB, and last 5 s; both frameworks start within a second. Everything is simulated with Mesos's own allocator
(mfmesos simulate): virtual time, the same figures on any machine.

UF is the difference between the dominant shares of the two, FE what each lacks of its fair share, both as means over
seconds 60 to 180 and over all runs. UF also counts what a framework does not want: in the third situation the lever is
the rate at which its tasks arrive. "Idle offers" are cores in unanswered offers, as a part of all cores. "Fair after"
is when both frameworks have had 0.9 of their fair share.
"""
from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from mfmesos.allocation.allocator import INTERVAL_S
from mfmesos.core.model import Request, Resources
from mfmesos.core.policy import Policy
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Rival
from mfmesos.simulate.fairness import Claimed, fair_shares
from mfmesos.simulate.simulated_master import Subscriber, resources_of
from mfmesos.simulate.simulation import Simulation
from mfmesos.simulate.workload_model import SimTask, Workload

AGENTS = AgentGroup(4, Resources(4.0, 8192.0, 100_000.0))
CORES = AGENTS.count * AGENTS.resources.cores
TASK = Resources(1.0, 1024.0)
LASTS_S, LATER_S, ENOUGH = 5.0, 0.5, 5000
GREEDY = Rival("greedy", size=TASK, seconds=LASTS_S, at_s=LATER_S, suppresses=False)
SLOW_RATE, RATE = 1.0, 2.0
"""Tasks per second, of some 2.8 that the cluster can run: less than a fair share, and more."""
STARTS_S = (0.02, 0.2, 0.5, 0.8, 0.98)
"""0.02: an executor that is there already, as in fairness_on_mesos.py; 0.8: one for each task."""
FAIR = 0.9
LOOK_S = 0.25
DRAWN_S = 5.0


@dataclass(frozen=True)
class Situation:
    about: str
    paper: str
    """Unfairness before and after, as published."""
    reach: float
    wrong: Rival
    """What pulls the lever the wrong way."""
    rate: float | None = None
    """Of mfmesos's arrivals."""


SITUATIONS = (
    Situation("one task per agent", "38 % -> 3 %", 0.03, replace(GREEDY, name="single", at_s=0.0, per_agent=1)),
    Situation("unused offers are kept", "90 % -> 28 %", 0.10, replace(GREEDY, name="slow", at_s=0.0, answer_s=45.0)),
    Situation("tasks arrive one by one", "23 % -> 7 %", 0.05,
              replace(GREEDY, name="arriving", at_s=0.0, arrivals_per_s=SLOW_RATE), RATE),
)


class Found(NamedTuple):
    unfairness: float
    error: float
    idle: float
    fair_after_s: float


class Shares(NamedTuple):
    """What is seen at one moment."""

    at: float
    first: float
    """The dominant share of the framework that is looked at, and of the greedy one."""
    greedy: float
    idle: float


class Laboratory(Simulation):
    """Looks at both frameworks some times a second, between Mesos's allocations."""

    def watch(self) -> None:
        self.shares: list[Shares] = []
        self.time.at(LOOK_S / 2, lambda: self.time.every(LOOK_S, self._watch))

    def _watch(self) -> None:
        total, (master,) = self.total(), self.masters
        if len(master.frameworks) == 2:
            first, other = sorted(master.frameworks, key=lambda one: one.id == GREEDY.name)
            idle = sum(offer.amounts.get("cpus") for offer in master.offers.values()) / total.cores
            self.shares.append(Shares(self.time.now, _share(first, total), _share(other, total), idle))


def _share(framework: Subscriber, total: Resources) -> float:
    """The dominant one."""
    held = resources_of(framework.holds)
    return max(held.cores / total.cores, held.memory_mb / total.memory_mb)


def watched(
    situation: Situation, ours: bool, seed: int, until: float, policy: Policy, greedy: Rival = GREEDY,
) -> list[Shares]:
    """One run."""
    rivals = (greedy,) if ours else (situation.wrong, greedy)
    tasks = (SimTask(n, "work", LASTS_S, 1.0, 100.0, request=Request(TASK.cores, TASK.memory_mb, 1.0))
             for n in range(1, ENOUGH))
    lab = Laboratory(Cluster("lab", (AGENTS,), rivals=rivals), [Workload("ours", tasks)] if ours else [],
                     replace(policy, arrival_rate=situation.rate), seed, until)
    lab.watch()
    lab.time.run(lambda: False, until)
    return lab.shares


def rate_of(situation: Situation, ours: bool) -> float | None:
    """At which tasks of the framework beside the greedy one arrive; None or 0: all are there at once."""
    return situation.rate if ours else situation.wrong.arrivals_per_s


def found(shares: Sequence[Shares], rate: float | None, since: float) -> Found:
    """Of one run. `rate`: at which tasks of the first framework arrive."""
    late = [one for one in shares if one.at >= since]
    want = min(1.0, rate * LASTS_S * TASK.cores / CORES) if rate else 1.0
    due = fair_shares([Claimed((want,), ()), Claimed((1.0,), ())])
    after = max(next((one.at for one in shares if one[number + 1] >= FAIR * due[number]), float("inf"))
                for number in (0, 1))
    return Found(statistics.mean(abs(one.first - one.greedy) for one in late),
                 statistics.mean(max(0, due[0] - one.first) + max(0, due[1] - one.greedy) for one in late),
                 statistics.mean(one.idle for one in late), after)


def figures(situation: Situation, ours: bool, runs: int, since: float, until: float, policy: Policy) -> Found:
    """Means of all runs."""
    runs_of = [watched(situation, ours, seed, until, policy) for seed in range(1, runs + 1)]
    return mean([found(shares, rate_of(situation, ours), since) for shares in runs_of])


def by_phase(runs: int, since: float, until: float) -> Iterator[str]:
    """A table: the UF of mfmesos, and of another greedy framework, beside a greedy one whose tasks start so fast. All
    of their time its cores are held, and then nobody's until Mesos's next allocation.
    """
    yield ("| its tasks start within | a core is nobody's for | UF beside a framework that holds half | mfmesos | "
           "another greedy one |\n| --- | --- | --- | --- | --- |")
    for start_s in STARTS_S:
        greedy = replace(GREEDY, start_s=start_s)
        like = replace(SITUATIONS[0], wrong=replace(greedy, name="like", at_s=0.0))
        held_s = LASTS_S + start_s
        idle_s = math.ceil(held_s / INTERVAL_S) * INTERVAL_S - held_s
        unfairness = [statistics.mean(
            found(watched(like, ours, seed, until, Policy(), greedy), None, since).unfairness
            for seed in range(1, runs + 1)) for ours in (True, False)]
        yield (f"| {start_s:g} s | {idle_s:.2f} s | {0.5 * idle_s / (held_s + idle_s):.1%} | {unfairness[0]:.1%} | "
               f"{unfairness[1]:.1%} |")


def mean(several: Sequence[Found]) -> Found:
    return Found(*(statistics.mean(column) for column in zip(*several)))


def head() -> str:
    return ("| situation | framework | UF | FE | idle offers | fair after | paper | to be reached |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- |")


def line(situation: Situation, ours: bool, one: Found) -> str:
    """Of the table."""
    name = "mfmesos" if ours else situation.wrong.name
    return (f"| {situation.about} | {name} | {one.unfairness:.1%} | {one.error:.1%} | {one.idle:.1%} | "
            f"{one.fair_after_s:.0f} s | {situation.paper} | {f'{situation.reach:.0%}' if ours else ''} |")


def draw(runs: Mapping[tuple[int, bool], Sequence[Shares]], path: str) -> None:
    """The shares of both frameworks over time, means of DRAWN_S, by situation: on the left with the lever pulled the
    wrong way, on the right of mfmesos.
    """
    import plotting

    axes = plotting.axes(len(SITUATIONS), 2)
    for (number, ours), shares in runs.items():
        one, situation = axes[2 * number + ours], SITUATIONS[number]
        parts = [list(some) for _, some in groupby(shares, key=lambda seen: seen.at // DRAWN_S)]
        at = [DRAWN_S * (n + 0.5) for n in range(len(parts))]
        for name, which in ("the other one", 1), (GREEDY.name, 2):
            one.plot(at, [statistics.mean(seen[which] for seen in part) for part in parts], label=name)
        one.set(title="mfmesos" if ours else situation.about, ylim=(0, 1), ylabel="" if ours else "dominant share")
    for one in axes[-2:]:
        one.set_xlabel("seconds")
    plotting.save(axes[0], path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--from", dest="since", type=float, default=60.0)
    parser.add_argument("--to", dest="until", type=float, default=180.0)
    parser.add_argument("--plot", metavar="FILE", help="also draw the shares over time of one run each (SVG)")
    options = parser.parse_args()
    print(head())
    for situation in SITUATIONS:
        for ours in (False, True):
            print(line(situation, ours, figures(situation, ours, options.runs, options.since, options.until, Policy())))
    print()
    for line_of_table in by_phase(options.runs, options.since, options.until):
        print(line_of_table)
    if options.plot:
        draw({(number, ours): watched(situation, ours, 1, options.until, Policy())
              for number, situation in enumerate(SITUATIONS) for ours in (False, True)}, options.plot)


if __name__ == "__main__":
    main()
