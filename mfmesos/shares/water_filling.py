"""Divides cores among claimants by weight: nobody gets more than its demand; the rest goes to the others."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

EPS = 0.0005


@dataclass(frozen=True)
class Claimant:
    """`unit` is the smallest useful amount; `floor` is granted before anybody gets more."""

    name: str
    demand: float
    weight: float = 1.0
    floor: float = 0.0
    unit: float = 1.0


def share(claimants: Sequence[Claimant], total: float) -> dict[str, float]:
    """Cores by name, in whole units: never more than `total`, nor than the demand."""
    if sum(c.demand for c in claimants) <= total + EPS:
        return {c.name: c.demand for c in claimants}
    given = fill([c for c in claimants if c.floor > 0], total, floors=True)
    left = max(total - sum(given.values()), 0.0)
    exact = fill(claimants, left + sum(given.values()), least=given)
    result = {c.name: max(math.floor((exact[c.name] + EPS) / c.unit) * c.unit, 0.0) for c in claimants}
    rest = total - sum(result.values())
    # The remainder of the rounding, to those who lost most by it.
    for c in sorted(claimants, key=lambda c: ((result[c.name] - exact[c.name]) / c.weight, c.name)):
        if c.unit <= rest + EPS and result[c.name] + c.unit <= c.demand + EPS:
            result[c.name] += c.unit
            rest -= c.unit
    return result


def fill(claimants: Sequence[Claimant], total: float, *, floors: bool = False,
         least: dict[str, float] | None = None) -> dict[str, float]:
    """Water filling, not rounded: everybody gets level * weight, but at least `least` and at most its demand."""
    least = least or {}
    top = {c.name: (c.floor if floors else c.demand) for c in claimants}
    low = {c.name: min(least.get(c.name, 0.0), top[c.name]) for c in claimants}
    # Where a claimant starts to grow, and where it is full.
    points = sorted({edge[c.name] / c.weight for c in claimants for edge in (low, top)})
    level, grown = 0.0, sum(low.values())
    for point in points:
        slope = sum(c.weight for c in claimants
                    if low[c.name] / c.weight <= level + 1e-12 and top[c.name] / c.weight > level + 1e-12)
        step = slope * (point - level)
        if grown + step >= total:
            level += (total - grown) / slope if slope > 0 and total > grown else 0.0
            break
        level, grown = point, grown + step
    return {c.name: min(max(level * c.weight, low[c.name]), top[c.name]) for c in claimants}
