"""A synthetic workload: categories of tasks with distributions of what they take, and a process of arrivals."""
from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from mfmesos.core.model import Request
from mfmesos.shared.bounds import AMOUNT, BOUND, SECONDS, SOME
from mfmesos.shared.messages import simulate as m
from mfmesos.simulate.checked_json import Checked
from mfmesos.simulate.workload_model import SimTask

PEAK = "peak"
"""A request of what the task will take, rounded up as a user would."""
DIGITS = 2


@dataclass(frozen=True)
class Spread:
    """A lognormal distribution around a median; around one of several multiples of it (`modes`), or around one that
    changes from the first task of the category to the last (`drift`).
    """

    median: float
    sigma: float = 0.0
    modes: tuple[float, ...] = ()
    drift: tuple[float, ...] = ()
    per_input_mb: float = 0.0
    """Added to the median for each MB of input."""
    most: float = math.inf

    def draw(self, rng: random.Random, done: float, input_mb: float = 0.0) -> float:
        """`done`: the part of the workload that came before, between 0 and 1."""
        value = self.median + self.per_input_mb * input_mb
        if self.modes:
            value *= rng.choice(self.modes)
        if self.drift:
            value *= self.drift[0] + (self.drift[-1] - self.drift[0]) * done
        if self.sigma:
            value *= math.exp(rng.gauss(0.0, self.sigma))
        return min(value, self.most)


@dataclass(frozen=True)
class Category:
    name: str
    share: float
    cores: float
    seconds: Spread
    memory_mb: Spread
    disk_mb: Spread
    input_mb: Spread | None
    requests: tuple[tuple[str, float | str], ...]


@dataclass(frozen=True)
class Mix:
    """Makes the same tasks each time it is read."""

    tasks: int
    categories: tuple[Category, ...]
    per_s: float = 0.0
    """Mean rate of a Poisson process; 0: see `burst`."""
    burst: int = 0
    """So many at a time, every `every_s`; 0: all at the start."""
    every_s: float = 0.0
    seed: str = ""

    def __iter__(self) -> Iterator[SimTask]:
        rng = random.Random(f"mix {self.seed}")
        weights = [c.share for c in self.categories]
        at_s = 0.0
        for number in range(self.tasks):
            if self.per_s:
                at_s += rng.expovariate(self.per_s)
            elif self.burst:
                at_s = number // self.burst * self.every_s
            category, = rng.choices(self.categories, weights)
            yield _task(category, number + 1, number / self.tasks, at_s, rng)


def _task(category: Category, number: int, done: float, at_s: float, rng: random.Random) -> SimTask:
    input_mb = category.input_mb.draw(rng, done) if category.input_mb is not None else None
    memory_mb = category.memory_mb.draw(rng, done, input_mb or 0.0)
    disk_mb = category.disk_mb.draw(rng, done, input_mb or 0.0)
    peaks = {"cores": category.cores, "memory_mb": rounded_up(memory_mb), "disk_mb": rounded_up(disk_mb)}
    asked = {key: peaks[key] if value == PEAK else float(value) for key, value in category.requests}
    return SimTask(
        number, category.name, category.seconds.draw(rng, done, input_mb or 0.0), category.cores, memory_mb, disk_mb,
        Request(asked.get("cores"), asked.get("memory_mb"), asked.get("disk_mb")), input_mb, at_s)


def rounded_up(amount: float) -> float:
    """To two digits: 1,024 is requested as 1,100."""
    if amount <= 0:
        return amount
    step = 10.0 ** (math.floor(math.log10(amount)) - DIGITS + 1)
    return math.ceil(amount / step - 1e-9) * step


def mix_of(data: Checked, seed: int) -> Mix:
    """From the object of a workload file; raises ConfigError."""
    arrivals = data.part("arrivals")
    per_s, burst = arrivals.number("per_s", 0.0), int(arrivals.number("burst", 0))
    every_s = arrivals.number("every_s", 0.0, SECONDS)
    arrivals.finish()
    categories = tuple(_category(part) for part in data.parts("categories"))
    if not categories:
        data.wrong("categories", [], m.WANT_CATEGORIES())
    return Mix(int(data.number("tasks", 1000, SOME)), categories, per_s, burst, every_s, str(seed))


def _category(data: Checked) -> Category:
    made = Category(
        data.text("name"), data.number("share", 1.0, BOUND), data.number("cores", 1.0, BOUND),
        _spread(data, "seconds", 60.0), _spread(data, "memory_mb", 500.0), _spread(data, "disk_mb", 10.0),
        _spread(data, "input_mb", 0.0) if "input_mb" in data else None, _requests(data))
    data.finish()
    return made


def _spread(data: Checked, key: str, default: float) -> Spread:
    """A number, or an object with its distribution."""
    value = data.any(key, default)
    if not isinstance(value, dict):
        return Spread(data.number(key, default))
    part = data.part(key)
    sigma = part.number("sigma", 0.0)
    median = part.number("median", default) if "mean" not in part else part.number("mean") / math.exp(sigma * sigma / 2)
    made = Spread(median, sigma, part.numbers("modes"), part.numbers("drift"), part.number("per_input_mb", 0.0),
                  part.number("most", AMOUNT.most))
    part.finish()
    return made


def _requests(data: Checked) -> tuple[tuple[str, float | str], ...]:
    part = data.part("requests")
    found: list[tuple[str, float | str]] = []
    for key in ("cores", "memory_mb", "disk_mb"):
        if key in part:
            value = part.any(key)
            found.append((key, PEAK if value == PEAK else part.number(key, bounds=BOUND)))
    part.finish()
    return tuple(found or [("cores", PEAK)])
