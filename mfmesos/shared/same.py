"""Equal values that many records hold, once in memory."""
from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 20_000


class Same(Generic[T]):
    """Hashable values; at most MOST of them are remembered."""

    def __init__(self) -> None:
        self._known: dict[T, T] = {}

    def of(self, value: T) -> T:
        """The first that was equal."""
        if len(self._known) >= MOST:
            self._known.clear()
        return self._known.setdefault(value, value)
