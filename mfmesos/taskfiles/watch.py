"""Notices within milliseconds that files in a folder have changed: inotify through watchdog, and a slow poll.

Threads:
- The watch's own thread (`_run`) makes every decision, every poll and every callback. It sleeps until a name is dirty
  or the next poll is due.
- Threads of watchdog's observer (three, while there is an inotify watch) only mark a name as dirty (`_notified`).
- Any thread may mark a name as dirty (`poke`), or end the watch (`stop`).
The condition guards what they share: the dirty names and `_stopping`.

What inotify does not report, so that only the poll finds it:
- A file that was moved to or from its name. Moves are not asked for: watchdog holds back for 0.5 s everything behind a
  file that is moved out of the folder.
- A file or folder that was replaced: inotify watches the old one until a poll sees that it has another identity.
- Changes on a network file system that another machine made; and all of them when inotify has reached a limit.
- Changes while they come fast: each passes through watchdog's three threads, so meanwhile the inotify watch is removed,
  and the files are polled every few milliseconds (watchpace.py decides when).

While a file is missing the whole folder is watched, then the files alone: for each task several changes are made in a
workflow's folder that do not concern these files.
"""
from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Protocol

from watchdog.events import FileModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.plainerrors import plain
from mfmesos.taskfiles.watch_pace import ONLY_POLLED_S, Pace

log = logging.getLogger("mfmesos.watch")

Signature = Optional[tuple[int, int, int, int]]
"""One state of a file: device, inode, size and time of change in ns. None: no such file."""
Identity = Optional[tuple[int, int]]
"""One file or folder, whatever is in it: device and inode. None: no such file."""


class SomeObserver(Protocol):
    """As much of a watchdog observer as is used here."""

    def schedule(self, event_handler: FileSystemEventHandler, path: str, *, recursive: bool = False,
                 event_filter: list[type[FileSystemEvent]] | None = None) -> Any: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


class _InotifyWatch(NamedTuple):
    """An observer that runs, and what it watches."""

    observer: SomeObserver
    places: Sequence[Path]
    """The folder, while one of the files is missing; otherwise the files."""
    were: tuple[Identity, ...]
    """Of the places, when the observer was started."""

    @property
    def stale(self) -> bool:
        """Whether something else has come to have the name of a place."""
        return identities(self.places) != self.were


class DirectoryWatch:
    """Calls `callback(name)` on its own thread soon after one of `names` in `folder` has changed, and at the start.

    A call means "look at the file": several changes may be one call, and a call may find nothing new. `say` gets one
    line for the user when changes can only be polled for.
    """

    def __init__(self, folder: str | os.PathLike[str], names: Iterable[str], callback: Callable[[str], None], *,
                 poll_s: float = 2.0, say: Callable[[str], None] | None = None,
                 make_observer: Callable[[], SomeObserver] = Observer) -> None:
        self._folder = Path(folder)
        self._callback = callback
        self._say = say or log.warning
        self._make_observer = make_observer
        self._woken = threading.Condition()
        self._dirty: set[str] = set(names)
        self._stopping = False
        self._seen: dict[str, Signature] = dict.fromkeys(self._dirty)
        """Each file as it was before its latest callback."""
        self._pace = Pace(poll_s)
        self._inotify: _InotifyWatch | None = None
        self._retired: SomeObserver | None = None
        """The last observer that was stopped: its threads may still run."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{self._folder.name}", daemon=True)

    # --- for any thread -------------------------------------------------------------------------
    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Begin to stop, without waiting for it."""
        with self._woken:
            self._stopping = True
            self._woken.notify()

    def stop(self) -> None:
        """No call begins after this returns (from within a callback: none after the present one)."""
        self.end()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def polling(self) -> bool:
        """Whether the poll is the only means."""
        return self._pace.polls_only(self._inotify is not None)

    def poke(self, name: str) -> None:
        """Look at `name` now."""
        with self._woken:
            if name in self._seen:
                self._dirty.add(name)
                self._woken.notify()

    def _notified(self, name: str) -> None:
        """By watchdog, of any file in the folder."""
        if name in self._seen:
            self._pace.notified()
            self.poke(name)

    # --- the watch's own thread -----------------------------------------------------------------
    def _run(self) -> None:
        try:
            self._observe()
            next_poll = 0.0
            while True:
                names = self._wait(next_poll)
                if names is None:
                    return
                if time.monotonic() >= next_poll:
                    names |= self._poll(names)
                    next_poll = self._next_poll()
                if names and self._pace.changes(time.monotonic()) and self._inotify is not None:
                    self._retire()
                    next_poll = self._next_poll()
                if self._inotify is not None and self._inotify.places == [self._folder] and not self._some_missing():
                    self._retire()
                    self._observe()
                for name in sorted(names):
                    self._look(name)
        finally:
            self._retire()
            self._join_retired()

    def _wait(self, until: float) -> set[str] | None:
        """The names to look at; empty when a poll is due, None when the watch ends."""
        with self._woken:
            while not self._dirty and not self._stopping:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._woken.wait(left)
            names, self._dirty = self._dirty, set()
            return None if self._stopping else names

    def _next_poll(self) -> float:
        return time.monotonic() + self._pace.pause(self._inotify is not None)

    def _poll(self, names: set[str]) -> set[str]:
        """The names that have changed, but for `names`, which are known to. Renews the inotify watch where needed."""
        if self._inotify is not None and self._inotify.stale:
            self._retire()
        if self._pace.may_notify(time.monotonic()) and self._inotify is None:
            self._observe()
        changed = {name for name, seen in self._seen.items() if signature(self._folder / name) != seen} - names
        if changed and self._inotify is not None and self._pace.missed():
            self._say(m.WATCH_POLLS(folder=self._folder, pause=ONLY_POLLED_S))
        return changed

    def _look(self, name: str) -> None:
        # Before the callback reads: a change during the call is then found by the next poll.
        self._seen[name] = signature(self._folder / name)
        try:
            self._callback(name)
        except Exception:
            log.exception("the callback for %s failed", self._folder / name)

    def _some_missing(self) -> bool:
        return not all((self._folder / name).exists() for name in self._seen)

    # --- the inotify watch ----------------------------------------------------------------------
    def _observe(self) -> None:
        """Have changes notified, where that is possible; what changed before is found by looking at every file."""
        if identity(self._folder) is None:
            return  # a poll finds the folder when it appears
        places = [self._folder] if self._some_missing() else [self._folder / name for name in sorted(self._seen)]
        were = identities(places)
        try:
            observer = self._make_observer()
            handler = _Handler(self._notified)
            for place in places:
                observer.schedule(handler, str(place), event_filter=[FileModifiedEvent])
            observer.start()
        except Exception as e:  # ENOSPC and EMFILE are limits of inotify; whatever the error is, the poll remains
            if None not in identities(places):
                self._pace.unavailable()
                self._say(m.WATCH_UNAVAILABLE(
                    folder=self._folder, why=plain(e, cure=False), pause=ONLY_POLLED_S))
            return
        self._inotify = _InotifyWatch(observer, places, were)
        with self._woken:
            self._dirty.update(self._seen)

    def _retire(self) -> None:
        """Stop the observer and join the one before: a late notification does no harm, and threads do not add up."""
        if self._inotify is None:
            return
        observer, self._inotify = self._inotify.observer, None
        observer.stop()
        self._join_retired()
        self._retired = observer

    def _join_retired(self) -> None:
        if self._retired is not None:
            self._retired.join(5)


class _Handler(FileSystemEventHandler):
    """Passes on the name of each file that watchdog reports."""

    def __init__(self, notified: Callable[[str], None]) -> None:
        self._notified = notified

    def dispatch(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if path:
                self._notified(os.path.basename(os.fsdecode(path)))


def signature(path: Path) -> Signature:
    """Differs from that of any other content, but for a change of equal size within one tick of the file's clock."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def identity(path: Path) -> Identity:
    """Which file or folder has that name."""
    found = signature(path)
    return found[:2] if found is not None else None


def identities(paths: Iterable[Path]) -> tuple[Identity, ...]:
    return tuple(map(identity, paths))
