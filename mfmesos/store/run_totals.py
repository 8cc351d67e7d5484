"""What the tasks of this run have used, by category, and why some failed: sums, whatever the number of tasks."""
from __future__ import annotations

from array import array
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

from mfmesos.store.run_reading import Row, grouped


class CategoryUse(NamedTuple):
    name: str
    finished: int
    failed: int
    peak_memory_mb: float
    median_memory_mb: float
    most_cores: float
    total_s: float


class _Use:
    """Of tasks of one category."""

    def __init__(self) -> None:
        self.finished = self.failed = 0
        self.memory_mb = array("d")
        self.cores = self.wall_s = 0.0

    def add(self, entry: Mapping[str, Any]) -> None:
        self.finished += entry["finished"]
        self.failed += not (entry["finished"] or entry["withdrawn"])
        usage = entry["usage"]
        if usage:
            self.memory_mb.append(usage["memory_mb"])
            self.cores = max(self.cores, usage["cores"])
            self.wall_s += usage["wall_s"]


class RunTotals:
    """Sums of the entries of report.jsonl. Tasks that did not finish are kept one by one, since they may be retried."""

    def __init__(self) -> None:
        self._finished: dict[str, _Use] = {}
        self._others: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """The number of ended tasks."""
        return sum(use.finished for use in self._finished.values()) + len(self._others)

    def add(self, entry: Mapping[str, Any]) -> None:
        if entry["finished"]:
            self._finished.setdefault(entry["category"], _Use()).add(entry)
        else:
            self._others[entry["task"]] = {name: entry[name] for name in (
                "task", "command", "category", "finished", "withdrawn", "reason", "usage")}

    def runs_again(self, task_id: int) -> None:
        self._others.pop(task_id, None)

    def failures(self) -> list[Row]:
        """Failed tasks by the kind of their reasons, as status_view.failure_lines takes them."""
        return grouped(entry for entry in self._others.values() if not entry["withdrawn"])

    def by_category(self) -> list[CategoryUse]:
        """By name. A cancelled task counts with its usage, if it ran."""
        others: dict[str, _Use] = {}
        for entry in self._others.values():
            if entry["usage"] or not entry["withdrawn"]:
                others.setdefault(entry["category"], _Use()).add(entry)
        table = []
        for name in sorted({*self._finished, *others}):
            uses = [one[name] for one in (self._finished, others) if name in one]
            memory = array("d", [mb for use in uses for mb in use.memory_mb]) or array("d", [0.0])
            table.append(CategoryUse(
                name, sum(use.finished for use in uses), sum(use.failed for use in uses), max(memory), median(memory),
                max(use.cores for use in uses), sum(use.wall_s for use in uses)))
        return table
