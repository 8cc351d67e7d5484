"""Takes the spot whose free resources match what the task needs.

Of what is free there the task takes a part of each resource. Where these parts are equal nothing is left that no task
can use; so the spot is taken where the parts lie nearest to the largest of them. Like rPS-DSF and BF-DRF (Shan et al.,
arXiv 1803.00922) it counts what is left, and not what an agent has.
"""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.dominance import dominant, parts
from mfmesos.core.policies.protocols import Placement, Spot


class BestFit(Placement):
    compares = True

    def rank(self, spot: Spot) -> float:
        """Fuller ones are compared first: they have the least choice."""
        return -dominant(spot.used, spot.whole)

    def cost(self, spot: Spot, need: Resources) -> float:
        taken = parts(need, spot.free)
        most = max(taken)
        return sum(1.0 - part / most for part in taken) if most > 0 else 0.0
