"""Takes the agent whose network is used least: of its attribute network_mbps the smallest part, by tasks of the run.

Tasks that move much data over one link hinder each other. What a task takes is its constraint of that attribute; tasks
without one start where the network is used least as well.
"""
from __future__ import annotations

from mfmesos.core.model import NETWORK, Resources
from mfmesos.core.policies.protocols import Placement, Spot

UNKNOWN = 2.0
"""Of an agent without the attribute: it comes after all others."""


class LeastNetwork(Placement):
    compares = True

    def rank(self, spot: Spot) -> float:
        """The part of the agent's network that is taken."""
        try:
            has = float(spot.attributes.get(NETWORK, 0.0))
        except ValueError:
            return UNKNOWN
        return spot.taken.get(NETWORK, 0.0) / has if has > 0 else UNKNOWN

    def cost(self, spot: Spot, need: Resources) -> float:
        return self.rank(spot)
