"""Reads processes of this machine from Linux's /proc. An ended process reads as empty, never as an error.

psutil does not work on every agent, and takes several times as long, while an executor measures all the time
(docs/performance.md, Executor).
"""
from __future__ import annotations

import os
import time
from typing import Dict, Iterable, Iterator, NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    pid: int
    ppid: int
    session: int
    group: int
    state: str
    """One letter; Z: a zombie."""
    rss_bytes: int
    """Resident set, shared pages included."""
    cpu_s: float
    threads: int = 1


class Pss(NamedTuple):
    """Memory of a process, shared pages divided among those that share them, in bytes."""

    total: int
    files: int
    """Of the total: mapped files, whose pages can be dropped."""


class Table(Dict[int, Process]):
    """Processes by their numbers."""

    def __init__(self, processes: Iterable[Process]) -> None:
        super().__init__((p.pid, p) for p in processes)
        self._children: dict[int, list[int]] = {}
        self._sessions: dict[int, list[int]] = {}
        for p in self.values():
            self._children.setdefault(p.ppid, []).append(p.pid)
            self._sessions.setdefault(p.session, []).append(p.pid)

    def children(self, pid: int) -> list[int]:
        return self._children.get(pid, [])

    def session(self, session: int) -> list[int]:
        """The processes of that session."""
        return self._sessions.get(session, [])

    def tree(self, roots: Iterable[int]) -> set[int]:
        """The existing roots and all their descendants."""
        found: set[int] = set()
        waiting = [pid for pid in roots if pid in self]
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting.extend(self.children(pid))
        return found


def read(pid: int) -> Process | None:
    """One process; None if it has ended."""
    f = _fields(start_of(f"/proc/{pid}/stat"))
    if not f:
        return None
    return Process(pid, int(f[1]), int(f[3]), int(f[2]), f[0].decode(), int(f[21]) * PAGE,
                   (int(f[11]) + int(f[12])) / TICKS, int(f[17]))


def everything() -> Iterator[Process]:
    """All visible processes."""
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return (process for process in found if process is not None)


def name_of(pid: int) -> str:
    """Its program's name, which the kernel cuts to 15 characters; empty for a zombie, too."""
    raw = start_of(f"/proc/{pid}/stat")
    return "" if _fields(raw)[:1] == [b"Z"] else os.fsdecode(raw[raw.find(b"(") + 1:raw.rfind(b") ")])


def started_at(pid: int) -> float:
    """When it started, in seconds since the epoch, rounded down to 10 ms; 0 if unknown."""
    f = _fields(start_of(f"/proc/{pid}/stat"))
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - int(f[19]) / TICKS) if f else 0.0


def command_line(pid: int) -> list[str]:
    return os.fsdecode(whole(f"/proc/{pid}/cmdline")).split("\0")[:-1]


def variable(pid: int, name: str) -> str | None:
    """A variable of its initial environment; None also without the right to read it."""
    wanted = os.fsencode(name) + b"="
    for item in whole(f"/proc/{pid}/environ").split(b"\0"):
        if item.startswith(wanted):
            return os.fsdecode(item[len(wanted):])
    return None


def bytes_read(pid: int) -> int | None:
    """By system calls, from files and elsewhere; None without the right to read it."""
    words = start_of(f"/proc/{pid}/io").split(None, 2)
    return int(words[1]) if words else None  # rchar: N


def children_of_thread(pid: int, thread: int) -> list[int] | None:
    """The children that this thread of it started or adopted; None if the kernel does not show them."""
    try:
        fd = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY | os.O_CLOEXEC)  # faster than a file object
    except OSError:
        return None
    try:
        raw = os.read(fd, 1 << 16)
        while raw and (more := os.read(fd, 1 << 16)):
            raw += more
        return [int(child) for child in raw.split()]
    except OSError:
        return None
    finally:
        os.close(fd)


def pss(pid: int) -> Pss | None:
    """Its memory now; None if the kernel does not show it. Much slower than `read`."""
    raw = start_of(f"/proc/{pid}/smaps_rollup")
    total = bytes_in(raw, b"Pss")
    return None if total is None else Pss(total, bytes_in(raw, b"Pss_File") or 0)


def bytes_in(raw: bytes, name: bytes) -> int | None:
    """The value of the line `Name:  123 kB`."""
    start = raw.find(b"\n" + name + b":")
    return int(raw[start + len(name) + 2:].split(None, 1)[0]) * 1024 if start >= 0 else None


def start_of(path: str) -> bytes:
    """The first 4096 bytes of a file, which is all for most; empty if unreadable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
    finally:
        os.close(fd)


def whole(path: str) -> bytes:
    """A file that may be longer; empty if unreadable."""
    try:
        with open(path, "rb", buffering=0) as f:
            return f.read()
    except OSError:
        return b""


def _fields(stat: bytes) -> list[bytes]:
    """The fields after the name, beginning with the state; none if the process has ended."""
    end = stat.rfind(b") ")  # a name may contain brackets
    return stat[end + 2:].split(None, 23) if end >= 0 else []
