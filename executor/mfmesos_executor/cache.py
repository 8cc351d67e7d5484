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


class Entry:
    """An input in the cache, or on its way there."""

    def __init__(self, path: str, item: Input) -> None:
        self.path = path
        self.size = max(item.size, 0)
        self.url = item.url
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
        self._entries: dict[Key, Entry] = {}
        self._changed = threading.Condition()
        self._count = 0
        self.bytes = 0
        """Approximate size of the cache."""

    def place(self, item: Input, target: str, cancelled: Callable[[], bool]) -> None:
        """Put a copy of the input at `target`. Raises Unreachable, Refused, Cancelled, BadStream, WebError, OSError."""
        placed = False
        while not placed:
            entry, mine = self.enter(item)
            try:
                if mine:
                    self._fetch(entry, item, cancelled)
                placed = self.give(entry, item, target, cancelled)
            finally:
                self.leave(entry, item)

    def keep(self, item: Input, path: str) -> bool:
        """Take over the file or folder at `path`, an attempt's output that later attempts may read as `item`, with its
        mode and time; False if there is no room for it. Nobody may have it open. Raises OSError.
        """
        key = (item.kind, item.digest)
        with self._changed:
            if key in self._entries or self._room is None or item.size > self._room:
                return key in self._entries
            self._count += 1
            entry = Entry(f"{self._folder}/{self._count}", item)
            os.rename(path, entry.path)
            entry.ready, entry.used = True, self._count
            self._entries[key] = entry
            self.bytes += item.size
        self.shrink()
        return True

    # --- the steps of it, for several inputs at once ---
    def enter(self, item: Input) -> tuple[Entry, bool]:
        """The input's entry, which stays until `leave`; and whether the caller must fetch it, and call `arrived`."""
        key = (item.kind, item.digest)
        with self._changed:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                self._count += 1
                entry = self._entries[key] = Entry(f"{self._folder}/{self._count}", item)
                self.bytes += entry.size
            self._count += 1
            entry.users += 1
            entry.used = self._count
        if mine:
            self.shrink()
        return entry, mine

    def has(self, item: Input) -> bool:
        """Whether it is in the cache, or on its way there."""
        return (item.kind, item.digest) in self._entries

    def _fetch(self, entry: Entry, item: Input, cancelled: Callable[[], bool]) -> None:
        try:
            fetch(self._sources, item, entry.path, cancelled)
        except BaseException as e:
            self.arrived(entry, e)
            raise
        if item.size < 0:
            self._measure(entry)
        self.arrived(entry)

    def _measure(self, entry: Entry) -> None:
        """Its size was unknown."""
        size = os.stat(entry.path).st_size
        with self._changed:
            self.bytes += size - entry.size
            entry.size = size

    def arrived(self, entry: Entry, error: BaseException | None = None) -> None:
        """It lies at `entry.path`, or does not, because of `error`."""
        with self._changed:
            entry.ready, entry.error = error is None, error
            self._changed.notify_all()

    def give(self, entry: Entry, item: Input, target: str, cancelled: Callable[[], bool]) -> bool:
        """Wait for it, and put it at `target`; False if the attempt that fetched it was killed meanwhile, or fetched
        it in vain from elsewhere: try again. Raises its error, Cancelled, OSError.
        """
        with self._changed:
            while not entry.ready and entry.error is None:
                if cancelled():
                    raise Cancelled
                self._changed.wait(0.2)
            if isinstance(entry.error, Cancelled) or (entry.error is not None and entry.url != item.url):
                return False
            if entry.error is not None:
                raise entry.error
            alone = not item.shared and entry.users == 1
            if alone:
                del self._entries[(item.kind, item.digest)]
                self.bytes -= entry.size
        if alone:
            self._placer.move(entry.path, item, target)
        else:
            self._placer.copy(entry.path, item, target)
        return True

    def leave(self, entry: Entry, item: Input) -> None:
        """It is not needed any more by who has entered."""
        key = (item.kind, item.digest)
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
