"""Numeric options, within the bounds of mfmesos/shared/bounds.py."""
from __future__ import annotations

import click

from mfmesos.shared.bounds import Bounds
from mfmesos.shared.messages import cli as m


class Number(click.ParamType):  # type: ignore[type-arg]
    """A finite number within bounds; anything else is bad usage, reported in one line."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.name = "integer" if bounds.whole else "number"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float | int:
        """The number from an option's text, or its default."""
        number: object = value
        if isinstance(value, str):
            try:
                number = int(value) if self._bounds.whole else float(value)
            except ValueError:
                number = None
        if not self._bounds.holds(number):
            self.fail(m.NUMBER_OUT_OF_BOUNDS(value=str(value)[:40], bounds=self._bounds), param, context)
        assert isinstance(number, (int, float))
        return number
