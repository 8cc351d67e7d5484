"""Large files on the scheduler's machine that the claim's first task needs: copied while the executor starts.

Their places come with the executor's archive (see shared/samehost.py). A copy is used if an attempt asks for an input
whose place is the same, down to the times of its last change; what nobody has asked for is removed after a while.
"""
from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import Callable, Mapping, Sequence

from mfmesos.shared.apart import set_apart
from mfmesos.shared.samehost import LEAST_BYTES, Place, load_places
from mfmesos.shared.wire_checks import WireError
from mfmesos_executor.copying import copy_of, new_file

logger = logging.getLogger(__name__)
FOLDER = ".mfmesos"
"""Of all the executor's own files, in the sandbox."""
LEFT_S = 60.0
"""Copies that nobody has asked for are removed this long after the last one was made."""
LOOK_S = 0.2


def make_folder(sandbox: str) -> str:
    """The executor's own folder: files of tasks are not for other users of the agent. Raises OSError."""
    folder = f"{sandbox}/{FOLDER}"
    os.makedirs(folder, 0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    set_apart(folder)
    return folder


class FirstCopies:
    """Thread-safe. Copies one after the other on a thread of its own, until `stop`."""

    def __init__(self, folder: str = "", places: Sequence[Place] = (), left_s: float = LEFT_S) -> None:
        """`folder`: where the copies are made; it exists."""
        self._left_s = left_s
        self._paths = {number: f"{folder}/first.{number}" for number in range(len(places))}
        self._waiting = dict(enumerate(places))
        """Those that nobody has asked for."""
        self._made: dict[int, bool] = {}
        self._stopped = False
        self._changed = threading.Condition()
        if places:
            threading.Thread(target=self._work, name="first-copies", daemon=True).start()

    def take(self, place: Place, path: str, look: Callable[[], None]) -> bool:
        """Whether a copy of that version of the file is at `path` now. Waits for it, and calls `look` meanwhile. Raises
        OSError, and what `look` raises.
        """
        with self._changed:
            number = next((number for number, one in self._waiting.items() if one == place), None)
            while number in self._waiting and number not in self._made and not self._stopped:
                look()
                self._changed.wait(LOOK_S)
            if number is None or not self._made.get(number) or self._waiting.pop(number, None) is None:
                return False
            os.rename(self._paths[number], path)
            logger.info("event=first_copy bytes=%d", place.size)
            self._changed.notify_all()
            return True

    def stop(self) -> None:
        """No file is made after this; those that exist go with the folder."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        for number, place in list(self._waiting.items()):
            made = False
            with contextlib.suppress(OSError, TypeError, _Stopped):  # the attempt that needs it finds out why
                made = place.size >= LEAST_BYTES and place.is_here() and self._copy(place, self._paths[number])
            with self._changed:
                self._made[number] = made
                self._changed.notify_all()
                if not made:
                    self._remove(number)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._waiting, self._left_s)
            for number in list(self._waiting):
                self._remove(number)

    def _copy(self, place: Place, path: str) -> bool:
        with self._changed:
            self._look()
            target = new_file(path)
        try:
            return copy_of(place, target, self._look)
        finally:
            os.close(target)

    def _look(self) -> None:
        if self._stopped:
            raise _Stopped

    def _remove(self, number: int) -> None:
        del self._waiting[number]
        with contextlib.suppress(OSError):
            os.unlink(self._paths[number])


class _Stopped(Exception):
    """The claim ends."""


def begin(named: str, environ: Mapping[str, str]) -> FirstCopies:
    """Begin to copy; `named`: the header that came with the archive, or empty. Never fails."""
    try:
        places = load_places(named) if named else []
        sandbox = os.path.abspath(environ.get("MESOS_SANDBOX") or os.getcwd())
        return FirstCopies(make_folder(sandbox) if places else "", places)
    except (WireError, OSError, RecursionError):
        return FirstCopies()
