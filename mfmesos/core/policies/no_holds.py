"""Nothing is kept for a task that others overtake: it may wait for as long as they keep coming."""
from __future__ import annotations

from collections.abc import Iterator

from mfmesos.core.decisions import Decision
from mfmesos.core.records import TaskRecord


class NoHolds:
    several = False
    packs = True
    cautious = True

    def plan(self, state: object, overtaking: TaskRecord) -> Iterator[Decision]:
        return iter(())
