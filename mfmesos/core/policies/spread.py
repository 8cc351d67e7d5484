"""Spreads tasks evenly: over agents, or over the values of an attribute such as the rack and, within each, over agents.

The spot with the fewest tasks of the run is taken. With it tasks share disks and networks of agents with few others,
and the loss of an agent or rack interrupts few.
"""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.protocols import Placement, Spot


class Spread(Placement):
    """`zones` is the attribute; empty: over agents alone."""

    even = True

    def __init__(self, zones: str = "") -> None:
        self.zones = zones

    def rank(self, spot: Spot) -> float:
        return float(spot.tasks)

    def cost(self, spot: Spot, need: Resources) -> float:
        return self.rank(spot)
