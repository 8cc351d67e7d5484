"""The processes of a container, found in /proc: where a cgroup would know them, the embedded cluster has to look."""
from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    session: int
    memory_kb: int
    """Resident set."""


def table() -> dict[int, Process]:
    """Every process of this machine that is not a zombie."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] == b"Z":
                continue
            pid = int(entry)
            found[pid] = Process(pid, int(fields[1]), int(fields[3]), int(fields[21]) * PAGE_KB)
    return found


def members(leader: int, processes: dict[int, Process]) -> set[int]:
    """The leader of a container, its session, and all their descendants."""
    found = {p.pid for p in processes.values() if p.pid == leader or p.session == leader}
    grown = True
    while grown:
        more = {p.pid for p in processes.values() if p.parent in found} - found
        found |= more
        grown = bool(more)
    return found


def strays(sandbox: Path, processes: Iterable[int]) -> set[int]:
    """Processes that left session and family (double fork and setsid), known by the MESOS_SANDBOX they inherited."""
    wanted = b"\0MESOS_SANDBOX=" + os.fsencode(sandbox) + b"\0"
    found = set()
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if wanted in b"\0" + file.read() + b"\0":
                found.add(pid)
    return found


def kill_all(leader: int, sandbox: Path) -> int:
    """SIGKILLs every process of the container; how many there were."""
    processes = table()
    found = members(leader, processes) | strays(sandbox, processes)
    found.discard(os.getpid())
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def memory_mb(pids: Iterable[int]) -> float:
    """What these processes use together, shared pages counted once (PSS); much slower than `Process.memory_kb`."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024
