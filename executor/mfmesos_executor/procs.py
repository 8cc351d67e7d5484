"""The processes of this machine as /proc tells them: who is whose child, and what each uses.

Read here and not by psutil, which serves where there is no /proc: an executor measures all the time, and psutil takes
several times as long (docs/performance.md, Executor).
"""
from __future__ import annotations

import contextlib
import os
from typing import Dict, Iterable, Iterator, NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Proc(NamedTuple):
    pid: int
    ppid: int
    session: int
    group: int
    state: str
    rss_bytes: int
    cpu_s: float
    threads: int = 1


def read(pid: int) -> Proc | None:
    """One process; None when it has gone."""
    raw = _slurp(f"/proc/{pid}/stat")
    end = raw.rfind(b") ")
    if end < 0:
        return None
    f = raw[end + 2:].split(None, 23)
    return Proc(pid, int(f[1]), int(f[3]), int(f[2]), f[0].decode(), int(f[21]) * PAGE,
                (int(f[11]) + int(f[12])) / TICKS, int(f[17]))


def _whole(path: str) -> bytes:
    """Of a file that may be longer than _slurp reads."""
    try:
        with open(path, "rb", buffering=0) as f:
            return f.read()
    except OSError:
        return b""


def _slurp(path: str) -> bytes:
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


class Table(Dict[int, Proc]):
    """All processes that we can see, by their numbers."""

    def __init__(self, processes: Iterable[Proc]) -> None:
        super().__init__((p.pid, p) for p in processes)
        self._children: dict[int, list[int]] | None = None

    def tree(self, roots: Iterable[int]) -> set[int]:
        """The roots that are there and all their descendants."""
        if self._children is None:
            self._children = {}
            for p in self.values():
                self._children.setdefault(p.ppid, []).append(p.pid)
        found: set[int] = set()
        waiting = [pid for pid in roots if pid in self]
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting.extend(self._children.get(pid, ()))
        return found


def table() -> Table:
    """Now; empty where neither /proc nor psutil tells."""
    if not os.path.exists("/proc/self/stat"):
        return Table(_all_of_psutil())
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return Table(p for p in found if p is not None)


def descendants(root: int) -> Table:
    """Now: a process and all that came of it, by itself or by adoption; everything where the kernel does not tell.

    What this costs does not grow with what else runs on the machine. One whose parent dies meanwhile may be missed.
    """
    if not os.path.exists(f"/proc/{root}/task/{root}/children"):
        return table()
    found: dict[int, Proc] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        process = read(pid) if pid not in found else None
        if process is not None:
            found[pid] = process
            waiting.extend(_children(process))
    return Table(found.values())


def _children(process: Proc) -> list[int]:
    """Each child is told by the thread that started it."""
    try:
        threads = [str(process.pid)] if process.threads == 1 else os.listdir(f"/proc/{process.pid}/task")
    except OSError:
        return []
    return [int(pid) for t in threads for pid in _whole(f"/proc/{process.pid}/task/{t}/children").split()]


def _all_of_psutil() -> Iterator[Proc]:
    try:
        import psutil
    except ImportError:
        return
    for p in psutil.process_iter():
        try:
            times, session = p.cpu_times(), os.getsid(p.pid)
            yield Proc(p.pid, p.ppid(), session, os.getpgid(p.pid), "S", p.memory_info().rss, times.user + times.system)
        except (psutil.Error, OSError):
            continue


class Turn(NamedTuple):
    """Seconds on a CPU, and ready but without one."""

    cpu_s: float
    wait_s: float


def turn(process: Proc, most_threads: int) -> Turn | None:
    """Of all its threads that live, or of the first `most_threads`; None where the kernel does not tell or it has
    gone."""
    folder = f"/proc/{process.pid}"
    paths = [f"{folder}/schedstat"]
    if process.threads > 1:
        with contextlib.suppress(OSError):
            paths = [f"{folder}/task/{t}/schedstat" for t in os.listdir(f"{folder}/task")[:most_threads]]
    found = [raw.split() for raw in map(_slurp, paths) if raw]
    if not found:
        return None
    return Turn(sum(int(f[0]) for f in found) / 1e9, sum(int(f[1]) for f in found) / 1e9)


def adopted() -> list[int] | None:
    """Children of our main thread: those that lost their parents come to it. None when the kernel does not tell."""
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children", "rb") as f:
            return [int(pid) for pid in f.read().split()]
    except OSError:
        return None


def marker(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            raw = f.read(1 << 20)
    except OSError:
        return None
    wanted = name.encode() + b"="
    for item in raw.split(b"\0"):
        if item.startswith(wanted):
            return item[len(wanted):].decode("utf-8", "surrogateescape")
    return None


def _kilobytes(raw: bytes, name: bytes) -> int | None:
    """The value of `Name:  123 kB`."""
    start = raw.find(b"\n" + name + b":")
    return int(raw[start + len(name) + 2:].split(None, 1)[0]) if start >= 0 else None


def pss_bytes(pid: int) -> int | None:
    """What a process is charged, shared pages divided among those that share them; None when the kernel does not
    tell."""
    raw = _slurp(f"/proc/{pid}/smaps_rollup")
    whole, files = _kilobytes(raw, b"Pss"), _kilobytes(raw, b"Pss_File")
    return None if whole is None else (whole - (files or 0)) * 1024


class Charge(NamedTuple):
    """What the kernel counts as used by one process, in bytes. Pages of mapped files are not: they can be dropped."""

    bytes: int
    shared_bytes: int
    """Of these in shared memory: /dev/shm, memfd, anonymous shared mappings."""
    file_bytes: int
    """What is mapped of files, beside it."""


def charge(process: Proc) -> Charge:
    """Now; all of its memory where the kernel (before 4.5) does not tell what is of files."""
    raw = _slurp(f"/proc/{process.pid}/status") if process.rss_bytes else b""
    anonymous = _kilobytes(raw, b"RssAnon")
    if anonymous is None:
        return Charge(process.rss_bytes, 0, 0)
    shared, files = _kilobytes(raw, b"RssShmem") or 0, _kilobytes(raw, b"RssFile") or 0
    return Charge((anonymous + shared) * 1024, shared * 1024, files * 1024)


def memory_bytes(processes: Table, pids: set[int], charges: dict[int, Charge] | None = None,
                 share_matters_bytes: int = 32 << 20) -> int:
    """What processes use together: what forked children share is counted once, where that could matter. Into `charges`
    goes what each of them uses.

    The share of one that ends while we look goes to the others: then those that stay are looked at anew.
    """
    charges = {} if charges is None else charges
    charges.update((pid, charge(processes[pid])) for pid in pids)
    total = sum(charges[pid].bytes for pid in pids)
    if len(pids) < 2 or total < share_matters_bytes or not os.path.exists("/proc/self/smaps_rollup"):
        return total
    staying = set(pids)
    while True:
        shared = sum(_share_bytes(pid, charges[pid]) for pid in staying)
        ended = {pid for pid in staying if _has_ended(pid)}
        if not ended:
            return max(shared, max(charges[pid].bytes for pid in pids))
        staying -= ended


def _share_bytes(pid: int, charged: Charge) -> int:
    pss = pss_bytes(pid) if charged.bytes > 1 << 20 else None
    return charged.bytes if pss is None else pss


def _has_ended(pid: int) -> bool:
    """Or is about to: its memory is given up first."""
    process = read(pid)
    return process is None or process.rss_bytes == 0
