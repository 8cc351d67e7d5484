"""Cached inputs that several sandboxes link, and how a change of one is noticed: by leases at once, or by comparison.

A lease holds whoever opens such a file for writing. That attempt is ended before it has changed anything. What no
lease can hold (chmod, utime, members of large folders) is found by comparing each file with its values at its creation:
now and then, and when an attempt's processes are gone, before its result is reported. So no result is reported of an
attempt that may have read changed content (docs/reliability.md).
"""
from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import Callable, Iterable, NamedTuple, Protocol

from mfmesos.shared.descriptors import limit
from mfmesos.shared.netfs import MOUNTS, on_network
from mfmesos_executor import leases
from mfmesos_executor.linked_trees import LinkedTree

MOST_LEASES = 256
"""Each costs a descriptor; at most a quarter of what this process may have."""
LEASED_MEMBERS = 16
"""The members of a folder with at most this many files are leased."""
LOST_S = 5.0
"""A file whose lease cannot be had again for this long is given up: somebody keeps it open for writing."""
SIBLINGS_S = 2.0
"""A writer is ended this long after it was found if claims beside this one share the file."""
COMPARE_S, COST = 2.0, 50.0
"""Files in use are compared this often, and no more often than once in this many times the duration."""


class Sharer(Protocol):
    """An attempt whose sandbox links cached inputs."""

    def processes(self) -> set[int]:
        """Its processes now."""

    def input_changed(self, name: str) -> None:
        """It wrote to that input or may have read changed content: end it. May be called again."""


class Identity(NamedTuple):
    """What a change of a file changes."""

    device: int
    inode: int
    size: int
    mode: int
    mtime_ns: int


def identity(path: str) -> Identity:
    """Raises OSError."""
    return _identity(os.lstat(path))


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns)


class Shared:
    """One cached file or folder. Its fields belong to `Links`."""

    def __init__(self, path: str) -> None:
        """`path`: the file or folder as it was created. Raises OSError."""
        self.path = path
        self.top = identity(path)
        self.spoilt = False
        """It was changed: no more attempts may use it."""
        self.users: dict[Sharer, list[str]] = {}
        """With the names of the input, one for each link."""
        self.lock = threading.Lock()
        self.files: dict[str, Identity] = {} if self.is_folder else {path: self.top}
        self.sizes: dict[int, int] = {}
        """Bytes on disk of its files, by inode number."""
        if not self.is_folder:
            self.sizes[self.top.inode] = os.lstat(path).st_blocks * 512
        self.leases: list[int] = []
        self.broken_at: float | None = None
        """Since when a lease is broken; None: each holds."""
        self.guilty: set[Sharer] | None = None
        """Who was ended because of the present break; None: nobody is known to have broken a lease."""
        self.compare_at = 0.0
        self.spares: list[LinkedTree] | None = []
        """Linked folders for the next attempts; None: it has left the cache."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.top.mode)

    def list_members(self) -> None:
        """Of a folder, before it is linked for the first time. Raises OSError."""
        waiting = [self.path] if self.is_folder and not self.files else []
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        self.files[entry.path] = _identity(found)
                        self.sizes[found.st_ino] = found.st_blocks * 512

    def count_members(self) -> int:
        """The files of a folder. Raises OSError."""
        with self.lock:
            self.list_members()
            return len(self.files)

    def unchanged(self) -> bool:
        try:
            return all(identity(path) == known for path, known in self.files.items())
        except OSError:
            return False

    def all_hold(self) -> bool:
        """Whether no lease is broken."""
        return all(map(leases.holds, self.leases))

    def has_siblings(self) -> bool:
        """Whether other claims have linked a file of it. Raises OSError."""
        return not self.is_folder and os.fstat(self.leases[0]).st_nlink > 1 + sum(map(len, self.users.values()))

    def waiting(self) -> set[int]:
        """The processes that wait for its leases."""
        return leases.waiting(self.sizes)

    @property
    def leasable(self) -> bool:
        return len(self.files) <= LEASED_MEMBERS


def possible_in(folder: str, mounts: Path = MOUNTS) -> bool:
    """Whether inputs in the folder may be linked: on a file server, others could write to them without our notice."""
    return not on_network(Path(folder), mounts) and leases.work_in(folder)


class Links:
    """Thread-safe. Keeps watch over all shared inputs of a claim; the monitor calls `look`."""

    def __init__(self, folder: str, possible: Callable[[str], bool] = possible_in, most_leases: int | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """`folder`: of the cached inputs."""
        self.possible = possible(folder)
        """Whether inputs may be linked here at all."""
        self._left = min(MOST_LEASES, limit() // 4) if most_leases is None else most_leases
        self._clock = clock
        self._lock = threading.Lock()
        self._used: dict[Shared, None] = {}

    @property
    def in_use(self) -> bool:
        return bool(self._used)

    def attach(self, shared: Shared, sharer: Sharer, name: str) -> bool:
        """Whether the attempt may link the input; each time it must `detach`. Raises OSError."""
        with shared.lock:
            if shared.spoilt or shared.broken_at is not None or not shared.all_hold():
                return False
            if not shared.users:
                shared.list_members()
                if not shared.unchanged():
                    shared.spoilt = True
                    return False
                if not self._take_leases(shared):
                    return False
                shared.compare_at = self._clock() + COMPARE_S
            shared.users.setdefault(sharer, []).append(name)
        with self._lock:
            self._used[shared] = None
        return True

    def detach(self, shared: Shared, sharer: Sharer) -> bool:
        """The attempt's processes are gone. False if the input was changed: what the attempt read is worth nothing."""
        with shared.lock:
            if sharer not in shared.users:
                return True
            # Whoever did not wait for the lease may have ended before it was seen that the lease is broken.
            suspect = shared.guilty is None and not shared.all_hold() and not shared.waiting()
            if not shared.spoilt and not shared.unchanged():
                self._spoil(shared)
            shared.users[sharer].pop()
            if not shared.users[sharer]:
                del shared.users[sharer]
            if not shared.users:
                self._release_leases(shared)
                with self._lock:
                    self._used.pop(shared, None)
            return not (shared.spoilt or suspect)

    def is_good(self, shared: Shared) -> bool:
        """Whether it was never changed."""
        with shared.lock:
            if not shared.spoilt and not shared.unchanged():
                self._spoil(shared)
            return not shared.spoilt

    def look(self) -> None:
        """End the attempts that wait for a lease, and those that share an input that was changed."""
        with self._lock:
            used = list(self._used)
        for shared in used:
            with shared.lock:
                if shared.users and not shared.spoilt:
                    self._look_at(shared)

    def _look_at(self, shared: Shared) -> None:
        now = self._clock()
        if shared.broken_at is not None or not shared.all_hold():
            self._broken(shared, now)
        elif now >= shared.compare_at:
            if not shared.unchanged():
                self._spoil(shared)
            done = self._clock()
            shared.compare_at = done + max(COMPARE_S, COST * (done - now))

    def _broken(self, shared: Shared, now: float) -> None:
        first = shared.broken_at is None
        shared.broken_at = now if shared.broken_at is None else shared.broken_at
        waiting = shared.waiting()
        guilty = [user for user in shared.users if not waiting.isdisjoint(user.processes())] if waiting else []
        if not waiting and shared.guilty is None:
            if first:
                return  # the writer may be about to wait
            # It did not wait (O_NONBLOCK), or the kernel does not show who waits: it may be any of them.
            guilty = list(shared.users)
        if guilty and now - shared.broken_at < SIBLINGS_S and shared.has_siblings():
            shared.guilty = shared.guilty or set()
            return  # while the writer waits, the other claims see that it is none of theirs
        shared.guilty = {*(shared.guilty or ()), *guilty}
        self._end(shared, guilty)
        if shared.guilty & shared.users.keys():
            return  # a dying writer continues for a moment if the lease is released
        if all([leases.renew(fd) for fd in shared.leases]):
            shared.broken_at, shared.guilty = None, None
            if not shared.unchanged():
                self._spoil(shared)
        elif now - shared.broken_at > LOST_S:
            self._spoil(shared)

    @staticmethod
    def _end(shared: Shared, users: Iterable[Sharer]) -> None:
        for user in users:
            user.input_changed(shared.users[user][0])

    def _spoil(self, shared: Shared) -> None:
        shared.spoilt = True
        self._release_leases(shared)
        self._end(shared, list(shared.users))

    def _take_leases(self, shared: Shared) -> bool:
        if not shared.leasable:
            return True
        with self._lock:
            if self._left < len(shared.files):
                return False
            self._left -= len(shared.files)
        fds: list[int] = []
        for path in shared.files:
            fd = None
            try:
                fd = leases.take(path)
            finally:
                if fd is None:
                    _close(fds)
                    with self._lock:
                        self._left += len(shared.files)
            if fd is None:
                return False
            fds.append(fd)
        shared.leases = fds
        return True

    def _release_leases(self, shared: Shared) -> None:
        fds, shared.leases = shared.leases, []
        _close(fds)
        shared.broken_at, shared.guilty = None, None
        with self._lock:
            self._left += len(fds)


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
