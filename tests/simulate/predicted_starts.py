"""How well the starts of waiting tasks are predicted: the live core in virtual time, simulated twice. The first
simulation says when each task starts, the second asks for a prediction when half of its wait is over.
"""
from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Request, Resources
from mfmesos.core.policy import Policy
from mfmesos.core.waiting import why_waiting
from mfmesos.shared import wire
from mfmesos.simulate.cluster_files import load_cluster
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Costs
from mfmesos.simulate.simulation import Simulation
from mfmesos.simulate.workload_files import load_workload
from mfmesos.simulate.workload_model import SimTask, Workload

NEAR_S, NEAR_PART = 5.0, 0.2
LEAST_WAIT_S = 2.0
"""Those that wait for less are started in the next rounds of offers."""


class Asked(NamedTuple):
    """A task that waited, and what was predicted when half of its wait was over."""

    wait_s: float
    start_s: float
    predicted_s: float | None

    @property
    def near(self) -> bool:
        """Within NEAR_S or NEAR_PART of the wait."""
        return self.predicted_s is not None and abs(self.predicted_s - self.start_s) <= max(
            NEAR_S, NEAR_PART * self.wait_s)


def _starts(simulation: Simulation) -> tuple[dict[int, float], dict[int, float]]:
    """By task: when it was submitted, and when its first attempt started. Runs the simulation."""
    measures, begins, starts = simulation.runs[0].measures, dict[int, float](), dict[int, float]()
    submitted, started = measures.submitted, measures.started

    def on_submitted(task: SimTask, now: float) -> None:
        begins[task.id] = now
        submitted(task, now)

    def on_started(run: wire.Run, now: float) -> None:
        starts.setdefault(int(run.attempt.partition(".")[0]), now)
        started(run, now)

    measures.submitted, measures.started = on_submitted, on_started  # type: ignore[method-assign]
    simulation.run()
    return begins, starts


def recorded(simulation: Simulation) -> ev.HistoryLoaded:
    """What the history has of its run for the next one. Runs the simulation."""
    core, found = simulation.runs[0].core, list[Attempt]()
    handle_all = core.handle_all

    def handled(events: tuple[ev.Event, ...], now: float) -> list[act.Action]:
        actions = list(handle_all(events, now))
        found.extend(one.attempt for one in actions if isinstance(one, act.RecordAttempt))
        return actions

    core.handle_all = handled  # type: ignore[method-assign]
    simulation.run()
    return ev.HistoryLoaded(tuple(found))


def with_history(simulation: Simulation, history: ev.HistoryLoaded) -> Simulation:
    simulation.runs[0].post(history)
    return simulation


def asked(make: Callable[[], Simulation], most: int, seed: int = 1) -> list[Asked]:
    """`make`: the same simulation each time, of one run. At most `most` of its waiting tasks, by chance."""
    begins, starts = _starts(make())
    waited = [task for task in starts if starts[task] - begins[task] >= LEAST_WAIT_S]
    chosen = random.Random(seed).sample(waited, min(most, len(waited)))
    found: dict[int, float | None] = {}
    again = make()

    def look(task: int) -> None:
        waiting = why_waiting(again.runs[0].core.state, task)
        assert waiting is not None
        found[task] = waiting.start_at

    for task in chosen:
        again.time.at((begins[task] + starts[task]) / 2, lambda task=task: look(task))
    assert _starts(again)[1] == starts  # asking changes nothing
    return [Asked(starts[task] - begins[task], starts[task], found[task]) for task in chosen]


def _simulated(workload: str, cluster: str, seed: int, tasks: int | None = None, **policy: object) -> Simulation:
    made = load_workload(workload, seed)
    some = list(itertools.islice(made.tasks, tasks))
    return Simulation(load_cluster(cluster), [replace(made, tasks=some)], Policy(**policy), seed)


def _equal(seed: int) -> Simulation:
    """400 tasks of one kind and 60 s on 16 cores."""
    rng = random.Random(seed)
    return Simulation(SMALL, [Workload("equal", [
        SimTask(n, "work", 60.0 * rng.lognormvariate(0.0, 0.1), request=Request(1.0, 200.0, 10.0), memory_mb=100.0)
        for n in range(1, 401)])], Policy(), seed)


def _two_steps(seed: int) -> Simulation:
    """Tasks of two categories in turn, one core and four, on 16 cores."""
    rng = random.Random(seed)
    return Simulation(SMALL, [Workload("two", [SimTask(
        n, "narrow" if n % 4 else "wide", (40.0 if n % 4 else 100.0) * rng.lognormvariate(0.0, 0.3),
        1.0 if n % 4 else 4.0, 100.0, request=Request(1.0 if n % 4 else 4.0, 200.0, 10.0)) for n in range(1, 401)])],
        Policy(), seed)


def _short(seed: int) -> Simulation:
    """4,000 tasks of about 2 s on 16 cores."""
    rng = random.Random(seed)
    return Simulation(SMALL, [Workload("short", [
        SimTask(n, "work", 2.0 * rng.lognormvariate(0.0, 0.4), request=Request(1.0, 200.0, 10.0), memory_mb=100.0)
        for n in range(1, 4001)])], Policy(), seed)


SMALL = Cluster("small", (AgentGroup(2, Resources(8, 16384, 100_000)),), Costs(start_s=1.0))
SCENES: dict[str, Callable[[int], Simulation]] = {
    "one kind, 60 s": _equal, "two kinds, 1 and 4 cores": _two_steps, "short, 2 s": _short,
    "mix of three kinds, 20 agents": lambda seed: _simulated("mix", "lab", seed, 1000),
    "the same on a laptop": lambda seed: _simulated("mix", "laptop", seed, 150),
    "beside a greedy framework": lambda seed: _simulated("mix", "shared", seed, 150)}
