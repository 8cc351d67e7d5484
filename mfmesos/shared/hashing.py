"""Hashes data beside whoever writes it to the disk.

Travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import contextlib
import hashlib
import queue
import threading

HEX_BYTES = 64
"""Of a sha256 in hex, as it follows a late input (wire.Input.late)."""
LEAST_BYTES = 1 << 20
"""So much is hashed at once: a thread for less would take longer than it saves."""
WAITING = 4


class Hasher:
    """sha256 of data that may be long. Then a thread computes it, at most WAITING pieces behind; `hexdigest` or `close`
    ends the thread. A piece must not change after `update`.
    """

    def __init__(self) -> None:
        self._total = hashlib.sha256()
        self._size = 0
        self._thread: threading.Thread | None = None
        self._pieces: queue.Queue[bytes] = queue.Queue(WAITING)

    def update(self, piece: bytes) -> None:
        if self._thread is None and self._size >= LEAST_BYTES:
            self._begin()
        self._size += len(piece)
        if self._thread is None:
            self._total.update(piece)
        elif piece:
            self._pieces.put(piece)

    def hexdigest(self) -> str:
        """Of all of it; nothing may be added afterwards."""
        self.close()
        return self._total.hexdigest()

    def close(self) -> None:
        if self._thread is not None:
            self._pieces.put(b"")
            self._thread.join()
            self._thread, self._size = None, 0

    def _begin(self) -> None:
        thread = threading.Thread(target=self._work, name="hasher", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread can be started: hashed at once
            thread.start()
            self._thread = thread

    def _work(self) -> None:
        while True:
            piece = self._pieces.get()
            if not piece:
                return
            self._total.update(piece)
