"""The processes of attempts: their ancestry and their usage, from /proc, or from psutil without /proc."""
from __future__ import annotations

import contextlib
import os
from typing import Iterable, Iterator, Mapping, NamedTuple

from mfmesos.shared import procfs
from mfmesos.shared.procfs import Process, Table


def table() -> Table:
    """All processes now; empty if neither /proc nor psutil works."""
    if not os.path.exists("/proc/self/stat"):
        return Table(_all_of_psutil())
    return Table(procfs.everything())


def descendants(root: int) -> Table:
    """A process and all its descendants now, by birth or adoption; all processes if the kernel does not show children.

    The cost does not grow with other processes of the machine. A process whose parent dies meanwhile may be missed.
    """
    if not os.path.exists(f"/proc/{root}/task/{root}/children"):
        return table()
    found: dict[int, Process] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        process = procfs.read(pid) if pid not in found else None
        if process is not None:
            found[pid] = process
            waiting.extend(_children(process))
    return Table(found.values())


def _children(process: Process) -> list[int]:
    """Each child is listed by the thread that started it."""
    try:
        threads = [process.pid] if process.threads == 1 else map(int, os.listdir(f"/proc/{process.pid}/task"))
    except OSError:
        return []
    return [pid for thread in threads for pid in procfs.children_of_thread(process.pid, thread) or ()]


def _all_of_psutil() -> Iterator[Process]:
    try:
        import psutil
    except ImportError:
        return
    for p in psutil.process_iter():
        try:
            times, session = p.cpu_times(), os.getsid(p.pid)
            yield Process(
                p.pid, p.ppid(), session, os.getpgid(p.pid), "S", p.memory_info().rss, times.user + times.system)
        except (psutil.Error, OSError):
            continue


class Turn(NamedTuple):
    """Seconds on a CPU, and ready but without a CPU."""

    cpu_s: float
    wait_s: float


def turn(process: Process, most_threads: int) -> Turn | None:
    """Of all its live threads, or of the first `most_threads`; None if the kernel does not show it or the process is
    gone.
    """
    folder = f"/proc/{process.pid}"
    paths = [f"{folder}/schedstat"]
    if process.threads > 1:
        with contextlib.suppress(OSError):
            paths = [f"{folder}/task/{t}/schedstat" for t in os.listdir(f"{folder}/task")[:most_threads]]
    found = [raw.split() for raw in map(procfs.start_of, paths) if raw]
    if not found:
        return None
    return Turn(sum(int(f[0]) for f in found) / 1e9, sum(int(f[1]) for f in found) / 1e9)


def adopted() -> list[int] | None:
    """Children of the main thread: processes that lost their parents become its children. None if the kernel does not
    show them.
    """
    return procfs.children_of_thread(os.getpid(), os.getpid())


def pss_bytes(pid: int) -> int | None:
    """Memory charged to a process, shared pages divided among their users; None if the kernel does not show it."""
    found = procfs.pss(pid)
    return None if found is None else found.total - found.files


class Charge(NamedTuple):
    """Memory that the kernel charges to one process, in bytes. Pages of mapped files are excluded: they can be
    dropped.
    """

    bytes: int
    shared_bytes: int
    """The part in shared memory: /dev/shm, memfd, anonymous shared mappings."""
    file_bytes: int
    """Mapped file pages, in addition."""


def charge(process: Process) -> Charge:
    """The charge now; all of its memory if the kernel (before 4.5) does not separate file pages."""
    raw = procfs.start_of(f"/proc/{process.pid}/status") if process.rss_bytes else b""
    anonymous = procfs.bytes_in(raw, b"RssAnon")
    if anonymous is None:
        return Charge(process.rss_bytes, 0, 0)
    shared, files = procfs.bytes_in(raw, b"RssShmem") or 0, procfs.bytes_in(raw, b"RssFile") or 0
    return Charge(anonymous + shared, shared, files)


class Charges:
    """The charges of an attempt's processes. Those that have not run since the last look are not read again."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Process, Charge]] = {}
        self.changed = True
        """Whether any process came, ran or ended between the last two looks."""

    def look(self, processes: Iterable[Process]) -> dict[int, Charge]:
        before, self._of = self._of, {}
        for process in processes:
            known, charged = before.get(process.pid, (None, None))
            if charged is None or known != process:
                charged = charge(process)
            self._of[process.pid] = process, charged
        self.changed = self._of != before
        return {pid: charged for pid, (_, charged) in self._of.items()}


def memory_bytes(charges: Mapping[int, Charge], share_matters_bytes: int = 32 << 20) -> int:
    """Total memory of processes: memory that forked children share counts once, if that could matter.

    When a process ends during the measurement, its share moves to the others: then the remaining ones are measured
    again.
    """
    total = sum(charged.bytes for charged in charges.values())
    if len(charges) < 2 or total < share_matters_bytes or not os.path.exists("/proc/self/smaps_rollup"):
        return total
    staying = set(charges)
    while True:
        shared = sum(_share_bytes(pid, charges[pid]) for pid in staying)
        ended = {pid for pid in staying if _has_ended(pid)}
        if not ended:
            return max(shared, max(charged.bytes for charged in charges.values()))
        staying -= ended


def _share_bytes(pid: int, charged: Charge) -> int:
    pss = pss_bytes(pid) if charged.bytes > 1 << 20 else None
    return charged.bytes if pss is None else pss


def _has_ended(pid: int) -> bool:
    """Whether it has ended or is about to: its memory is released first."""
    process = procfs.read(pid)
    return process is None or process.rss_bytes == 0
