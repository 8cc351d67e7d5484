"""How well each placement packs: the core alone, on random clusters of unequal agents, against the integer optimum.

    python3 bench/placements.py [--clusters N] [--seed N] [--plot FILE]      (needs scipy; pip install .[bench])

For each cluster an integer program (scipy.optimize.milp) finds the largest list with equally many tasks of each kind
that fits as a whole. The list is submitted to the core, kinds in turns, all agents make offers, and the tasks that run
at once are counted.
"""
from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import plotting
from scipy.optimize import Bounds, LinearConstraint, milp

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.core import Core
from mfmesos.core.model import Agent, Offer, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for

Amounts = list[tuple[int, int]]
"""Cores and GB."""
GB = 1024.0
PLACEMENTS = ("first", "pack", "spread", "balanced", "best")
REACH = 0.97


def cluster(chance: random.Random) -> tuple[Amounts, Amounts]:
    """Agents, and kinds of tasks."""
    agents = [(chance.randint(8, 128), chance.randint(8, 512)) for _ in range(chance.randint(2, 20))]
    return agents, [(chance.randint(1, 8), chance.randint(1, 32)) for _ in range(chance.randint(2, 4))]


def most_of_each(agents: Amounts, kinds: Amounts) -> int:
    """The largest number of tasks of each kind that fits at once."""
    count = len(agents) * len(kinds)
    rows, most = [], []
    for number, agent in enumerate(agents):
        for resource in (0, 1):
            row = np.zeros(count + 1)
            row[number * len(kinds):(number + 1) * len(kinds)] = [kind[resource] for kind in kinds]
            rows.append(row)
            most.append(agent[resource])
    for number in range(len(kinds)):
        row = np.zeros(count + 1)
        row[number:count:len(kinds)] = -1
        row[count] = 1
        rows.append(row)
        most.append(0)
    goal = np.zeros(count + 1)
    goal[count] = -1
    found = milp(goal, constraints=LinearConstraint(np.array(rows), -np.inf, np.array(most)),
                 integrality=np.ones(count + 1), bounds=Bounds(0, np.inf))
    return round(-found.fun)


def started(agents: Amounts, kinds: Amounts, each: int, placement: str) -> int:
    """How many of the tasks run at once."""
    policy = Policy(workdir="/w", batch_delay_s=0.0, placement=placement, estimates="off")
    core = Core(policy, needs_for(policy))
    seqs: dict[str, int] = {}
    running: set[str] = set()
    used = [Resources()] * len(agents)

    def send(*events: ev.Event) -> None:
        for action in core.handle_all(events, 0.0):
            if isinstance(action, act.OpenClaim):
                seqs[action.claim_id] = 0
                number = int(action.agent_id)
                used[number] = used[number] + action.resources + Resources(memory_mb=action.executor_memory_mb)
            elif isinstance(action, act.AnswerSync):
                running.update(run.attempt for run in action.answer.run)
        while core.state.unfinished:
            send(ev.Tick())

    # each claim's executor needs memory of its own, which the optimum does not count
    totals = [Resources(cores, gb * GB + 3 * policy.executor_memory_mb, 1e6) for cores, gb in agents]
    send(*(ev.TaskSubmitted(Task(number * len(kinds) + kind + 1, f"p{kind}", (), (), Request(cores, gb * GB, 1.0)))
           for number in range(each) for kind, (cores, gb) in enumerate(kinds)))
    send(ev.Registered("f", "m"))
    send(ev.AgentsListed(tuple(Agent(str(n), f"a{n}", total) for n, total in enumerate(totals)), None))
    for turn in range(3):
        free = [(n, (total - used[n]).at_least_zero()) for n, total in enumerate(totals)]
        send(ev.OffersReceived(tuple(Offer(f"o{turn} {n}", str(n), f"a{n}", room) for n, room in free if room.cores)))
        for claim_id in list(seqs):
            seqs[claim_id] += 1
            mine = tuple(a for a in running if a in core.state.claims[claim_id].attempts)
            send(ev.ClaimSynced(claim_id, seqs[claim_id], 0, mine, ()))
    return len(running)


def draw(found: Mapping[str, Sequence[float]], path: str) -> None:
    """Of each placement the parts of the lists that started, in their order."""
    one, = plotting.axes(1, 1, high=3.2)
    for name, parts in found.items():
        if name != "pack":  # like `first`, where nothing else is on the cluster
            one.plot(range(1, len(parts) + 1), sorted(parts), "--" if name == "best" else "-",
                     label="first, pack" if name == "first" else name)
    one.axhline(REACH, color="black", linewidth=0.8, label="to be reached")
    one.set(xlabel="clusters, by the part that starts", ylabel="part of the optimum")
    plotting.save(one, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", metavar="FILE", help="also draw the parts (SVG)")
    options = parser.parse_args()
    shan = [(100, 30), (30, 100)], [(5, 1), (1, 5)]
    print("the case of Shan et al.: " + ", ".join(
        f"{name} {started(*shan, 21, name)}" for name in PLACEMENTS) + f" of {2 * most_of_each(*shan)}")
    chance = random.Random(options.seed)
    found: dict[str, list[float]] = {name: [] for name in PLACEMENTS}
    while len(found["first"]) < options.clusters:
        agents, kinds = cluster(chance)
        each = most_of_each(agents, kinds)
        if each:
            for name in PLACEMENTS:
                found[name].append(started(agents, kinds, each, name) / (each * len(kinds)))
    print("| placement | mean | least | clusters with at least 0.97 |\n| --- | --- | --- | --- |")
    for name, parts in found.items():
        enough = sum(part >= REACH for part in parts)
        print(f"| `{name}` | {statistics.mean(parts):.3f} | {min(parts):.3f} | {enough} of {len(parts)} |")
    if options.plot:
        draw(found, options.plot)


if __name__ == "__main__":
    main()
