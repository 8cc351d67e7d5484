"""Follows a file as it grows, appears late, shrinks or is replaced."""
from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path
from typing import Callable

from watchdog.observers import Observer

from mfmesos.shared.messages import taskfiles as m
from mfmesos.taskfiles.watch import DirectoryWatch, SomeObserver

log = logging.getLogger("mfmesos.tail")

PIECE = 1 << 20
"""Bytes per read."""
REMEMBERED = 256
"""Number of last bytes to remember, to notice that the file was overwritten with at least as many bytes."""


class FileReader:
    """Reads the new bytes of a file at each call of `look`. Not thread-safe; needs no watch."""

    def __init__(self, path: str | os.PathLike[str], on_bytes: Callable[[bytes, bool], None], offset: int = 0) -> None:
        self._path = Path(path)
        self._on_bytes = on_bytes
        self._offset = offset
        self._last = b""
        self._fd = -1
        self._complained: int | None = None

    def look(self) -> None:
        """Pass on new bytes. An emptied or replaced file is announced by `on_bytes(b"", True)`, and read from its
        beginning.
        """
        if self._fd < 0:
            self._open()
        elif not self._still_named():
            self._read()  # bytes that were appended to the old file before it was replaced
            if self._open():
                self._restart("replaced")
        if self._fd < 0:
            return
        if os.fstat(self._fd).st_size < self._offset or not self._remembers():
            self._restart("rewritten")
        self._read()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise OSError(errno.EINVAL, m.NOT_A_REGULAR_FILE())
        except OSError as e:
            if e.errno != errno.ENOENT and e.errno != self._complained:
                self._complained = e.errno
                log.warning("%s cannot be read: %s", self._path, e.strerror)
            return False
        # The old descriptor was open until here, so the new file does not have the old one's inode number.
        self.close()
        self._fd = fd
        return True

    def _still_named(self) -> bool:
        """Whether the path still leads to the open file."""
        try:
            named, ours = os.stat(self._path), os.fstat(self._fd)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _remembers(self) -> bool:
        """Whether the remembered bytes still precede the offset."""
        return os.pread(self._fd, len(self._last), self._offset - len(self._last)) == self._last

    def _restart(self, why: str) -> None:
        log.warning("%s was %s; reading it from its beginning", self._path, why)
        self._offset, self._last = 0, b""
        self._on_bytes(b"", True)

    def _read(self) -> None:
        while True:
            piece = os.pread(self._fd, PIECE, self._offset)
            if not piece:
                return
            self._offset += len(piece)
            self._last = (self._last + piece[-REMEMBERED:])[-REMEMBERED:]
            self._on_bytes(piece, False)


class FileTail:
    """Calls `on_bytes(data, reset)` on its own thread with bytes appended to `path`, within a few ms.

    `reset` (with empty data): the file was emptied or replaced, and the following bytes begin at its start. The file
    may appear late. `offset`: the first byte to read. An exception of `on_bytes` is logged; its bytes are not passed
    again.
    """

    def __init__(self, path: str | os.PathLike[str], on_bytes: Callable[[bytes, bool], None], *, offset: int = 0,
                 poll_s: float = 2.0, say: Callable[[str], None] | None = None,
                 make_observer: Callable[[], SomeObserver] = Observer) -> None:
        path = Path(path)
        self._name = path.name
        self._reader = FileReader(path, on_bytes, offset)
        self._watch = DirectoryWatch(path.parent, [path.name], self._look, poll_s=poll_s, say=say,
                                     make_observer=make_observer)

    def start(self) -> None:
        self._watch.start()

    def poke(self) -> None:
        """Look now (for a caller that knows of a change)."""
        self._watch.poke(self._name)

    def end(self) -> None:
        """Nothing follows in the file: begin to stop."""
        self._watch.end()

    def stop(self, *, last_look: bool = False) -> None:
        """No call begins after this returns. With `last_look`, the bytes in the file by now are passed on first, on the
        caller's thread.
        """
        self._watch.stop()
        if last_look:
            self._reader.look()
        self._reader.close()

    @property
    def polling(self) -> bool:
        """Whether changes are only found by polling."""
        return self._watch.polling

    def _look(self, name: str) -> None:
        self._reader.look()
