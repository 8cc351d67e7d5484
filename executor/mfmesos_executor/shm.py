"""Files in /dev/shm: memory that the kernel charges to the writer, even if no process maps it.

A file does not show its writer. It belongs to an attempt if one of the attempt's processes is found to have it open or
mapped, until it is removed or the attempt ends. inotify reports files while they are written; without inotify, files
that are written and closed between two measurements are missed.
"""
from __future__ import annotations

import contextlib
import logging
import os
import struct
import threading
import time
from typing import Callable, Iterable, Mapping, Tuple

logger = logging.getLogger(__name__)
FOLDER = "/dev/shm"
_CREATE, _MODIFY, _OPEN, _IS_FOLDER = 0x100, 0x2, 0x20, 0x40000000
_EVENT = struct.Struct("iIII")
_LEAST_BYTES = 1 << 20
"""Smaller files are not attributed: mostly semaphores."""
_PAUSE_S = 0.02
_COST = 20.0
Key = Tuple[int, int]


class Files:
    """Thread-safe. `attempts` returns the processes of each running attempt."""

    def __init__(self, attempts: Callable[[], Mapping[str, Iterable[int]]], folder: str = FOLDER) -> None:
        self._attempts = attempts
        self._folder = folder
        self._lock = threading.Lock()
        self._owners: dict[Key, str] = {}
        self._others: dict[Key, int] = {key: changed for key, _, changed in _files(folder)}
        """Files without a known attempt, with the time of their last change: checked again after a change."""
        watch = _watch(folder)
        if watch is not None:
            threading.Thread(target=self._follow, args=(watch,), name="shm", daemon=True).start()

    def bytes_of(self) -> dict[str, int]:
        """Present size of the files of each attempt."""
        found = _files(self._folder)
        with self._lock:
            if not found:
                self._owners.clear()
                self._others.clear()
                return {}
            self._find_owners(found)
            total: dict[str, int] = {}
            for key, size, _ in found:
                owner = self._owners.get(key)
                if owner is not None:
                    total[owner] = total.get(owner, 0) + size
        return total

    def forget(self, attempt: str) -> None:
        """The attempt has ended: its remaining files belong to no attempt."""
        with self._lock:
            for key in [key for key, owner in self._owners.items() if owner == attempt]:
                self._others[key] = time.time_ns()
                del self._owners[key]

    def _find_owners(self, found: list[tuple[Key, int, int]]) -> None:
        here = {key for key, _, _ in found}
        self._owners = {key: owner for key, owner in self._owners.items() if key in here}
        self._others = {key: changed for key, changed in self._others.items() if key in here}
        wanted = {key for key, size, changed in found if key not in self._owners and size >= _LEAST_BYTES
                  and self._others.get(key, -1) < changed}
        if not wanted:
            return
        for attempt, pids in self._attempts().items():
            self._owners.update((key, attempt) for pid in pids for key in wanted & _held(pid, self._folder))
        self._others.update((key, changed) for key, _, changed in found if key in wanted and key not in self._owners)

    def _follow(self, watch: int) -> None:
        while True:
            if not _about_files(os.read(watch, 65536)):
                continue  # somebody looked at the folder, maybe this very thread
            begin = time.monotonic()
            try:
                found = _files(self._folder)
                with self._lock:
                    self._find_owners(found)
            except Exception:
                logger.exception("the files in %s could not be read", self._folder)
            # Files that were written meanwhile are found by the next check.
            time.sleep(max(_PAUSE_S, _COST * (time.monotonic() - begin)))


def _files(folder: str) -> list[tuple[Key, int, int]]:
    """This user's files: (key, bytes, time of the last change in ns), including subfolders."""
    found, waiting, me = [], [folder], os.geteuid()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    info = entry.stat(follow_symlinks=False)
                    if info.st_uid != me:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        found.append(((info.st_dev, info.st_ino), info.st_blocks * 512, info.st_mtime_ns))
        except OSError:
            continue
    return found


def _about_files(events: bytes) -> bool:
    """Whether any of the events of inotify is about more than opening the folder, or a folder in it."""
    at = 0
    while at < len(events):
        _, mask, _, length = _EVENT.unpack_from(events, at)
        if mask != _OPEN | _IS_FOLDER:
            return True
        at += _EVENT.size + length
    return False


def _held(pid: int, folder: str) -> set[Key]:
    """The files of that folder that a process has open or mapped."""
    found: set[Key] = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                path = f"/proc/{pid}/fd/{number}"
                if os.readlink(path).startswith(folder + "/"):
                    info = os.stat(path)
                    found.add((info.st_dev, info.st_ino))
        with open(f"/proc/{pid}/maps", "rb") as f:
            lines = [line.split(None, 5) for line in f if folder.encode() + b"/" in line]
        found |= {(_device(line[3]), int(line[4])) for line in lines}
    return found


def _device(text: bytes) -> int:
    major, minor = text.split(b":")
    return os.makedev(int(major, 16), int(minor, 16))


def _watch(folder: str) -> int | None:
    """A descriptor that becomes readable after a write there; None if unavailable."""
    try:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        fd = int(library.inotify_init1(os.O_CLOEXEC))
        if fd < 0:
            return None
        if library.inotify_add_watch(fd, os.fsencode(folder), _CREATE | _MODIFY | _OPEN) < 0:
            os.close(fd)
            return None
        return fd
    except (ImportError, OSError, AttributeError):
        return None
