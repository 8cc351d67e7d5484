"""Fills one agent after the other, so that as few as possible are used.

The fullest spot with room is taken, by its dominant resource: the one of which the largest part is in use. With it a
cluster keeps room for large tasks, and agents that nobody uses can be given to others.
"""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.dominance import dominant
from mfmesos.core.policies.protocols import Placement, Spot


class Pack(Placement):
    def rank(self, spot: Spot) -> float:
        return -dominant(spot.used, spot.whole)

    def cost(self, spot: Spot, need: Resources) -> float:
        return self.rank(spot)
