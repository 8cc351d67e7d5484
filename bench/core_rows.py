"""Rows about what the scheduler and its executors hold and use while they wait."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from files import scheduler
from programs import BenchError
from rows import Bench, Row, Values, value

WAITING, LONG, WATCHED_S = 100_000, 20, 15.0


def memory_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise BenchError(f"process {pid} has ended")


def waiting(bench: Bench) -> Values:
    """What the scheduler's resident memory grows by when as many tasks wait behind a running one."""
    count = bench.some(WAITING)
    with scheduler(bench, bench.mesos(), max_running=1) as files:
        files.submit("cat in.txt > OUT", "sleep 600; cat in.txt > OUT")
        if (line := files.wait_line()) != "1,finished\n":
            raise BenchError(f"mesos_task_state got {line!r}")
        before = memory_kb(files.pid)
        files.submit(*["cat in.txt > OUT"] * count)
        files.withdraw_last()
        if (line := files.wait_line()) != f"{count + 2},aborted\n":  # so it has taken in all there are
            raise BenchError(f"mesos_task_state got {line!r}")
        after = memory_kb(files.pid)
    return {"before_mb": before / 1024, "after_mb": after / 1024, "per_task_kb": (after - before) * 1.024 / count}


@contextmanager
def executors(bench: Bench, cores: int, command: str) -> Iterator[list[psutil.Process]]:
    """Those of the claims, mostly one, whose tasks fill an agent with that many cores."""
    with scheduler(bench, bench.mesos(cores=cores)) as files:
        files.submit(*[command] * cores)
        deadline = time.monotonic() + 30
        while True:
            found = executors_on(bench, cores)
            running = sum(map(tasks_of, found))
            if running == cores:
                yield found
                return
            if time.monotonic() > deadline:
                raise BenchError(f"{len(found)} executors run {running} instead of {cores} tasks after 30 s")
            time.sleep(0.1)


def executors_on(bench: Bench, cores: int) -> list[psutil.Process]:
    """All on the cluster that has an agent with that many cores."""
    found = []
    for pid in bench.cluster(cores=cores).executors():
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found


def tasks_of(executor: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return sum(child.name() == "sleep" for child in executor.children(recursive=True))
    return 0


def idle(bench: Bench) -> Values:
    """Resident memory of the largest executor whose tasks have ended, while its claim is still open."""
    with executors(bench, 2, "sleep 2; cat in.txt > OUT") as found:
        while any(map(tasks_of, found)):
            time.sleep(0.1)
        time.sleep(1.0)  # what the tasks needed is given back
        return {"resident_mb": max(process.memory_info().rss for process in found) / 1e6}


def long_tasks(bench: Bench) -> Values:
    """The share of a core that the executors of tasks use that only sleep."""
    with executors(bench, LONG, "sleep 600; cat in.txt > OUT") as found:
        before = sum(map(cpu_s, found))
        time.sleep(WATCHED_S)
        return {"used_percent": 100 * (sum(map(cpu_s, found)) - before) / WATCHED_S, "executors": len(found)}


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


ROWS = (
    Row("memory", "the scheduler's memory per waiting task, 100,000 tasks", "a limit",
        (value("resident memory per task", "per_task_kb", "kB", at_most=1.5),), waiting, rounds=1),
    Row("executor-idle", "an idle executor", "a limit",
        (value("resident memory", "resident_mb", "MB", at_most=35.0),), idle, rounds=1),
    Row("executor-busy", "an executor with 20 long tasks", "a limit",
        (value("share of a core", "used_percent", "%", at_most=1.0),), long_tasks, rounds=2),
)
