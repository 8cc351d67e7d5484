"""Dataclasses for values: nothing changes them after they are made, which mypy checks.

`dataclass(frozen=True)` also checks that at run time, and so assigns each field through a function: such a value takes
three times as long to make (docs/performance.md, Core).
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen):
        """The decorator: compared and hashed by its fields, as a frozen dataclass."""
        assert frozen
        return dataclass(unsafe_hash=True)

__all__ = ["value"]
