"""Claims that are held for tasks, each until its task has started or until its deadline.

All holds are in one order, that of their tasks, and only the first gathers room whatever happens: so no two of them
wait for each other.
"""
from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence

from mfmesos.core.records import PlannedStart

MOST_HOLDS = 16
"""At once, and that are made or refused in WINDOW_S: each looks at what runs in some claims."""
WINDOW_S = 1.0


class Holds:
    """At most one per task."""

    def __init__(self) -> None:
        self._holds: list[PlannedStart] = []
        self._in_claim: dict[str, list[PlannedStart]] = {}
        self._tried = 0
        self._since = -1e9
        self.tried_at = -1e9
        """When the last one was made, or could not be made."""
        self.corrected_at = -1e9
        """When the times of all were last looked at."""
        self.aged: int | None = None
        """The task that has waited too long because others preceded it, the oldest one."""
        self.looked_at = -1e9

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[PlannedStart]:
        """In their order."""
        return iter(tuple(self._holds))

    @property
    def first(self) -> PlannedStart | None:
        """The one that gathers."""
        return self._holds[0] if self._holds else None

    def of_task(self, task_id: int) -> PlannedStart | None:
        return next((hold for hold in self._holds if hold.task_id == task_id), None)

    def in_claim(self, claim_id: str) -> Sequence[PlannedStart]:
        """In their order."""
        return self._in_claim.get(claim_id, ())

    def claims(self) -> list[str]:
        """That are held."""
        return list(self._in_claim)

    def add(self, hold: PlannedStart) -> None:
        """In place of another one of its task."""
        self._holds = [one for one in self._holds if one.task_id != hold.task_id]
        insort(self._holds, hold)
        self._sort()

    def remove(self, hold: PlannedStart) -> None:
        self._holds.remove(hold)
        self._sort()

    def _sort(self) -> None:
        self._in_claim = {}
        for hold in self._holds:
            self._in_claim.setdefault(hold.claim_id, []).append(hold)

    def tried(self, now: float) -> None:
        """One was made, or could not be made."""
        self._tried, self._since = (self._tried, self._since) if now - self._since < WINDOW_S else (0, now)
        self._tried += 1
        self.tried_at = now

    def may_try(self, now: float) -> bool:
        """Whether not too many have been made lately."""
        return self._tried < MOST_HOLDS or now - self._since >= WINDOW_S

    def may_add(self, now: float) -> bool:
        """Whether there may be one more now, where several are allowed."""
        return len(self._holds) < MOST_HOLDS and self.may_try(now)
