"""What each of several frameworks is due of a cluster, and how much of that it lacks."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ROUNDS = 40


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


def shortfalls(claims: Sequence[Claimed]) -> list[float]:
    """What each lacks of its fair share: their sum is the fairness error."""
    return [max(0.0, due - max(c.holds, default=0.0)) for c, due in zip(claims, fair_shares(claims))]


def is_contended(claims: Sequence[Claimed]) -> bool:
    """Whether several want more than there is."""
    demands = [c.demand for c in claims if any(c.demand)]
    return len(demands) > 1 and any(sum(column) > 1.0 for column in zip(*demands))
