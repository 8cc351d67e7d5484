"""Finds and ends what ran in a folder: executors, and whatever they started."""
from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def _table() -> dict[int, int]:
    """{pid: parent's pid} of every process that is not a zombie."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                state, parent = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry)] = int(parent)
    return parents


def _belongs(pid: int, folder: bytes) -> bool:
    with contextlib.suppress(OSError):
        cwd = os.readlink(f"/proc/{pid}/cwd").encode()
        if (cwd + b"/").startswith(folder + b"/"):
            return True
    with contextlib.suppress(OSError):
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        return b"\0MESOS_SANDBOX=" + folder + b"/" in b"\0" + environ
    return False


def processes_of(folder: Path) -> list[int]:
    """Processes whose working folder or MESOS_SANDBOX lies in `folder`, and all their descendants."""
    parents = _table()
    mine = {pid for pid in parents if pid != os.getpid() and _belongs(pid, os.fsencode(folder))}
    return _with_descendants(mine, parents)


def executors_of(folder: Path) -> list[int]:
    """Those processes of mfmesos's executors: Pythons, since whoever starts one has its command, too."""
    return [pid for pid in processes_of(folder) if _is_executor(pid)]


def _is_executor(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.path.basename(words[0]).startswith(b"python") and any(b"mfmesos-executor.pyz" in word for word in words)


def descendants(pid: int) -> list[int]:
    """Everything that `pid` started and that still hangs on it."""
    parents = _table()
    return _with_descendants({child for child, parent in parents.items() if parent == pid}, parents)


def _with_descendants(pids: set[int], parents: dict[int, int]) -> list[int]:
    found = set(pids)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return sorted(found)


def end_all(folder: Path, root: int | None = None, timeout: float = 5.0) -> list[int]:
    """SIGKILLs the processes of `folder`, and of `root` its descendants; those that still live after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        alive = sorted({*processes_of(folder), *(descendants(root) if root else ())} - {os.getpid()})
        if not alive or time.monotonic() > deadline:
            return alive
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
