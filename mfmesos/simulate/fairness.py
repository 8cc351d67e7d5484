"""What each of several frameworks is due of a cluster, and how much of that it lacks."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ROUNDS = 40
FAIR = 0.9
"""A framework that has this part of its fair share is treated fairly."""


class Claimed(NamedTuple):
    """Parts of the cluster, by resource, between 0 and 1 (demand may be more)."""

    demand: tuple[float, ...]
    """What it holds and what it could use besides."""
    holds: tuple[float, ...]
    weight: float = 1.0


def fair_shares(claims: Sequence[Claimed]) -> list[float]:
    """The dominant share that each is due: as large as those of all others by weight, but no larger than its demand,
    with no resource given out twice (dominant resource fairness, capped by demand).
    """
    wanted = [max(c.demand, default=0.0) for c in claims]

    def fits(level: float) -> bool:
        given = [min(level * c.weight, w) for c, w in zip(claims, wanted)]
        parts = [[g * d / w for d in c.demand] for c, g, w in zip(claims, given, wanted) if w > 0]
        return all(sum(column) <= 1.0 + 1e-9 for column in zip(*parts))

    high = max((w / c.weight for c, w in zip(claims, wanted)), default=0.0)
    if fits(high):
        return wanted
    low = 0.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return [min(low * c.weight, w) for c, w in zip(claims, wanted)]


def jain(parts: Sequence[float]) -> float:
    """Jain's index of what each has of its fair share: 1 if all have the same part, 1 / n if one of n has all."""
    squares = sum(part * part for part in parts)
    return sum(parts) ** 2 / (len(parts) * squares) if squares else 1.0


def is_contended(claims: Sequence[Claimed]) -> bool:
    """Whether several want more than there is."""
    demands = [c.demand for c in claims if any(c.demand)]
    return len(demands) > 1 and any(sum(column) > 1.0 for column in zip(*demands))


@dataclass
class Fairness:
    """What is summed up of the frameworks of a cluster; over the time in which they want more than there is, but for
    `fair_after_s`.
    """

    frameworks: int
    contended_s: float = 0.0
    error_sum: float = 0.0
    """The fairness error is what all together lack of their fair shares."""
    error_most: float = 0.0
    jain_sum: float = 0.0
    lacks: list[float] = field(default_factory=list)
    """By framework: the part of its fair share that it lacked, times seconds."""
    fair_after_s: list[float | None] = field(default_factory=list)
    """By framework: how long after its first waiting task it had FAIR of its share; None: never."""
    _wants_since: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lacks = [0.0] * self.frameworks
        self.fair_after_s, self._wants_since = [None] * self.frameworks, [None] * self.frameworks

    def look(self, claims: Sequence[Claimed], now: float, seconds: float) -> None:
        """That is how things are, and have been for `seconds`."""
        contended = is_contended(claims)
        if not contended and None not in self.fair_after_s:
            return
        due, has = fair_shares(claims), [max(c.holds, default=0.0) for c in claims]
        for n, claim in enumerate(claims):
            since = self._wants_since[n]
            if since is None and any(claim.demand):
                since = self._wants_since[n] = now
            if since is not None and self.fair_after_s[n] is None and due[n] > 0 and has[n] >= FAIR * due[n]:
                self.fair_after_s[n] = now - since
        if not contended:
            return
        lacks = [max(0.0, d - h) for d, h in zip(due, has)]
        self.contended_s += seconds
        self.lacks = [one + lack * seconds for one, lack in zip(self.lacks, lacks)]
        self.error_sum += sum(lacks) * seconds
        self.error_most = max(self.error_most, sum(lacks))
        self.jain_sum += jain([h / d for d, h in zip(due, has) if d > 0]) * seconds
