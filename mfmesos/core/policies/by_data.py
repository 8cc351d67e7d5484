"""A task starts where most bytes of its inputs lie.

Unlike with `first` every task is looked at by itself when it may start, and all claims that have some of its inputs.
"""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.protocols import Spot


class ByData:
    indifferent = False
    compares = False
    even = False

    def rank(self, spot: Spot) -> float:
        return 0.0

    def cost(self, spot: Spot, need: Resources) -> float:
        """Equal everywhere: among equal ones the bytes count."""
        return 0.0
