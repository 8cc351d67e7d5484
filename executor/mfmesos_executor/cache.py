"""The inputs of a claim, by digest: each is fetched once, kept while space allows, and handed out as links or
copies.
"""
from __future__ import annotations

import contextlib
import os
import threading
from typing import Callable, Collection, Iterator, Mapping, Sequence, Tuple

from mfmesos.shared.wire import Input
from mfmesos_executor.client import Cancelled
from mfmesos_executor.fetching import Source, fetch
from mfmesos_executor.files import remove_tree
from mfmesos_executor.placing import Placer
from mfmesos_executor.shared import Shared, Sharer
from mfmesos_executor.siblings import Siblings

Key = Tuple[str, str]


class Entry:
    """An input in the cache, or on its way there."""

    def __init__(self, path: str, item: Input) -> None:
        self.path = path
        self.item = item
        self.size = max(item.size, 0)
        self.url = item.url
        self.ready = False
        self.error: BaseException | None = None
        self.shared: Shared | None = None
        """Set when it is ready."""
        self.users = 0
        """Attempts that wait for it, copy it or have it linked."""
        self.pins: set[str] = set()
        """Why it must stay: see kept_files.pin."""
        self.used = 0
        self.unwanted = False
        """Whether no other attempt needs it."""

    @property
    def spoilt(self) -> bool:
        return self.shared is not None and self.shared.spoilt


class Cache:
    """Thread-safe. `folder` must exist. `room_bytes` bounds the cached bytes; inputs in use may exceed it."""

    def __init__(self, folder: str, sources: Sequence[Source], room_bytes: int | None, placer: Placer,
                 siblings: Siblings) -> None:
        self._folder = folder
        self._sources = sources
        self._placer = placer
        self._siblings = siblings
        self._room = room_bytes
        self._entries: dict[Key, Entry] = {}
        self._linked: dict[Sharer, list[tuple[Entry, Input]]] = {}
        self._changed = threading.Condition()
        self._count = 0
        self.bytes = 0
        """Approximate size of the cache."""

    def place(self, item: Input, target: str, cancelled: Callable[[], bool], sharer: Sharer | None = None,
              own: Collection[str] = ()) -> None:
        """Put the input at `target`: as a copy or, for a `sharer`, perhaps as a link, except for paths in `own`; the
        sharer must `let_go` when its processes are gone. Raises Unreachable, Refused, Cancelled, BadStream, WebError,
        OSError.
        """
        placed = False
        while not placed:
            entry, mine = self.enter(item)
            linked = False
            try:
                if mine:
                    self._fetch(entry, item, cancelled)
                linked = sharer is not None and self._link(entry, item, target, cancelled, sharer, own)
                placed = linked or self.give(entry, item, target, cancelled)
            finally:
                if not linked:
                    self.leave(entry, item)

    def let_go(self, sharer: Sharer) -> str:
        """The name of an input that was changed while the attempt had it linked; empty if none. May be called twice."""
        changed = ""
        for entry, item in self._linked.pop(sharer, ()):
            if entry.shared is not None and not self._placer.unlink(entry.shared, sharer):
                changed = changed or item.name
            self.leave(entry, item)
        return changed

    def recycle(self, sharer: Sharer, usable: bool) -> None:
        """See Placer.recycle; after `let_go`."""
        self._placer.recycle(sharer, usable)

    def linked(self, sharer: Sharer) -> list[Mapping[int, int]]:
        """The files that the attempt has linked, by inode number, with their bytes on disk."""
        return [entry.shared.sizes for entry, _ in self._linked.get(sharer, ()) if entry.shared is not None]

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
            entry.ready, entry.used, entry.shared = True, self._count, Shared(entry.path)
            self._entries[key] = entry
            self.bytes += item.size
        self._siblings.publish(item, entry.path)
        self.shrink()
        return True

    def pin(self, item: Input, path: str, pin: str) -> bool:
        """Take over a temporary output, whether or not there is room, until `unpin`. Returns whether there is. Raises
        OSError.
        """
        key = (item.kind, item.digest)
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or entry.spoilt or not entry.ready:
                self._count += 1
                made = Entry(f"{self._folder}/{self._count}", item)
                os.rename(path, made.path)
                self.bytes += made.size - (entry.size if entry is not None else 0)
                made.ready, made.shared, entry = True, Shared(made.path), made
                self._entries[key] = made
            entry.pins.add(pin)
            entry.used = self._count
        self.shrink()
        return self._room is None or self.bytes <= self._room

    def unpin(self, pin: str) -> None:
        """Without another pin, and while no attempt uses it, it is removed."""
        key = ("file", pin.rpartition(" ")[2])
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or pin not in entry.pins:
                return
            entry.pins.remove(pin)
            gone = not entry.pins and not entry.users
            if gone:
                del self._entries[key]
                self.bytes -= entry.size
        if gone:
            self._discard(entry)

    def pins(self) -> list[str]:
        """Of all temporary outputs."""
        with self._changed:
            return [pin for entry in self._entries.values() for pin in entry.pins]

    def pinned(self, digest: str) -> Entry | None:
        """The entry of a temporary output, which stays until `leave`."""
        with self._changed:
            entry = self._entries.get(("file", digest))
            if entry is None or entry.spoilt or not entry.pins:
                return None
            entry.users += 1
            return entry

    # --- the steps of it, for several inputs at once ---
    def enter(self, item: Input) -> tuple[Entry, bool]:
        """The input's entry, which stays until `leave`; and whether the caller must fetch it, and call `arrived`."""
        key = (item.kind, item.digest)
        with self._changed:
            entry = self._entries.get(key)
            if entry is not None and entry.spoilt:
                self._forget(entry, item)
                entry = None
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
            self._placer.seal(entry.path, item)
            entry.shared = Shared(entry.path)
            self._siblings.publish(item, entry.path)
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
        it in vain from elsewhere, or if the cached file was changed: try again. Raises its error, Cancelled, OSError.
        """
        with self._changed:
            self._wait(entry, cancelled)
            if isinstance(entry.error, Cancelled) or (entry.error is not None and entry.url != item.url):
                return False
            if entry.error is not None:
                raise entry.error
            alone = not entry.pins and self._alone(entry, item) and self._entries.get((item.kind, item.digest)) is entry
            if alone:
                self._forget(entry, item)
        if alone:
            self._placer.drop_spares(entry.shared)
            self._placer.move(entry.path, item, target)
        else:
            self._placer.copy(entry.path, item, target)
            # Who writes to it in spite of all, while it is copied, spoils the copy.
            return entry.shared is None or self._placer.is_good(entry.shared)
        return True

    def _wait(self, entry: Entry, cancelled: Callable[[], bool]) -> None:
        while not entry.ready and entry.error is None:
            if cancelled():
                raise Cancelled
            self._changed.wait(0.2)

    def _link(self, entry: Entry, item: Input, target: str, cancelled: Callable[[], bool], sharer: Sharer,
              own: Collection[str]) -> bool:
        with self._changed:
            self._wait(entry, cancelled)
            if not entry.ready or entry.shared is None or self._alone(entry, item):
                return False
        if not self._placer.link(entry.shared, item, target, sharer, own):
            return False
        self._linked.setdefault(sharer, []).append((entry, item))
        return True

    @staticmethod
    def _alone(entry: Entry, item: Input) -> bool:
        """Whether the attempt can have the cached file itself."""
        return not item.shared and entry.users == 1 and (item.kind == "dir" or os.lstat(entry.path).st_nlink == 1)

    def leave(self, entry: Entry, item: Input) -> None:
        """It is not needed any more by who has entered."""
        self._leave(entry, item, not item.shared)

    def _leave(self, entry: Entry, item: Input, unwanted: bool) -> None:
        with self._changed:
            entry.users -= 1
            entry.unwanted = unwanted
            # Failed, changed, or needed by no other attempt: nothing to keep.
            if self._entries.get((item.kind, item.digest)) is entry and (
                    entry.error is not None or entry.spoilt or (unwanted and not entry.users and not entry.pins)):
                self._forget(entry, item)
            gone = not entry.users and self._entries.get((item.kind, item.digest)) is not entry
        if gone:
            self._discard(entry)

    def _forget(self, entry: Entry, item: Input) -> None:
        del self._entries[(item.kind, item.digest)]
        self.bytes -= entry.size
        self._siblings.withdraw(item.kind, item.digest)

    @contextlib.contextmanager
    def lent(self, digest: str) -> Iterator[Entry | None]:
        """A file that is cached or being fetched, which stays so within the block; None if there is none."""
        with self._changed:
            entry = self._entries.get(("file", digest))
            if entry is not None and entry.spoilt:
                entry = None
            if entry is not None:
                entry.users += 1
        try:
            yield entry
        finally:
            if entry is not None:
                self._leave(entry, entry.item, entry.unwanted)

    def is_ready(self, entry: Entry, patience_s: float) -> bool:
        """Whether a lent file is there as a whole, at the latest after this time."""
        with self._changed:
            self._changed.wait_for(lambda: entry.ready or entry.error is not None, patience_s)
            return entry.ready

    def shrink(self, to_bytes: int | None = None) -> None:
        """Remove unused inputs, the least recently used first, until at most that much is kept."""
        room = self._room if to_bytes is None else to_bytes
        if room is None or self.bytes <= room:
            return
        gone = []
        with self._changed:
            idle = [(e.used, k) for k, e in self._entries.items() if e.ready and not e.users and not e.pins]
            for _, key in sorted(idle):
                if self.bytes <= room:
                    break
                entry = self._entries.pop(key)
                self.bytes -= entry.size
                self._siblings.withdraw(*key)
                gone.append(entry)
        for entry in gone:
            self._discard(entry)

    def _discard(self, entry: Entry) -> None:
        self._placer.drop_spares(entry.shared)
        remove_tree(entry.path)
