"""How many cores an attempt can use: its processor time divided by the time in which it could run.

A process that is ready but has no CPU, because other processes compute, still needs a CPU: that waiting time is
subtracted from its wall time. Time in which it waits by itself (for a disk, a child, a clock) is not.
"""
from __future__ import annotations

import os
from typing import Iterable

from mfmesos.shared.procfs import Process
from mfmesos_executor import procs

MOST_THREADS = 64
"""Maximum number of threads to check per process."""
MOST_UNSEEN = 2.0
"""Time since the last check, and of processes too short for one, is assumed to have the same share of waiting, up to
this factor.
"""


class Turns:
    """Running time and waiting time for a CPU of an attempt's processes, as far as they were checked. Those that have
    not run since the last check are not read again.
    """

    def __init__(self) -> None:
        self._alive: dict[int, tuple[Process, procs.Turn]] = {}
        self._ended = procs.Turn(0.0, 0.0)

    def look(self, processes: Iterable[Process]) -> None:
        before, self._alive = self._alive, {}
        for process in processes:
            known, turn = before.get(process.pid, (None, None))
            if known != process:
                turn = procs.turn(process, MOST_THREADS) or turn
            if turn is not None:
                self._alive[process.pid] = process, turn
        gone = [turn for pid, (_, turn) in before.items() if pid not in self._alive]
        self._ended = _sum([self._ended, *gone])

    def wait_s(self, cpu_s: float) -> float:
        """Their total waiting time, if all of them ran for that time."""
        seen = _sum([self._ended, *(turn for _, turn in self._alive.values())])
        return seen.wait_s * min(cpu_s / seen.cpu_s, MOST_UNSEEN) if seen.cpu_s > 0.0 else 0.0


def _sum(turns: list[procs.Turn]) -> procs.Turn:
    return procs.Turn(sum(t.cpu_s for t in turns), sum(t.wait_s for t in turns))


def usable(cpu_s: float, wait_s: float, wall_s: float, most: float) -> float:
    """Cores that it would have used if no other process had computed; at most `most`, the machine's number.

    Processes that are ready in parallel wait in parallel: their waits lengthen the whole by their mean, not their sum.
    """
    side_by_side = max(1.0, (cpu_s + wait_s) / wall_s)
    could_run_s = max(wall_s - wait_s / side_by_side, 1e-3)
    return max(cpu_s / wall_s, min(cpu_s / could_run_s, most))


def of_machine() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1
