"""The sums of a run's ended tasks, from which its last lines are made."""
from __future__ import annotations

import tracemalloc

from mfmesos.store.run_totals import RunTotals


def entry(task: int, *, finished: bool = True, withdrawn: bool = False, memory_mb: float | None = 10.0,
          reason: str = "", category: str = "sort") -> dict[str, object]:
    usage = None if memory_mb is None else {"memory_mb": memory_mb, "cores": 1.5, "wall_s": 2.0}
    return {"task": task, "command": f"sort {task}", "category": category, "finished": finished, "withdrawn": withdrawn,
            "reason": reason, "usage": usage, "outputs": [f"out.{task}"], "host": "a", "attempts": 1}


def test_finished_and_failed_tasks_of_a_category_are_summed_together():
    """The median is that of all, whatever their ends; categories are in the order of their names."""
    totals = RunTotals()
    for number, memory in enumerate((10.0, 20.0, 30.0)):
        totals.add(entry(number, memory_mb=memory))
    totals.add(entry(3, finished=False, memory_mb=40.0, reason="memory"))
    totals.add(entry(4, category="cat", memory_mb=None))
    assert totals.by_category() == [("cat", 1, 0, 0.0, 0.0, 0.0, 0.0), ("sort", 3, 1, 40.0, 25.0, 1.5, 8.0)]
    assert len(totals) == 5


def test_a_task_that_runs_again_has_not_failed():
    """Its earlier end counts no more, neither among the failures nor in the table."""
    totals = RunTotals()
    totals.add(entry(1, finished=False, reason="exit code 3: bad"))
    totals.add(entry(2, finished=False, reason="exit code 3: worse"))
    assert [(one["reason"], one["count"]) for one in totals.failures()] == [("exit code 3", 2)]
    totals.runs_again(1)
    totals.add(entry(1))
    assert [(one["count"], one["example"]["task"]) for one in totals.failures()] == [(1, 2)]
    assert totals.by_category() == [("sort", 1, 1, 10.0, 10.0, 1.5, 4.0)]


def test_a_cancelled_task_counts_with_what_it_used():
    """One that never ran is in no table, and neither is a failure."""
    totals = RunTotals()
    totals.add(entry(1, finished=False, withdrawn=True, memory_mb=None))
    assert totals.by_category() == []
    assert totals.failures() == []
    totals.add(entry(2, finished=False, withdrawn=True))
    assert totals.by_category() == [("sort", 0, 0, 10.0, 10.0, 1.5, 2.0)]


def test_a_finished_task_takes_a_few_bytes():
    """Runs have 100,000 tasks and more: 2,000 take less than 40 bytes each."""
    totals = RunTotals()
    tracemalloc.start()
    try:
        for number in range(2_000):
            totals.add(entry(number, memory_mb=float(number)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2_000 * 40
