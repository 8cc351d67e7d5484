"""The mix of tasks that a claim is sized for: what waits, and what has started lately and may come again."""
from __future__ import annotations

from collections.abc import Iterable

from mfmesos.core.model import Request, Resources
from mfmesos.core.needs import OVERRIDE
from mfmesos.core.sizing import PerCore

HEADROOM = 2.0
"""What was not requested is an estimate or a default: an attempt that exhausts it is given as many times more next
time, and may use what its claim has until then.
"""
LATELY_S = 600.0
"""Tasks of a category are expected to come again for so long after the last one started."""


class Mix:
    """By category, what tasks that started lately were given per core at most. `estimates` is needs.OFF, FILL or
    OVERRIDE.
    """

    def __init__(self, estimates: str) -> None:
        self._estimates = estimates
        self._most: dict[str, tuple[PerCore, float]] = {}

    def per_core(self, given: Resources, memory_mb: float | None, disk_mb: float | None) -> PerCore:
        """What goes with each core of a task that requested that (MB); nothing for tasks without cores."""
        if given.cores <= 0:
            return PerCore()
        trusted = self._estimates != OVERRIDE
        memory = given.memory_mb * (1.0 if trusted and memory_mb is not None else HEADROOM)
        disk = given.disk_mb * (1.0 if trusted and disk_mb is not None else HEADROOM)
        return PerCore(memory / given.cores, disk / given.cores)

    def started(self, category: str, given: Resources, request: Request, now: float) -> None:
        """A task of that category started at `now`, in seconds."""
        found = self.per_core(given, request.memory_mb, request.disk_mb)
        most, at = self._most.get(category, (found, now))
        if most != found and now - at < LATELY_S:
            found = found.at_least(most)
        self._most[category] = found, now

    def most(self, waiting: Iterable[PerCore], now: float) -> PerCore:
        """Of what waits, and of what has started lately."""
        self._most = {category: (most, at) for category, (most, at) in self._most.items() if now - at < LATELY_S}
        found = PerCore()
        for one in (*waiting, *(most for most, _ in self._most.values())):
            found = found.at_least(one)
        return found
