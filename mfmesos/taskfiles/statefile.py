"""Writes mesos_task_state, from which makeflow reads the ends of tasks, so that no line can crash makeflow.

makeflow crashes on `N,failed` without a code, on an empty line and on an ID that it did not submit. So only this module
makes lines, from whole numbers, for announced IDs, and one line per ID. The caller must write a line only after all
outputs are published.
"""
from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Collection, Container, Iterator
from pathlib import Path

from mfmesos.shared import atomic
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.wholelines import open_to_append

log = logging.getLogger("mfmesos.statefile")

LINE = re.compile(r"([1-9]\d{0,9}),(finished|failed,-?\d{1,9}|killed|lost|aborted)", re.ASCII)
NO_CODE = 1
"""Written for a failure without an exit code (lost, over its memory, ...)."""


class StateFileError(RuntimeError):
    """A forbidden line: its ID was not announced, or has a line already."""


class StateFile:
    """Creates the file at once (makeflow spins, and ignores signals, until it exists). Thread-safe.

    If the file is removed or replaced, written lines stay with the old file, and new lines go to the new one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = threading.RLock()
        self._known: set[int] = set()
        self._ended: set[int] = set()
        self._held: list[bytes] | None = None
        self._backlog = b""
        self._fd = open_to_append(self._path)

    def known(self, task_id: int) -> None:
        """The engine has submitted that task, so it may get a line. Raises StateFileError for an invalid ID."""
        if type(task_id) is not int or not 0 < task_id < 2**31:
            raise StateFileError(m.STATE_BAD_ID(value=task_id))
        with self._lock:
            self._known.add(task_id)

    def is_known(self, task_id: int) -> bool:
        with self._lock:
            return task_id in self._known

    def is_ended(self, task_id: int) -> bool:
        with self._lock:
            return task_id in self._ended

    def finished(self, task_id: int) -> None:
        """Success; every output is published. Raises StateFileError."""
        self._end(task_id, "finished")

    def failed(self, task_id: int, code: int | None = None) -> None:
        """Failure with an exit code, if there was one. Raises StateFileError."""
        # An exit code of 0 would read as a failed success: a task over its memory, or without its output.
        # A negative code is a signal, as in Python's subprocess.
        number = int(code) if code else NO_CODE
        self._end(task_id, f"failed,{min(128 - number if number < 0 else number, 10**9 - 1)}")

    def aborted(self, task_id: int) -> None:
        """The engine cancelled the task, and it does not run any more. Raises StateFileError."""
        self._end(task_id, "aborted")

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """All lines that are added inside are written together at the end, in one write."""
        with self._lock:
            if self._held is not None:
                yield
                return
            self._held = []
            try:
                yield
            finally:
                lines, self._held = self._held, None
                self._write(lines)

    def load(self, *, adopt: Container[int] = ()) -> dict[int, str]:
        """The content of an existing file: the first line of each ID, as "finished", "failed,3", "aborted", ...

        Invalid lines and an incomplete last line are ignored. IDs in `adopt` count as written by this object: they are
        known and have their line.
        """
        found: dict[int, str] = {}
        with contextlib.suppress(OSError):
            for text in self._path.read_bytes().decode("ascii", "replace").split("\n")[:-1]:
                match = LINE.fullmatch(text)
                if match:
                    found.setdefault(int(match.group(1)), match.group(2))
        with self._lock:
            for task_id in found:
                if task_id in adopt:
                    self._known.add(task_id)
                    self._ended.add(task_id)
        return found

    def forget(self, task_ids: Collection[int]) -> None:
        """Remove the lines of these tasks, which run again: not while a program follows the file. Raises OSError."""
        with self._lock:
            if not self.flush():
                raise OSError(m.STATE_BACKLOG(path=self._path))
            lines = self._path.read_bytes().splitlines(keepends=True)
            gone = {b"%d" % task_id for task_id in task_ids}
            atomic.write(self._path, b"".join(line for line in lines if line.partition(b",")[0] not in gone))
            self._open_again()
            self._ended.difference_update(task_ids)

    def flush(self) -> bool:
        """Retry lines that a full disk delayed; returns whether all lines are written."""
        with self._lock:
            if self._backlog and self._fd >= 0:
                self._push()
            return not self._backlog

    def close(self) -> None:
        """Accept no more lines."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _end(self, task_id: int, state: str) -> None:
        with self._lock:
            if type(task_id) is not int or task_id not in self._known:
                raise StateFileError(m.STATE_NOT_SUBMITTED(task=task_id))
            if task_id in self._ended:
                raise StateFileError(m.STATE_TWICE(task=task_id, state=state))
            self._ended.add(task_id)
            line = f"{task_id},{state}\n".encode("ascii")
            if self._held is not None:
                self._held.append(line)
            else:
                self._write([line])

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._fd < 0:
            raise StateFileError(m.STATE_CLOSED(path=self._path))
        if not self._is_ours():
            log.warning("%s was removed or replaced; continuing with a new one", self._path)
            self._open_again()
        self._backlog += b"".join(lines)
        self._push()

    def _open_again(self) -> None:
        """If the folder is gone as well, lines still go to the old file."""
        try:
            fd = open_to_append(self._path)
        except OSError as e:
            log.error("%s cannot be created again (%s)", self._path, e.strerror)
        else:
            os.close(self._fd)
            self._fd = fd

    def _push(self) -> None:
        """Lines that cannot be written (a full disk) stay in the backlog for the next time."""
        while self._backlog:
            try:
                done = os.write(self._fd, self._backlog)
            except OSError as e:
                log.error("%s cannot be written (%s); results are kept until it can", self._path, e.strerror)
                return
            self._backlog = self._backlog[done:]

    def _is_ours(self) -> bool:
        try:
            named, ours = os.stat(self._path), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)
