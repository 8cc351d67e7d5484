"""Made workflows for the estimator's tests: kinds of tasks whose peaks follow a known law. Seeded."""
from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Callable

from mfmesos.estimates.replay import Row

Law = Callable[[random.Random, float, float, int, int], float]
"""(randomness, the category's base, input size, number of the task, of how many) to its peak in MB."""

KINDS: dict[str, Law] = {
    "constant": lambda r, base, x, i, n: base,
    "normal": lambda r, base, x, i, n: base * max(0.1, 1 + r.gauss(0, 0.1)),
    "lognormal": lambda r, base, x, i, n: base * math.exp(r.gauss(0, 0.5)),
    "bimodal": lambda r, base, x, i, n: base * r.choice([1, 5]) * (1 + r.gauss(0, 0.02)),
    "linear": lambda r, base, x, i, n: base * (0.1 + x / 30) * max(0.1, 1 + r.gauss(0, 0.05)),
    "rising": lambda r, base, x, i, n: base * (1 + 3 * i / n) * max(0.1, 1 + r.gauss(0, 0.05)),
    "falling": lambda r, base, x, i, n: base * (4 - 3 * i / n) * max(0.1, 1 + r.gauss(0, 0.05)),
    "blocks": lambda r, base, x, i, n: base * (0.2, 3.0, 1.0, 0.4)[i // 20 % 4] * (1 + r.gauss(0, 0.03)),
}


def workflow(kind: str, seed: int, categories: int, samples: tuple[int, int]) -> list[Row]:
    """Categories of one kind, mixed; each has between `samples` tasks, and declares its largest peak rounded up to
    250 MB."""
    r = random.Random(f"{kind} {seed} {categories}")
    tasks: list[tuple[float, Row]] = []
    for c in range(categories):
        base, n = math.exp(r.gauss(6.5, 0.6)), r.randint(*samples)
        times = sorted(r.random() for _ in range(n))
        inputs = [math.exp(r.gauss(3, 0.7)) for _ in range(n)]
        peaks = [max(1.0, KINDS[kind](r, base, inputs[i], i, n)) for i in range(n)]
        declared = math.ceil(max(peaks) / 250) * 250.0
        tasks += [
            (times[i], Row(f"{kind}{c}", peaks[i], math.exp(r.gauss(3, 0.5)), declared, inputs[i])) for i in range(n)]
    rows, before = [], ""
    for _, row in sorted(tasks, key=lambda task: task[0]):
        rows.append(replace(row, context=before))
        before = row.category
    return rows


def with_times(rows: list[Row], slots: int) -> list[Row]:
    """The same tasks as `slots` slots would run them, each as soon as one is free."""
    free = [0.0] * slots
    result = []
    for row in rows:
        slot = min(range(slots), key=free.__getitem__)
        start, free[slot] = free[slot], free[slot] + row.seconds
        result.append(replace(row, start_s=start, end_s=start + row.seconds))
    return result
