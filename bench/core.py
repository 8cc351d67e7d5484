"""What the core costs per ended task at 10 and 1,000 agents, and to fill 1,000 agents: no cluster, no network.

    python3 bench/core.py [--agents N ...] [--waiting N] [--kinds N] [--licences]
                         [--order NAME] [--placement NAME] [--reserve NAME]      (make bench-core)

Each agent has 64 cores and one claim. Every sync names all attempts of its claim and reports one that ended, and its
answer starts another; estimates are on, and answers are encoded. With
--licences each task also needs one. Times are CPU time of this process.
"""
from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.core import Core
from mfmesos.core.model import Agent, Offer, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.shared import wire
from mfmesos.shared.resources import named

CORES, MEMORY_MB, DISK_MB = 64, 256 * 1024, 1_000_000
TASK_S = 60.0
SAMPLE = 1_000
TOGETHER = 100
"""Tasks per submission, as the stager posts them."""


@dataclass
class Executor:
    claim: str
    running: dict[str, int] = field(default_factory=dict)
    seq: int = 0
    got: int = 0


class Cluster:
    """Just enough of Mesos and of executors for the core, and a clock of its own."""

    def __init__(self, agents: int, licences: bool = False, **policies: str) -> None:
        policy = Policy(workdir="/w", batch_delay_s=0.0, claim_worklife_s=1e9, claim_idle_s=1e9, **policies)
        self.core = Core(policy, needs_for(policy))
        self.agents = agents
        self.each, self.whole = (named({"licences": 1}), named({"licences": CORES})) if licences else ((), ())
        self.now = 0.0
        self.executors: dict[str, Executor] = {}
        self.handled = 0
        self.worst_s = 0.0
        self.spent_s = 0.0

    def send(self, *batch: ev.Event) -> None:
        begin = time.process_time()
        out = self.core.handle_all(batch, self.now)
        for action in out:
            if isinstance(action, act.AnswerSync):
                wire.dumps(action.answer)
        spent = time.process_time() - begin
        self.spent_s += spent
        self.worst_s = max(self.worst_s, spent)
        published = []
        for action in out:
            if isinstance(action, act.OpenClaim):
                self.executors[action.claim_id] = Executor(action.claim_id)
            elif isinstance(action, act.AnswerSync) and action.claim_id in self.executors:
                executor = self.executors[action.claim_id]
                executor.got = max(executor.got, action.answer.number)
                executor.running.update((run.attempt, 0) for run in action.answer.run)
            elif isinstance(action, act.PublishOutputs):
                published.append(ev.OutputsPublished(action.attempt_id))
        if published:
            self.send(*published)

    def submit(self, count: int, kinds: int) -> None:
        for first in range(0, count, TOGETHER):
            self.send(*(ev.TaskSubmitted(Task(
                i + 1, f"program{i % kinds} {i}", (), (f"o{i}",),
                Request(1.0, 1000.0, 1000.0 + i % kinds, others=self.each),
                category=f"c{i % kinds}")) for i in range(first, min(first + TOGETHER, count))))

    def fill(self) -> float:
        """CPU seconds until every agent is full."""
        before = self.spent_s
        self.send(ev.Registered("f-1", "m"))
        total = Resources(CORES, MEMORY_MB, DISK_MB, others=self.whole)
        self.send(ev.AgentsListed(tuple(Agent(f"a{i}", f"a{i}", total) for i in range(self.agents)), None))
        self.send(ev.OffersReceived(tuple(Offer(f"o{i}", f"a{i}", f"a{i}", total) for i in range(self.agents))))
        while self.core.state.unfinished:
            self.send(ev.Tick())
        for executor in list(self.executors.values()):
            self.sync(executor)
        for executor in list(self.executors.values()):
            self.sync(executor)
        return self.spent_s - before

    def sync(self, executor: Executor, *ended: str) -> None:
        for attempt in ended:
            del executor.running[attempt]
        executor.seq += 1
        results = tuple(wire.Result(attempt, wire.FINISHED, usage=wire.Usage(900.0, 10.0, 1.0, TASK_S, TASK_S))
                        for attempt in ended)
        self.send(ev.ClaimSynced(executor.claim, executor.seq, executor.got, tuple(executor.running), results))

    def end_some(self, count: int) -> Iterator[float]:
        """CPU seconds of each ended task."""
        chance = random.Random(1)
        busy = list(self.executors.values())
        for _ in range(count):
            executor = chance.choice(busy)
            attempt = next(iter(executor.running))
            self.now += TASK_S / (CORES * len(busy))
            before = self.spent_s
            self.sync(executor, attempt)
            yield self.spent_s - before


def fixed_loop_s() -> float:
    """CPU seconds of a loop that never changes, to compare machines."""
    begin = time.process_time()
    total = 0
    for i in range(3_000_000):
        total += i & 7
    return time.process_time() - begin


def measure(agents: int, waiting: int, kinds: int, licences: bool, **policies: str) -> tuple[float, float]:
    """Seconds per ended task, and to fill the agents."""
    cluster = Cluster(agents, licences, **policies)
    cluster.submit(agents * CORES + waiting, kinds)
    submitted_s = cluster.spent_s / (agents * CORES + waiting)
    gc.collect()
    gc.freeze()
    cluster.worst_s = 0.0
    filled_s = cluster.fill()
    running = sum(len(e.running) for e in cluster.executors.values())
    worst_s, cluster.worst_s = cluster.worst_s, 0.0
    times = list(cluster.end_some(SAMPLE))
    gc.unfreeze()
    print(f"{agents:,} agents, {waiting:,} waiting in {kinds:,} kinds: {running:,} ran; "
          f"submitting {submitted_s * 1000:.3f} ms a task, filling {filled_s:.2f} s (longest call "
          f"{worst_s * 1000:.0f} ms), ended task mean "
          f"{statistics.mean(times) * 1000:.3f} ms, median {statistics.median(times) * 1000:.3f} ms, "
          f"longest call {cluster.worst_s * 1000:.1f} ms", flush=True)
    return statistics.mean(times), filled_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, nargs="*", default=[10, 1000])
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--kinds", type=int, default=100)
    parser.add_argument("--licences", action="store_true")
    parser.add_argument("--order", default="fifo")
    parser.add_argument("--placement", default="first")
    parser.add_argument("--reserve", default="easy")
    options = parser.parse_args()
    print(f"a fixed loop: {fixed_loop_s():.3f} s")
    found = [measure(n, options.waiting, options.kinds, options.licences, ordering=options.order,
                     placement=options.placement, planned_start=options.reserve) for n in options.agents]
    print("per ended task: " + ", ".join(
        f"{per_s * 1000:.2f} ms at {n:,} agents" for n, (per_s, _) in zip(options.agents, found))
        + f", filling {found[-1][1]:.1f} s")


if __name__ == "__main__":
    main()
