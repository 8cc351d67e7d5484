"""How well each candidate would have done so far, faded: a task that ended i tasks ago counts fade ** i."""
from __future__ import annotations

from collections.abc import Sequence

_RESCALE = 1e12


class Scores:
    """Per candidate the faded sums of its waste (resource x s) and of its failures, over the tasks that have ended.

    Instead of fading all sums at each task, each newer task gets a larger weight, `gain`. So `waste`, `failures`,
    `used` (resource x s) and `tasks` are all too large by the same factor: divide by `gain`, or by each other.
    """

    __slots__ = ("_fade", "_gain", "failures", "tasks", "used", "waste")

    def __init__(self, candidates: int, fade: float) -> None:
        self._fade, self._gain = fade, 1.0
        self.waste = [0.0] * candidates
        self.failures = [0.0] * candidates
        self.used = self.tasks = 0.0

    def add(self, waste: Sequence[float], failed: Sequence[tuple[int, float]], used: float) -> None:
        """One task: what each candidate would have wasted, which of them would have failed, what was used."""
        self._gain /= self._fade
        gain = self._gain
        self.waste = [a + gain * b for a, b in zip(self.waste, waste)]
        for i, share in failed:
            self.failures[i] += gain * share
        self.used += gain * used
        self.tasks += gain
        if gain > _RESCALE:
            self._rescale()

    def forget(self, keep: float) -> None:
        """Let all that was so far count only `keep` times as much against what comes."""
        self._gain /= keep

    def _rescale(self) -> None:
        down = 1.0 / self._gain
        self.waste = [a * down for a in self.waste]
        self.failures = [a * down for a in self.failures]
        self.used, self.tasks, self._gain = self.used * down, self.tasks * down, 1.0

    @property
    def count(self) -> float:
        """How many tasks the sums stand for, faded."""
        return self.tasks / self._gain

    @property
    def gain(self) -> float:
        """What the newest task counts in the sums."""
        return self._gain
