"""The inputs of a claim, by digest: each is fetched once, kept while space allows, and handed out as copies."""
from __future__ import annotations

import os
import threading
from typing import Callable, Sequence, Tuple

from mfmesos.shared.wire import Input
from mfmesos_executor.client import Cancelled
from mfmesos_executor.fetching import Source, fetch
from mfmesos_executor.files import remove_tree
from mfmesos_executor.placing import Placer

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

    def __init__(self, folder: str, sources: Sequence[Source], room_bytes: int | None, placer: Placer) -> None:
        self._folder = folder
        self._sources = sources
        self._placer = placer
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

    def keep(self, item: Input, path: str) -> bool:
        """Take over the file or folder at `path`, an attempt's output that later attempts may read as `item`, with its
        mode and time; False if there is no room for it. Nobody may have it open. Raises OSError.
        """
        key = (item.kind, item.digest)
        with self._changed:
            if key in self._entries or self._room is None or item.size > self._room:
                return key in self._entries
            self._count += 1
            entry = _Entry(f"{self._folder}/{self._count}", item.size)
            os.rename(path, entry.path)
            entry.ready, entry.used = True, self._count
            self._entries[key] = entry
            self.bytes += item.size
        self.shrink()
        return True

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
            fetch(self._sources, item, entry.path, cancelled)
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
        if alone:
            self._placer.move(entry.path, item, target)
        else:
            self._placer.copy(entry.path, item, target)

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
