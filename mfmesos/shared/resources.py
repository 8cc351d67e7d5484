"""Amounts of resources, by name: the one type of core, wire and executor. Standard library only, Python 3.8 or newer.

Cores, memory, disk and GPUs have places of their own in the tuple, since nearly every run has only these; any other
scalar of Mesos (licences, bandwidth, ...) is a pair of name and amount in `others`. Arithmetic on the four costs the
same whether or not others exist elsewhere in the cluster (docs/performance.md, Core).

A set or a range of Mesos (ids of GPUs, ports; not given out yet) has room here by its number of items: ("ports", 2).
Sizes, bounds and matching need no more than this number. Which items these are lies beside the vector, name -> items,
where they are given out: of an offer in Offer.raw_resources, of a claim and of an attempt in their own records.
"""
from __future__ import annotations

import sys
from operator import add, sub
from typing import Callable, Iterable, Mapping, NamedTuple, Tuple

SLACK = 0.0005
"""Mesos counts in thousandths."""
ZERO = 1e-9
"""What is left of an amount below this is a rounding error."""
MOST_NAME = 60
"""Characters of a name."""
RESERVED_NAMES = frozenset({"cores", "memory", "memory_mb", "disk_mb", "wall_time"})
"""Our own words for what Mesos calls otherwise."""
Named = Tuple[Tuple[str, float], ...]
"""Amounts by name, in the order of the names, each other than 0."""
_new = tuple.__new__


def is_name(text: str) -> bool:
    """Whether one of `others` may be called so: a letter, then letters, digits, dots, hyphens and underscores."""
    rest = text.replace("_", "").replace("-", "").replace(".", "")
    return text.isascii() and text[:1].isalpha() and rest.isalnum() and len(text) <= MOST_NAME


def named(amounts: Mapping[str, float]) -> Named:
    """The amounts as a value; names are interned, so that comparing them costs nothing."""
    return tuple((sys.intern(name), amounts[name]) for name in sorted(amounts) if abs(amounts[name]) > ZERO)


class Resources(NamedTuple):
    """Cores, memory and disk (MB), GPUs and others: of an offer, a claim, an agent, or an allocation."""

    cores: float = 0.0
    memory_mb: float = 0.0
    disk_mb: float = 0.0
    gpus: float = 0.0
    others: Named = ()

    def fits_in(self, other: Resources) -> bool:
        """Whether `other` has at least this much of everything (within Mesos's precision of 0.001)."""
        return (
            self[0] <= other[0] + SLACK and self[1] <= other[1] + SLACK and self[2] <= other[2] + SLACK
            and self[3] <= other[3] + SLACK and (not (self[4] or other[4]) or _fit(self[4], other[4]))
        )

    def __add__(self, other: Resources) -> Resources:  # type: ignore[override]
        a, b, c, d, e = self
        f, g, h, i, j = other
        return _new(Resources, (a + f, b + g, c + h, d + i, e if not j else j if not e else _joined(e, j, add)))

    def __sub__(self, other: Resources) -> Resources:
        a, b, c, d, e = self
        f, g, h, i, j = other
        return _new(Resources, (a - f, b - g, c - h, d - i, e if not j else _joined(e, j, sub)))

    def __mul__(self, factor: float) -> Resources:  # type: ignore[override]
        a, b, c, d, e = self
        return _new(Resources, (
            a * factor, b * factor, c * factor, d * factor, e and named({n: v * factor for n, v in e})))

    def at_least_zero(self) -> Resources:
        a, b, c, d, e = self
        return _new(Resources, (
            a if a > 0.0 else 0.0, b if b > 0.0 else 0.0, c if c > 0.0 else 0.0, d if d > 0.0 else 0.0,
            e and tuple(one for one in e if one[1] > 0.0)))

    def at_most(self, other: Resources) -> Resources:
        """The smaller amount of each resource."""
        a, b, c, d, e = self
        f, g, h, i, j = other
        return _new(Resources, (a if a < f else f, b if b < g else g, c if c < h else h, d if d < i else i,
                                _joined(e, j, min) if e or j else ()))

    def at_least(self, other: Resources) -> Resources:
        """The larger amount of each resource."""
        a, b, c, d, e = self
        f, g, h, i, j = other
        return _new(Resources, (a if a > f else f, b if b > g else g, c if c > h else h, d if d > i else i,
                                _joined(e, j, max) if e or j else ()))

    def bounded(self, cores: float, memory_mb: float) -> Resources:
        """No more cores and memory than that."""
        return self._replace(cores=min(self.cores, cores), memory_mb=min(self.memory_mb, memory_mb))

    def of(self, name: str) -> float:
        """The amount of the resource with that name: a field of this class, or Mesos's name of another one."""
        return float(getattr(self, name)) if name in FIELDS else dict(self.others).get(name, 0.0)

    def rest(self) -> str:
        """GPUs and others as Mesos writes them: "gpus:1;licences:2"."""
        gpus: Named = (("gpus", self.gpus),) if self.gpus else ()
        return ";".join(f"{name}:{amount:g}" for name, amount in (*gpus, *self.others))

    def names(self) -> tuple[str, ...]:
        """Of every resource that it can have, or has."""
        return (*FIELDS, *(name for name, _ in self.others))

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} gpus" if self.gpus else ""
        others = "".join(f", {amount:g} {name}" for name, amount in self.others)
        return f"{self.cores:g} cores, {self.memory_mb:g} MB memory, {self.disk_mb:g} MB disk{gpus}{others}"


FIELDS = Resources._fields[:4]
"""The resources with a place of their own."""


def four(amounts: Iterable[float]) -> Resources:
    """From the amounts of FIELDS, in their order."""
    cores, memory_mb, disk_mb, gpus = amounts
    return Resources(cores, memory_mb, disk_mb, gpus)


def _joined(one: Named, other: Named, how: Callable[[float, float], float]) -> Named:
    """What `how` makes of both amounts of each name; a missing one is 0. Both are in order, so no dict is needed."""
    found, i, j = [], 0, 0
    while i < len(one) or j < len(other):
        if j == len(other) or (i < len(one) and one[i][0] < other[j][0]):
            name, amount = one[i][0], how(one[i][1], 0.0)
            i += 1
        elif i == len(one) or other[j][0] < one[i][0]:
            name, amount = other[j][0], how(0.0, other[j][1])
            j += 1
        else:
            name, amount = one[i][0], how(one[i][1], other[j][1])
            i, j = i + 1, j + 1
        if amount > ZERO or amount < -ZERO:
            found.append((name, amount))
    return tuple(found)


def _fit(need: Named, room: Named) -> bool:
    return all(left >= -SLACK for _, left in (_joined(room, need, sub) if need else room))
