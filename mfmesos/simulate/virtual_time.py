"""A clock that jumps from one event to the next."""
from __future__ import annotations

import heapq
import itertools
from typing import Callable


class VirtualTime:
    """Calls in the order of their times; those of the same time in the order in which they were made."""

    def __init__(self) -> None:
        self.now = 0.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call it at that time, or at once if the time has passed."""
        heapq.heappush(self._calls, (max(when, self.now), next(self._number), call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.at(self.now + seconds, call)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """For ever, first after `seconds`."""
        def again() -> None:
            call()
            self.after(seconds, again)

        self.after(seconds, again)

    def run(self, done: Callable[[], bool], until: float) -> bool:
        """Until `done`, or that time; returns whether it is done."""
        while not done():
            if not self._calls or self._calls[0][0] > until:
                self.now = max(self.now, until)
                return False
            self.now, _, call = heapq.heappop(self._calls)
            call()
        return True
