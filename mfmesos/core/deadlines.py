"""Deadlines by key, of which only those that have passed are looked at."""
from __future__ import annotations

import heapq


class Deadlines:
    """At most one deadline per key: the earliest that was set since the key was last due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._set: dict[str, float] = {}

    def arm(self, key: str, at: float) -> None:
        """`key` is due at `at`, in the clock's seconds, if not earlier."""
        if at < self._set.get(key, float("inf")):
            self._set[key] = at
            heapq.heappush(self._heap, (at, key))

    def disarm(self, key: str) -> None:
        """Nothing is due for `key`."""
        self._set.pop(key, None)

    def due(self, now: float) -> list[str]:
        """The keys whose deadline has passed, each once; they have none now."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._set.get(key) == at:
                del self._set[key]
                found.append(key)
        return found

    def first(self) -> float | None:
        """The earliest deadline."""
        while self._heap:
            at, key = self._heap[0]
            if self._set.get(key) == at:
                return at
            heapq.heappop(self._heap)
        return None
