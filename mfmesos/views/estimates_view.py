"""Shows the estimates of each category as text: from the attempts of a history, with the code of a live run."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from mfmesos.core.attempt_record import Attempt
from mfmesos.estimates.estimated_needs import LEAST_MB
from mfmesos.estimates.estimator import Estimate, Estimator
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.learning import learn, newest
from mfmesos.shared.messages import views as m
from mfmesos.shared.phrases import counted, without_controls

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = ".:-=+*%#"
BINS = 24
MOST_DRAWN = 40
"""Categories in one picture; few programs can show a taller one."""
RESOURCES = (("memory", "measured_memory_mb", "MB"), ("disk", "measured_disk_mb", "MB"),
             ("cores", "measured_cores", "cores"), ("wall", "wall_s", "s"),
             ("gpu_memory", "measured_gpu_memory_mb", "MB"))


@dataclass(frozen=True)
class Category:
    """One category's attempts, oldest first."""

    name: str
    attempts: Sequence[Attempt]

    @property
    def finished(self) -> list[Attempt]:
        return [a for a in self.attempts if a.outcome == "finished"]

    def exhausted(self) -> int:
        return sum(a.outcome.startswith("exhausted:") for a in self.attempts)

    def values(self, column: str) -> list[float]:
        """The usage of finished tasks."""
        return [v for a in self.finished if (v := getattr(a, column)) is not None]

    def input_mb(self) -> float | None:
        """The median input size."""
        sizes = [a.input_mb for a in self.finished if a.input_mb is not None]
        return median(sizes) if sizes else None

    def waste(self) -> float | None:
        """Memory x time that was allocated beyond the usage, failed attempts included, divided by the usage."""
        used = spent = 0.0
        for a in self.attempts:
            if a.allocated_memory_mb is None or not a.wall_s:
                continue
            if a.outcome == "finished" and a.measured_memory_mb:
                used += a.measured_memory_mb * a.wall_s
                spent += max(a.allocated_memory_mb, a.measured_memory_mb) * a.wall_s
            elif a.outcome.startswith("exhausted:"):
                spent += a.allocated_memory_mb * a.wall_s
        return (spent - used) / used if used else None


def categories(attempts: Sequence[Attempt]) -> list[Category]:
    """By name; `attempts` oldest first."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.category, []).append(attempt)
    return [Category(name, groups[name]) for name in sorted(groups)]


def learned(groups: Sequence[Category], estimates: Estimates) -> None:
    """Learn as the scheduler does at the first task of a category: from its newest attempts."""
    for group in groups:
        for attempt, judge in newest(group.attempts):
            learn(estimates, attempt, judge=judge)


def estimator_of(estimates: Estimates, resource: str) -> Estimator:
    found: Estimator = getattr(estimates, resource)
    return found


def next_task(estimates: Estimates, group: Category, resource: str = "memory") -> Estimate:
    """The estimate for a task with an input of the usual size."""
    return estimator_of(estimates, resource).predict(group.name, group.input_mb())


def given(estimate: Estimate) -> float | None:
    """Memory or disk in MB, rounded as the scheduler does; None while unknown."""
    return max(float(math.ceil(estimate.allocation)), LEAST_MB) if estimate.samples else None


def histogram(values: Sequence[float], bars: str = BARS, bins: int = BINS) -> str:
    """One character per bin, from the smallest to the largest value; a space for an empty bin."""
    low, high = min(values), max(values)
    if high <= low:
        return bars[-1]
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / (high - low) * bins), bins - 1)] += 1
    most = max(counts)
    return "".join(" " if not n else bars[min(int(n / most * len(bars)), len(bars) - 1)] for n in counts)


def overview(groups: Sequence[Category], estimates: Estimates) -> list[str]:
    """A table with one line per category."""
    lines = ["attempts exhausted  median MB    most MB    next MB  usual s  waste  category"]
    for group in groups:
        memory, waste = group.values("measured_memory_mb"), group.waste()
        usual = estimates.seconds(group.name, group.input_mb())
        lines.append(
            f"{len(group.attempts):8d} {group.exhausted():9d} {_number(median(memory) if memory else None):>10} "
            f"{_number(max(memory, default=None)):>10} {_number(given(next_task(estimates, group))):>10} "
            f"{_number(usual):>8} {'-' if waste is None else f'{waste:.2f}':>6}  {without_controls(group.name)}")
    return lines


def details(group: Category, estimates: Estimates, bars: str = BARS) -> list[str]:
    """One category: each resource's distribution, the estimate for the next task, and its reason."""
    waste = group.waste()
    attempts, finished, exhausted = counted(len(group.attempts), "attempt"), len(group.finished), group.exhausted()
    lines = [without_controls(group.name), m.CATEGORY_COUNTS(attempts=attempts, finished=finished, exhausted=exhausted)
             if waste is None else m.CATEGORY_COUNTS_WASTE(
                 attempts=attempts, finished=finished, exhausted=exhausted, waste=waste)]
    if not group.finished:
        lines.append(m.NONE_FINISHED())
    for resource, column, unit in RESOURCES:
        values = group.values(column)
        if not values:
            continue
        lines += ["", f"{resource}: {_number(min(values))} {histogram(values, bars)} {_number(max(values))} {unit}, "
                      f"median {_number(median(values))} {unit}"]
        if resource in ("memory", "disk"):
            lines += [f"  {line}" for line in _allocations(group, estimator_of(estimates, resource))]
        elif resource == "cores":
            usual = estimates.cores.typical(group.name, group.input_mb())
            lines.append(f"  {m.USUAL_CORES(cores=_number(usual))}")
        elif resource == "wall":
            lines.append(f"  {m.USUAL_TIME(seconds=_number(estimates.seconds(group.name, group.input_mb())))}")
    return lines


def _allocations(group: Category, estimator: Estimator) -> list[str]:
    """For the usual input size, and for the extreme sizes if they change it."""
    sizes = sorted({a.input_mb for a in group.finished if a.input_mb is not None})
    usual = estimator.predict(group.name, group.input_mb())
    lines = [m.NEXT_TASK_GETS(amount=_number(given(usual)), why=usual.why, waste=usual.expected_waste,
                              retries=100 * usual.expected_retries)]
    for size in dict.fromkeys((*sizes[:1], *sizes[-1:])):
        other = estimator.predict(group.name, size)
        if abs((given(other) or 0.0) - (given(usual) or 0.0)) > 0.05 * usual.allocation:
            lines.append(m.WITH_AN_INPUT(size=_number(size), amount=_number(given(other))))
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def plot(groups: Sequence[Category], estimates: Estimates, path: str) -> int:
    """Draw memory and the next task's estimate for the MOST_DRAWN categories with most attempts; returns the number of
    categories left out. Raises ImportError without matplotlib, OSError and ValueError for a file that cannot be
    written.
    """
    from matplotlib.figure import Figure

    measured = [g for g in groups if g.values("measured_memory_mb")]
    drawn = sorted(measured, key=lambda g: len(g.attempts), reverse=True)[:MOST_DRAWN]
    figure = Figure(figsize=(7, 1 + 2.2 * max(len(drawn), 1)), layout="constrained")
    for axes, group in zip(figure.subplots(max(len(drawn), 1), squeeze=False)[:, 0], drawn):
        axes.hist(group.values("measured_memory_mb"), bins=BINS)
        amount = given(next_task(estimates, group))
        if amount is not None:
            axes.axvline(amount, color="red", label="the next task gets")
            axes.legend()
        axes.set(xlabel="memory, MB", ylabel="tasks")
        # Commands contain $.
        axes.set_title(without_controls(group.name), parse_math=False)
    figure.savefig(path)
    return len(measured) - len(drawn)
