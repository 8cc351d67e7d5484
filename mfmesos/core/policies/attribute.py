"""Prefers agents that have an attribute: with any value, or with one."""
from __future__ import annotations

from mfmesos.core.model import Resources
from mfmesos.core.policies.protocols import Placement, Spot


class PreferAttribute(Placement):
    """`wanted` is NAME or NAME=VALUE."""


    def __init__(self, wanted: str) -> None:
        self._name, given, value = wanted.partition("=")
        self._value = value if given else None

    def rank(self, spot: Spot) -> float:
        has = spot.attributes.get(self._name)
        return 0.0 if has is not None and self._value in (None, has) else 1.0

    def cost(self, spot: Spot, need: Resources) -> float:
        return self.rank(spot)
