"""The processes of attempts: who descends from whom, and what each uses, by /proc, or by psutil where there is none."""
from __future__ import annotations

import contextlib
import os
from typing import Iterator, NamedTuple

from mfmesos.shared import procfs
from mfmesos.shared.procfs import Process, Table


def table() -> Table:
    """Now; empty where neither /proc nor psutil tells."""
    if not os.path.exists("/proc/self/stat"):
        return Table(_all_of_psutil())
    return Table(procfs.everything())


def descendants(root: int) -> Table:
    """Now: a process and all that came of it, by itself or by adoption; everything where the kernel does not tell.

    What this costs does not grow with what else runs on the machine. One whose parent dies meanwhile may be missed.
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
    """Each child is told by the thread that started it."""
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
    """Seconds on a CPU, and ready but without one."""

    cpu_s: float
    wait_s: float


def turn(process: Process, most_threads: int) -> Turn | None:
    """Of all its threads that live, or of the first `most_threads`; None where the kernel does not tell or it has
    gone."""
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
    """Children of our main thread: those that lost their parents come to it. None when the kernel does not tell."""
    return procfs.children_of_thread(os.getpid(), os.getpid())


def pss_bytes(pid: int) -> int | None:
    """What a process is charged, shared pages divided among those that share them; None when the kernel does not
    tell."""
    found = procfs.pss(pid)
    return None if found is None else found.total - found.files


class Charge(NamedTuple):
    """What the kernel counts as used by one process, in bytes. Pages of mapped files are not: they can be dropped."""

    bytes: int
    shared_bytes: int
    """Of these in shared memory: /dev/shm, memfd, anonymous shared mappings."""
    file_bytes: int
    """What is mapped of files, beside it."""


def charge(process: Process) -> Charge:
    """Now; all of its memory where the kernel (before 4.5) does not tell what is of files."""
    raw = procfs.start_of(f"/proc/{process.pid}/status") if process.rss_bytes else b""
    anonymous = procfs.bytes_in(raw, b"RssAnon")
    if anonymous is None:
        return Charge(process.rss_bytes, 0, 0)
    shared, files = procfs.bytes_in(raw, b"RssShmem") or 0, procfs.bytes_in(raw, b"RssFile") or 0
    return Charge(anonymous + shared, shared, files)


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
    process = procfs.read(pid)
    return process is None or process.rss_bytes == 0
