"""Takes the spot whose resources are then used most evenly: as large a part of the cores as of memory and disk."""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.dominance import dominant, parts
from mfmesos.core.policies.protocols import Placement, Spot


class Balanced(Placement):
    compares = True

    def rank(self, spot: Spot) -> float:
        """Emptier ones are compared first."""
        return dominant(spot.used, spot.whole)

    def cost(self, spot: Spot, need: Resources) -> float:
        """How far apart the parts are that would be in use of cores and memory."""
        cores, memory, _, _ = parts(spot.used + need, spot.whole)
        return abs(cores - memory)
