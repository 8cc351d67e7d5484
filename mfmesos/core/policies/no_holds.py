"""Nothing is kept for a task that others overtake: it may wait for as long as they keep coming."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mfmesos.core.decisions import Decision
from mfmesos.core.records import TaskRecord

if TYPE_CHECKING:
    from mfmesos.core.state import State


class NoHolds:
    def plan(self, state: State, overtaking: TaskRecord) -> Iterator[Decision]:
        return iter(())
