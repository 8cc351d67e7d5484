"""The processes of a container, found in /proc: where a cgroup would know them, the embedded cluster has to look."""
from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from mfmesos.shared import procfs
from mfmesos.shared.procfs import Table


def table() -> Table:
    """Every process of this machine that is not a zombie."""
    return Table(process for process in procfs.everything() if process.state != "Z")


def members(leader: int, processes: Table) -> set[int]:
    """The leader of a container, its session, and all their descendants."""
    return processes.tree(p.pid for p in processes.values() if p.pid == leader or p.session == leader)


def strays(sandbox: Path, processes: Iterable[int]) -> set[int]:
    """Processes that left session and family (double fork and setsid), known by the MESOS_SANDBOX they inherited."""
    return {pid for pid in processes if procfs.variable(pid, "MESOS_SANDBOX") == str(sandbox)}


def kill_all(leader: int, sandbox: Path) -> int:
    """SIGKILLs every process of the container, the executor first: it reports no death of its tasks' processes; how
    many there were."""
    processes = table()
    found = members(leader, processes) | strays(sandbox, processes)
    found.discard(os.getpid())
    for pid in sorted(found, key=lambda pid: pid != leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def memory_mb(pids: Iterable[int]) -> float:
    """What these processes use together, shared pages counted once."""
    return sum(found.total for found in map(procfs.pss, pids) if found is not None) / 2**20
