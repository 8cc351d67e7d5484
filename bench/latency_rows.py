"""Rows about how soon one task's result arrives."""
from __future__ import annotations

import json
import statistics
import time
from datetime import datetime
from pathlib import Path

from files import scheduler
from programs import MFMESOS, BenchError, timed
from rows import Bench, Row, Values, value

TASKS, FIRST = 200, 5


def open_claim(bench: Bench) -> Values:
    """Milliseconds from a task's line in mesos_task_info to its line in mesos_task_state, one task at a time."""
    taken = []
    with scheduler(bench, bench.mesos()) as files:
        for number in range(1, bench.some(TASKS, 20) + FIRST + 1):
            started = time.monotonic()
            files.submit("cat in.txt > OUT")
            line = files.wait_line()
            taken.append((time.monotonic() - started) * 1000)
            if line != f"{number},finished\n":
                raise BenchError(f"task {number} ended as {line!r}")
    ranked = sorted(taken[FIRST:])  # the first ones open the claim
    return {"median_ms": statistics.median(ranked), "p99_ms": ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]}


def first_result(bench: Bench) -> Values:
    """Seconds from the first offer that the scheduler accepts, by its log, to the end of the first task, by its report;
    no claim is open, and no agent has the executor yet."""
    where = bench.new_folder()
    (where / "tasks.jsonl").write_text('{"command": "echo 1 > out", "outputs": ["out"]}\n')
    argv = [*MFMESOS, "run", "--plain", "--master", bench.mesos(), "--no-history", "tasks.jsonl"]
    whole = timed(argv, where).seconds
    return {"after_offer_s": _ended(where) - _accepted(where), "whole_run_s": whole}


def _accepted(where: Path) -> float:
    for line in (where / ".mfmesos" / "scheduler.log").read_text().splitlines():
        if "event=open_claim" in line:
            return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
    raise BenchError("the scheduler logged no claim")


def _ended(where: Path) -> float:
    return float(json.loads((where / ".mfmesos" / "report.jsonl").read_text().splitlines()[0])["time"])


ROWS = (
    Row("latency", "one task on an open claim", "limits", (
        value("median", "median_ms", "ms", at_most=10.0),
        value("99th percentile", "p99_ms", "ms", at_most=40.0)), open_claim),
    Row("first-result", "first result on a cold cluster", "a limit", (
        value("after the first accepted offer", "after_offer_s", "s", at_most=0.8),
        value("whole `mfmesos run`", "whole_run_s", "s")), first_result),
)
