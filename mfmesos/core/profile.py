"""What is free of a claim from now on: what runs ends, and planned starts take of it for as long as they will run."""
from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

from mfmesos.core.model import Resources


class Profile:
    """Times, each with what is free from then until the next one. All operations cost as much as there are times."""

    def __init__(self, now: float, free: Resources, ends: Iterable[tuple[float, Resources]]) -> None:
        """`ends`: when what runs will have ended, and what it leaves. What never ends leaves nothing."""
        self._times, self._free = [now], [free]
        for at, left in sorted((end for end in ends if end[0] < math.inf), key=lambda end: end[0]):
            free = free + left
            if at > self._times[-1]:
                self._times.append(at)
                self._free.append(free)
            else:
                self._free[-1] = free

    def earliest(self, need: Resources, lasts_s: float) -> float:
        """When that much is free for so long; infinity: never, as far as known."""
        start = 0
        while start < len(self._times):
            until = self._times[start] + lasts_s
            for at in range(start, len(self._times)):
                if self._times[at] >= until and at > start:
                    return self._times[start]
                if not need.fits_in(self._free[at]):
                    start = at + 1
                    break
            else:
                return self._times[start]
        return math.inf

    def take(self, at: float, lasts_s: float, need: Resources) -> None:
        """From that time on, for so long."""
        if at < math.inf:
            first, end = self._cut(at), self._cut(at + lasts_s)
            for place in range(first, end):
                self._free[place] = self._free[place] - need

    def free_at(self, at: float) -> Resources:
        """Nothing after the end of all times."""
        return self._free[max(self._place(at), 0)] if at < math.inf else Resources()

    def _cut(self, at: float) -> int:
        """Where what begins at that time is; a new time has as much free as the one before."""
        if at == math.inf:
            return len(self._times)
        place = bisect_left(self._times, at)
        if place == len(self._times) or self._times[place] != at:
            self._times.insert(place, at)
            self._free.insert(place, self._free[max(place - 1, 0)])
        return place

    def _place(self, at: float) -> int:
        place = bisect_left(self._times, at)
        return place if place < len(self._times) and self._times[place] == at else place - 1
