"""Large inputs from the caches of other claims of the same run on this agent, as hard links: an agent fetches once.

Mesos keeps the sandboxes of a framework's executors side by side:

    .../frameworks/F/executors/EXECUTOR/runs/CONTAINER/.mfmesos/CLAIM/cache

In `cache/at`, each claim lists its files by digest, as symbolic links whose targets are records: `fetching:NAME`, or
`ready:NAME:SIZE:DEVICE:INODE:MODE:MTIME_NS`. A record is made, replaced and read in one step, and leads nowhere. Where
the layout is another (images), the owner differs or files cannot be linked (project quotas, other devices), the input
is fetched from the next source.
"""
from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from typing import Callable, Iterator, NamedTuple

from mfmesos.shared.wire import Input
from mfmesos_executor.client import Cancelled
from mfmesos_executor.files import unlink
from mfmesos_executor.shared import Identity, identity

LIST = "at"
LEAST_BYTES = 1 << 20
"""A smaller input is fetched as quickly."""
STALLED_S, MOST_S, STEP_S = 5.0, 60.0, 0.05
"""A claim that fetches the input is waited for while the file grows, at most this long."""
_SANDBOX = re.compile(r"(/.+/frameworks/[^/]+/executors)/[^/]+/runs/[^/]+/(\.mfmesos)/[^/]+\Z")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Record(NamedTuple):
    cache_fd: int
    since_ns: int
    path: str
    words: list[str]


class Siblings:
    """A source of inputs, and the list of this claim's own. Thread-safe."""

    def __init__(self, folder: str, clock: Callable[[], float] = time.monotonic,
                 pause: Callable[[float], None] = time.sleep) -> None:
        """`folder`: the claim's. Raises OSError."""
        self._cache = os.path.join(os.path.realpath(folder), "cache")
        found = _SANDBOX.match(os.path.dirname(self._cache))
        self._executors = found[1] if found else ""
        self._list = f"{self._cache}/{LIST}"
        self._clock, self._pause = clock, pause
        if self._executors:
            os.makedirs(self._list, 0o700, exist_ok=True)

    def _concerns(self, item: Input) -> bool:
        return bool(self._executors) and item.kind == "file" and item.shared and item.size >= LEAST_BYTES

    # --- this claim's list ---
    def publish(self, item: Input, path: str) -> None:
        """The verified file in the cache may be linked."""
        if self._concerns(item):
            with contextlib.suppress(OSError):
                self._write(item, ":".join(("ready", os.path.basename(path), *map(str, identity(path)))))

    def withdraw(self, kind: str, digest: str) -> None:
        """It may not, any more."""
        if self._executors and kind == "file":
            with contextlib.suppress(OSError):
                unlink(f"{self._list}/{digest}")

    def _write(self, item: Input, record: str) -> None:
        new = f"{self._list}/.{item.digest}"
        os.symlink(record, new)
        os.rename(new, f"{self._list}/{item.digest}")

    # --- a source ---
    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        """As Source.fetch; never raises but Cancelled."""
        if not self._concerns(item):
            return False
        with contextlib.suppress(OSError):
            # First, so that of two claims that begin at the same time one sees the other.
            self._write(item, f"fetching:{os.path.basename(path)}")
            return self._link_or_wait(item, path, cancelled)
        return False

    def _link_or_wait(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        mine = os.lstat(f"{self._list}/{item.digest}").st_mtime_ns, self._list
        size, stalled_at, ends_at = -1, self._clock() + STALLED_S, self._clock() + MOST_S
        while True:
            grown = -1
            for record in self._records(item.digest):
                if record.words[0] == "ready":
                    if _link(record, item, path):
                        return True
                elif (record.since_ns, record.path) < mine:
                    with contextlib.suppress(OSError):
                        grown = max(grown, 0, os.stat(record.words[1], dir_fd=record.cache_fd).st_size)
                    grown = max(grown, 0)
            now = self._clock()
            if grown > size:
                size, stalled_at = grown, now + STALLED_S
            if grown < 0 or now > min(stalled_at, ends_at):
                return False
            if cancelled():
                raise Cancelled
            self._pause(STEP_S)

    def _records(self, digest: str) -> Iterator[_Record]:
        """What other claims have of that file; each one's `cache_fd` is open until the next."""
        with contextlib.suppress(OSError):
            for executor in os.listdir(self._executors):
                with contextlib.suppress(OSError):
                    for container in os.listdir(f"{self._executors}/{executor}/runs"):
                        base = f"{self._executors}/{executor}/runs/{container}"
                        yield from self._records_of(base, digest)

    def _records_of(self, sandbox: str, digest: str) -> Iterator[_Record]:
        with contextlib.suppress(OSError), _folder(sandbox) as top, _folder(".mfmesos", top, own=True) as claims:
            for claim in os.listdir(claims):
                path = f"{sandbox}/.mfmesos/{claim}/cache/{LIST}"
                if path == self._list:
                    continue
                with contextlib.suppress(OSError), _folder(claim, claims, own=True) as one, \
                        _folder("cache", one, own=True) as cache, _folder(LIST, cache, own=True) as listed:
                    words = os.readlink(digest, dir_fd=listed).split(":")
                    since = os.stat(digest, dir_fd=listed, follow_symlinks=False).st_mtime_ns
                    if len(words) > 1 and words[1].isdigit():
                        yield _Record(cache, since, path, words)


@contextlib.contextmanager
def _folder(name: str, within: int | None = None, own: bool = False) -> Iterator[int]:
    """A folder's descriptor, without following a link; `own`: it must belong to this user. Raises OSError."""
    fd = os.open(name, _FOLDER, dir_fd=within)
    try:
        if own and os.fstat(fd).st_uid != os.geteuid():
            raise PermissionError(name)
        yield fd
    finally:
        os.close(fd)


def _link(record: _Record, item: Input, path: str) -> bool:
    """Whether the file is now linked at `path` and is as it was when its claim had verified it."""
    try:
        known = Identity(*map(int, record.words[2:]))
        os.link(record.words[1], path, src_dir_fd=record.cache_fd, follow_symlinks=False)
    except (OSError, TypeError, ValueError):
        return False
    right = identity(path) == known and stat.S_ISREG(known.mode) and known.size == item.size
    if not right or os.lstat(path).st_uid != os.geteuid():
        os.unlink(path)
        return False
    return True
