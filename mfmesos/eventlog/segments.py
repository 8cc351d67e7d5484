"""The files of an event log: numbered segments, each of which can be replayed by itself.

A segment is a gzip file of lines of JSON: the head, the start, then for each call of the core the line "in" before it
and the line "out" after it. The oldest segments are removed, so that all of them together stay within a bound.
"""
from __future__ import annotations

import contextlib
import os
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

PREFIX, SUFFIX = "events-", ".log.gz"
_NAME = re.compile(re.escape(PREFIX) + r"(\d+)" + re.escape(SUFFIX))
SEGMENT_BYTES, KEPT = 128 << 20, 4
"""Bytes after which the next segment begins, before compression (to about a tenth), and how many segments are kept."""
WRITE_EVERY_S = 0.5
WRITE_AT_BYTES = 256 << 10
"""The writer takes over what has come at least this often, and sooner when it is this much."""
MOST_BEHIND_BYTES = 64 << 20
"""A disk that falls this far behind ends the segment; the next begins when it has caught up."""


def segments(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted((path for path in folder.glob(f"{PREFIX}*{SUFFIX}") if _NAME.fullmatch(path.name)), key=_number)


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else 0


class SegmentWriter:
    """Takes lines from one thread, and compresses and writes them on another."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES, kept: int = KEPT) -> None:
        self._folder, self._segment_bytes, self._kept = folder, segment_bytes, kept
        self._lines: list[bytes] = []
        self._bytes = 0
        """Of these lines."""
        self._left = 0
        """Bytes until the next segment begins."""
        self._lock = threading.Lock()
        self._more = threading.Event()
        self._ended = False
        self.problem = ""
        """Why nothing is written any more."""
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()

    def begin(self, head: bytes, checkpoint: bytes) -> None:
        """The first lines of the next segment."""
        with self._lock:
            self._lines += [b"", head, checkpoint]  # the empty line tells the writer to begin
            self._bytes += len(head) + len(checkpoint)
        self._left = max(self._segment_bytes, len(checkpoint))

    def add(self, line: bytes) -> None:
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
        self._left -= len(line)
        if self._bytes > WRITE_AT_BYTES:
            self._more.set()

    @property
    def full(self) -> bool:
        """Whether the next line has to begin a segment."""
        return self._left <= 0

    @property
    def behind(self) -> bool:
        """Whether the disk is too slow for now: nothing may be added before it has caught up and a segment begins."""
        if self._bytes <= MOST_BEHIND_BYTES:
            return False
        self._left = 0
        return True

    def close(self, timeout_s: float = 10.0) -> None:
        """Write the rest."""
        self._ended = True
        self._more.set()
        self._thread.join(timeout_s)

    # --- on the writer's thread ---
    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            fd, packer = -1, zlib.compressobj(1, wbits=31)
            try:
                for begins, data in self._batches():
                    if begins:
                        self._write(fd, packer.flush())
                        stack.close()
                        fd, packer = self._open(), zlib.compressobj(1, wbits=31)
                        stack.callback(os.close, fd)
                    self._write(fd, packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))
                self._write(fd, packer.flush())
            except OSError as e:
                self.problem = str(e.strerror or e)

    def _write(self, fd: int, data: bytes) -> None:
        while data and fd >= 0:
            data = data[os.write(fd, data):]

    def _batches(self) -> Iterator[tuple[bool, bytes]]:
        """(whether a segment begins, lines)."""
        while True:
            ended = self._ended
            with self._lock:
                lines, self._lines, self._bytes = self._lines, [], 0
            while lines:
                end = next((n for n, line in enumerate(lines) if n and not line), len(lines))
                begins = not lines[0]
                yield begins, b"".join(b"%s\n" % line for line in lines[begins:end])
                lines = lines[end:]
            if ended:
                return
            self._more.wait(WRITE_EVERY_S)
            self._more.clear()

    def _open(self) -> int:
        """The next segment, for this user only; the oldest ones make room."""
        older = segments(self._folder)
        for path in older[:max(len(older) - self._kept + 1, 0)]:
            path.unlink(missing_ok=True)
        path = self._folder / f"{PREFIX}{_number(older[-1]) + 1 if older else 1}{SUFFIX}"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a segment, also if its writer was killed. Raises OSError, and ValueError for another format."""
    unpacker, rest = zlib.decompressobj(wbits=31), b""
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            try:
                *lines, rest = (rest + unpacker.decompress(data)).split(b"\n")
            except zlib.error as e:
                raise ValueError(str(e)) from None
            yield from lines
