"""Claims that are held for large tasks among streams of small ones, while anything happens: nothing is lost or late.

The model-based test (test_core_model) rarely gets as far as a hold, so here the events are weighted: on one to three
clusters, tasks of known and unknown run times come and end, large ones wait, executors die, tasks are cancelled, the
scheduler is restarted. World asserts on the way what must never happen.
"""
from __future__ import annotations

import random
from collections import Counter

import pytest
from world import World

from mfmesos.core import applying, beside
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.decisions import Decision, Hold
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.state import State
from mfmesos.shared import wire

STEPS = 300
LASTS = {"tiny": 1.0, "short": 10.0, "long": 60.0, "large": 30.0}
UNKNOWN = "unknown"


class Events:
    """One run of random events."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.submitted = 0
        names = ("", "east", "west")[:1 + seed % 3]
        self.world = World(
            Policy(workdir="/w", batch_delay_s=0.0, cluster_retries=1000, launch_failures=10**6, nonce="n",
                   max_running=chance.choice([None, None, 9]), placement=chance.choice(["first", "attribute=disk"])),
            clusters={name: {"a1": Resources(4, 8192, 20000), "a2": Resources(2, 4096, 9000)} for name in names})
        self.world.send(ev.HistoryLoaded(tuple(
            Attempt(1e9, category, "finished", measured_memory_mb=40.0, wall_s=lasts)
            for category, lasts in LASTS.items() for _ in range(10))))
        self.world.register()

    def submit(self, category: str, cores: float) -> None:
        self.submitted += 1
        self.world.send(ev.TaskSubmitted(Task(
            self.submitted, f"x {self.submitted}", (), (f"o{self.submitted}",), Request(cores, 50.0, 10.0), category)))

    def step(self) -> None:
        """Of these one, as often as its number says."""
        what = {self.small: 12, self.large: 4, self.ends: 25, self.time: 12, self.offers: 8, self.dies: 1,
                self.cancel: 1, self.restart: 1, self.cluster_ends: 1}
        self.chance.choices(list(what), list(what.values()))[0]()
        for executor in self.world.live():
            if self.chance.random() < 0.8:
                self.world.sync(executor)

    def small(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self.submit(self.chance.choice(["tiny", "short", "long", UNKNOWN]), 1.0)

    def large(self) -> None:
        self.submit("large", self.chance.choice([2.0, 4.0]))

    def ends(self) -> None:
        for executor in self.world.live():
            for attempt in list(executor.running)[:self.chance.randint(0, 2)]:
                task = self.world.stated[int(attempt.partition(".")[0])].task
                lasts = LASTS.get(task.category or "", 5.0) * self.chance.uniform(0.8, 1.0)
                outcome = wire.FINISHED if self.chance.random() < 0.95 else wire.BROKEN
                usage = wire.Usage(40.0, 1.0, 1.0, lasts, lasts)
                self.world.finish(executor, attempt, outcome, reason="so", usage=usage)

    def time(self) -> None:
        self.world.pass_time(self.chance.choice([0.5, 1.0, 5.0, 20.0]))

    def offers(self) -> None:
        for name, master in self.world.masters.items():
            if not master.suppressed:
                self.world.offer(name)

    def dies(self) -> None:
        if self.world.live():
            self.world.die(self.chance.choice(self.world.live()))

    def cancel(self) -> None:
        waiting = [record.task.id for record in self.world.core.state.queue]
        if waiting:
            self.world.send(ev.TaskWithdrawn(self.chance.choice(waiting)))

    def restart(self) -> None:
        self.world.restart()

    def cluster_ends(self) -> None:
        there = [name for name, master in self.world.masters.items() if not master.ended]
        if len(there) > 1:
            self.world.end_framework(self.chance.choice(there))

    def check_holds(self) -> None:
        """Each has a deadline ahead, and is the only one of its task."""
        state = self.world.core.state
        for hold in state.holds:
            assert hold.until > state.now
        assert len({hold.task_id for hold in state.holds}) == len(state.holds)


@pytest.mark.timeout(280)
def test_held_claims_under_random_events(monkeypatch):
    """Every task is reported once in the end, no claim is left, and there were holds in which others ran."""
    seen: Counter[str] = Counter()

    def noted(state: State, decision: Decision) -> None:
        seen["holds"] += isinstance(decision, Hold)
        apply(state, decision)

    def picked(places: list[beside.Place], candidates: list[beside.Candidate]) -> beside.Candidate | None:
        found = pick(places, candidates)
        seen["beside"] += found is not None
        return found

    apply, pick = applying.apply, beside.pick
    monkeypatch.setattr("mfmesos.core.filling.apply", noted)
    monkeypatch.setattr(beside, "pick", picked)
    for seed in range(12):
        events = Events(seed)
        for _ in range(STEPS):
            events.step()
            events.check_holds()
        events.world.send(ev.NoMoreTasks())
        for name, cluster in events.world.core.state.clusters.items():
            if not cluster.connected:
                events.world.register(name)
        events.world.run_to_end()
        assert len(events.world.reports) == events.submitted
        assert not events.world.core.state.claims
    assert seen["holds"] >= 50
    assert seen["beside"] >= 10, seen
