"""A task starts where its inputs lie, or in the first claim with room; claims are opened on offers as they come."""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.protocols import Placement, Spot


class FirstFit(Placement):
    indifferent = True

    def rank(self, spot: Spot) -> float:
        return 0.0

    def cost(self, spot: Spot, need: Resources) -> float:
        return 0.0
