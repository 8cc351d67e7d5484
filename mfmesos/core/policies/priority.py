"""Tasks of higher priority start first; those of equal priority in the order in which they were submitted."""
from __future__ import annotations

from mfmesos.core.policies.fifo import Fifo
from mfmesos.core.records import TaskRecord


class Priority(Fifo):
    by_arrival = False
    starves = True

    def key(self, record: TaskRecord) -> float:
        return -record.task.priority
