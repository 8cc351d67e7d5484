"""The bounds of every number that a user can set, in whichever place: options, settings files, task files."""
from __future__ import annotations

import math
from typing import Any

from mfmesos.shared.values import value

MOST = 1e12
"""No machine has more of any resource; a larger number is a mistake."""
LONGEST_S = 1e9
"""About 30 years."""


@value(frozen=True)
class Bounds:
    """From `least` to `most`; `above`: `least` itself is invalid."""

    least: float
    most: float
    whole: bool = False
    above: bool = False

    def holds(self, value: Any) -> bool:
        """Whether `value` is a finite number (true and false are not numbers) within the bounds."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        if self.whole and value != int(value):
            return False
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        least = f"above {self.least:g} and up" if self.above else f"from {self.least:g}"
        return f"{kind} {least} to {_plain(self.most)}"


SECONDS = Bounds(0, LONGEST_S)
DAYS = Bounds(0, 1e5)
COUNT = Bounds(0, 1e9, whole=True)
SOME = Bounds(1, 1e9, whole=True)
AGENTS = Bounds(1, 1000, whole=True)
PORT = Bounds(0, 65535, whole=True)
AMOUNT = Bounds(0, MOST)
"""For cores, MB, GPUs."""
BOUND = Bounds(0, MOST, above=True)
"""For what a run may hold of a resource."""
WORKER_IDLE = Bounds(1, LONGEST_S)
RETRY_BUDGET = Bounds(0, 100, above=True)
PRIORITY = Bounds(-1e9, 1e9)
SETTINGS = {
    "retries": COUNT, "max_running": SOME, "arrival_rate": BOUND, "max_cores": BOUND, "max_memory_mb": BOUND,
    "claim_idle_s": SECONDS, "claim_worklife_s": SECONDS,
    "unsatisfiable_s": SECONDS, "retry_budget": RETRY_BUDGET, "keep_failed_mb": AMOUNT,
}
"""For a scheduler's settings (config.SchedulerConfig)."""


def _plain(number: float) -> str:
    return str(int(number)) if number < 1e15 and number == int(number) else f"{number:g}"
