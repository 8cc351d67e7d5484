"""The inputs of a claim, by digest: each is fetched once, kept while space allows, and handed out as copies."""
from __future__ import annotations

import os
import threading
from typing import Callable, Iterable, Tuple

from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import Input
from mfmesos_executor.client import Cancelled, Client
from mfmesos_executor.files import copy_file, copy_tree, remove_tree, unlink
from mfmesos_executor.spares import Spares
from mfmesos_executor.unpack import BadStream, unpack, write_verified

TRIES = 3
"""A damaged transfer is tried this many times."""
Key = Tuple[str, str]


class _Entry:
    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        self.ready = False
        self.error: BaseException | None = None
        self.users = 0
        self.used = 0


class Cache:
    """Thread-safe. `folder` must exist. `room_bytes` bounds the cached bytes; inputs in use may exceed it."""

    def __init__(self, folder: str, client: Client, room_bytes: int | None, spares: Spares) -> None:
        self._folder = folder
        self._client = client
        self._spares = spares
        self._room = room_bytes
        self._entries: dict[Key, _Entry] = {}
        self._changed = threading.Condition()
        self._count = 0
        self.bytes = 0
        """Approximate size of the cache."""

    def place(self, item: Input, target: str, cancelled: Callable[[], bool]) -> None:
        """Put a copy of the input at `target`. Raises Unreachable, Refused, Cancelled, BadStream, OSError."""
        key = (item.kind, item.digest)
        while True:
            entry, mine = self._enter(key, item)
            try:
                if mine:
                    self._fetch(entry, item, cancelled)
                elif not self._wait(entry, cancelled):
                    continue
                self._give(key, entry, item, target)
                return
            finally:
                self._leave(key, entry, item)

    def _enter(self, key: Key, item: Input) -> tuple[_Entry, bool]:
        with self._changed:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                self._count += 1
                entry = self._entries[key] = _Entry(f"{self._folder}/{self._count}", item.size)
                self.bytes += item.size
            self._count += 1
            entry.users += 1
            entry.used = self._count
        if mine:
            self.shrink()
        return entry, mine

    def _fetch(self, entry: _Entry, item: Input, cancelled: Callable[[], bool]) -> None:
        try:
            for left in reversed(range(TRIES)):
                try:
                    self._client.download(item.digest, lambda pieces: _take(item, pieces, entry.path), cancelled)
                    break
                except BadStream as e:
                    if not left:
                        raise BadStream(m.AFTER_TRIES(tries=TRIES, why=e)) from None
        except BaseException as e:
            with self._changed:
                entry.error = e
                self._changed.notify_all()
            raise
        with self._changed:
            entry.ready = True
            self._changed.notify_all()

    def _wait(self, entry: _Entry, cancelled: Callable[[], bool]) -> bool:
        """Whether the input is there; False if the attempt that fetched it was killed meanwhile: try again."""
        with self._changed:
            while not entry.ready and entry.error is None:
                if cancelled():
                    raise Cancelled
                self._changed.wait(0.2)
        if entry.error is None:
            return True
        if isinstance(entry.error, Cancelled):
            return False
        raise entry.error

    def _give(self, key: Key, entry: _Entry, item: Input, target: str) -> None:
        with self._changed:
            alone = not item.shared and entry.users == 1
            if alone:
                del self._entries[key]
                self.bytes -= entry.size
        mode = item.mode & 0o777 | 0o400
        if item.kind == "dir":
            if alone and not os.path.lexists(target):
                os.rename(entry.path, target)
            else:
                copy_tree(entry.path, target)
            if item.mtime_ns:
                os.utime(target, ns=(item.mtime_ns, item.mtime_ns))
        elif alone:
            os.chmod(entry.path, mode)
            if item.mtime_ns:
                os.utime(entry.path, ns=(item.mtime_ns, item.mtime_ns))
            os.rename(entry.path, target)
        else:
            unlink(target)
            copy_file(entry.path, target, mode, self._spares.take(), item.mtime_ns)
        if alone:
            remove_tree(entry.path)

    def _leave(self, key: Key, entry: _Entry, item: Input) -> None:
        with self._changed:
            entry.users -= 1
            # Failed, or needed by no other attempt: nothing to keep.
            gone = self._entries.get(key) is entry and not entry.users and (not item.shared or entry.error is not None)
            if entry.error is not None and self._entries.get(key) is entry:
                gone = True
            if gone:
                del self._entries[key]
                self.bytes -= entry.size
        if gone:
            remove_tree(entry.path)

    def shrink(self, to_bytes: int | None = None) -> None:
        """Remove unused inputs, the least recently used first, until at most that much is kept."""
        room = self._room if to_bytes is None else to_bytes
        if room is None or self.bytes <= room:
            return
        gone = []
        with self._changed:
            idle = [(e.used, k) for k, e in self._entries.items() if e.ready and not e.users]
            for _, key in sorted(idle):
                if self.bytes <= room:
                    break
                entry = self._entries.pop(key)
                self.bytes -= entry.size
                gone.append(entry.path)
        for path in gone:
            remove_tree(path)


def _take(item: Input, pieces: Iterable[bytes], path: str) -> None:
    """One try of a download."""
    if item.kind != "dir":
        write_verified(pieces, path, item.digest, item.sparse)
        return
    try:
        if unpack(pieces, path) != item.digest:
            raise BadStream(m.DIGEST_OF_FOLDER())
    except BaseException:
        remove_tree(path)
        raise
