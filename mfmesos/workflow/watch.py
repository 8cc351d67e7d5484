"""Told within milliseconds that a file in a folder has changed: inotify through watchdog, and a slow poll.

Latency: watchdog holds back everything behind a file that is moved out of the folder for 0.5 s, so moves are not
asked for; what they bring is found by the poll. Cost: as soon as all files are there they are watched alone, not their
folder, since each task makes several changes in a workflow's folder that are none of ours. Each change goes through
three threads of watchdog, so while many come nobody is asked to tell: then we look every few milliseconds.
"""
from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable, Protocol

from watchdog.events import FileModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from mfmesos.plainerrors import plain

log = logging.getLogger("mfmesos.watch")

ONLY_POLLED_S = 0.25
"""How often to look when nobody tells of changes (no inotify watch to be had, a network file system)."""
UNTOLD = 3
"""So many changes in a row that only the poll has found mean that changes are not told here."""
BUSY, BUSY_S = 20, 0.2
"""So many changes within so short a time are more than to be told of each is worth."""
BUSY_LOOK_S = 0.005
CALM_S = 0.3
"""Without a change, and we are told again."""
Signature = tuple[int, int, int, int]


class SomeObserver(Protocol):
    """As much of a watchdog observer as is used here."""

    def schedule(self, event_handler: FileSystemEventHandler, path: str, *, recursive: bool = False,
                 event_filter: list[type[FileSystemEvent]] | None = None) -> Any: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


class DirectoryWatch:
    """Calls `callback(name)` on its own thread soon after one of `names` in `folder` has changed, and at the start.

    A call says "look at it": several changes may be one call, and a call may find nothing new. `say` gets one
    line for the user, once, when changes can only be polled for.
    """

    def __init__(self, folder: str | os.PathLike[str], names: Iterable[str], callback: Callable[[str], None], *,
                 poll_s: float = 2.0, say: Callable[[str], None] | None = None,
                 make_observer: Callable[[], SomeObserver] = Observer) -> None:
        self._folder = Path(folder)
        self._callback = callback
        self._poll_s = poll_s
        self._say = say or log.warning
        self._make_observer = make_observer
        self._changed = threading.Condition()
        self._dirty: set[str] = set(names)
        self._seen: dict[str, Signature | None] = dict.fromkeys(self._dirty)
        self._stopping = False
        self._observer: SomeObserver | None = None
        self._watched: tuple[Signature | None, ...] | None = None
        self._wide = False
        """Whether the whole folder is watched, since a file is not there yet."""
        self._retired: SomeObserver | None = None
        """The last one that was told to stop."""
        self._refused = False
        self._untold = 0
        self._burst, self._burst_at = 0, 0.0
        """Changes since then, of those that came close together."""
        self._busy_until = 0.0
        self._thread = threading.Thread(target=self._run, name=f"watch-{self._folder.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No call begins after this returns (from within a callback: none after the present one)."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def polling(self) -> bool:
        """Whether the poll is the only means."""
        return self._observer is None or self._untold >= UNTOLD

    def poke(self, name: str) -> None:
        """Look at `name` now; for any thread."""
        with self._changed:
            if name in self._seen:
                self._dirty.add(name)
                self._changed.notify()

    def _told(self, name: str) -> None:
        if name in self._seen:
            self._untold = 0
            self.poke(name)

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
                    next_poll = time.monotonic() + self._pause()
                if names and self._are_many(time.monotonic()):
                    self._retire()
                    next_poll = time.monotonic() + self._pause()
                if self._wide and self._observer is not None and self._all_there():
                    self._retire()
                    self._observe()
                for name in sorted(names):
                    self._look(name)
        finally:
            self._retire()
            self._await_retired()

    def _pause(self) -> float:
        """Until the next poll."""
        if self._busy_until:
            return BUSY_LOOK_S
        return min(self._poll_s, ONLY_POLLED_S) if self.polling else self._poll_s

    def _are_many(self, now: float) -> bool:
        """Changes have come: whether from now on we had better look by ourselves."""
        if now - self._burst_at > BUSY_S:
            self._burst, self._burst_at = 0, now
        self._burst += 1
        if self._busy_until or self._burst > BUSY:
            self._busy_until = now + CALM_S
        return self._busy_until > 0 and self._observer is not None

    def _wait(self, until: float) -> set[str] | None:
        """The names to look at; empty when it is time to poll, None when it is time to end."""
        with self._changed:
            while not self._dirty and not self._stopping:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            names, self._dirty = self._dirty, set()
            return None if self._stopping else names

    def _poll(self, names: set[str]) -> set[str]:
        if self._watched is not None and self._identity() != self._watched:
            self._retire()
        if self._busy_until and time.monotonic() >= self._busy_until:
            self._busy_until = 0.0
        if self._observer is None and not self._refused and not self._busy_until:
            self._observe()
        changed = {name for name, seen in self._seen.items() if signature(self._folder / name) != seen} - names
        if changed and self._observer is not None and self._untold < UNTOLD:
            self._untold += 1
            if self._untold == UNTOLD:
                self._say(f"{self._folder}: this file system does not tell of changes; looking every {ONLY_POLLED_S} s")
        return changed

    def _look(self, name: str) -> None:
        # Before the callback reads: a change during the call is then found by the next poll.
        self._seen[name] = signature(self._folder / name)
        try:
            self._callback(name)
        except Exception:
            log.exception("looking at %s failed", self._folder / name)

    def _all_there(self) -> bool:
        return all((self._folder / name).exists() for name in self._seen)

    def _identity(self) -> tuple[Signature | None, ...]:
        """Of what is watched: the folder, or each file."""
        places = [self._folder] if self._wide else [self._folder / name for name in sorted(self._seen)]
        return tuple(signature(place, identity=True) for place in places)

    def _observe(self) -> None:
        if signature(self._folder, identity=True) is None:
            return  # the folder appears later
        self._wide = not self._all_there()
        watched = self._identity()
        try:
            observer = self._make_observer()
            handler = _Handler(self._told)
            for place in [self._folder] if self._wide else [self._folder / name for name in sorted(self._seen)]:
                observer.schedule(handler, str(place), event_filter=[FileModifiedEvent])
            observer.start()
        except Exception as e:  # ENOSPC and EMFILE: a limit of inotify; whatever it is, there is the poll
            if None not in self._identity():
                self._refused = True
                self._say(f"{self._folder}: changes are not notified ({plain(e, cure=False)}); looking every "
                          f"{ONLY_POLLED_S} s (fs.inotify.max_user_watches or max_user_instances may be too low)")
            return
        self._observer, self._watched = observer, watched
        # What changed before the watch was there.
        with self._changed:
            self._dirty.update(self._seen)

    def _retire(self) -> None:
        """Stop observing without waiting for it: what it still tells does no harm."""
        observer, self._observer, self._watched = self._observer, None, None
        if observer is not None:
            observer.stop()
            self._await_retired()
            self._retired = observer

    def _await_retired(self) -> None:
        if self._retired is not None:
            self._retired.join(5)


class _Handler(FileSystemEventHandler):
    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told

    def dispatch(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, getattr(event, "dest_path", "")):
            if path:
                self._told(os.path.basename(os.fsdecode(path)))


def signature(path: Path, *, identity: bool = False) -> Signature | None:
    """What tells one state of a file from another (or, of a folder, one folder from another); None: not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, 0, 0) if identity else (
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
