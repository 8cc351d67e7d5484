"""The waiting shapes with constraints, by what they depend on: an end or a start may let some of them start."""
from __future__ import annotations

from collections.abc import Mapping

from mfmesos.core.model import OF_RUN, Constraint
from mfmesos.core.records import Shape

TAKING = ("takes", OF_RUN)


class Constrained:
    """All operations cost as much as the shape has constraints."""

    def __init__(self) -> None:
        self._shapes: dict[Shape, None] = {}
        self._taking: dict[tuple[str, str], dict[Shape, None]] = {}
        self._counting: dict[tuple[Constraint, str], dict[Shape, None]] = {}

    def __len__(self) -> int:
        return len(self._shapes)

    def add(self, shape: Shape) -> None:
        self._shapes[shape] = None
        for one in shape.where:
            if one.op in TAKING:
                self._taking.setdefault((one.op, one.attribute), {})[shape] = None
            elif one.counted:
                self._counting.setdefault((one, shape.scope), {})[shape] = None

    def discard(self, shape: Shape) -> None:
        """Also one that is unknown."""
        if shape not in self._shapes:
            return
        del self._shapes[shape]
        for one in shape.where:
            if one.op in TAKING:
                self._taking.get((one.op, one.attribute), {}).pop(shape, None)
            elif one.counted:
                self._counting.get((one, shape.scope), {}).pop(shape, None)

    def taking(self, op: str, attribute: str) -> Mapping[Shape, None]:
        """Those that use up the attribute, or the counter of the run."""
        return self._taking.get((op, attribute), {})

    def counting(self, one: Constraint, scope: str) -> Mapping[Shape, None]:
        """Those for whose constraint tasks of the scope are counted."""
        return self._counting.get((one, scope), {})
