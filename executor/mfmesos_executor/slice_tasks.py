"""The Mesos tasks that hold the claim's slices: running until they are given back, or until the claim ends."""
from __future__ import annotations

import threading
from typing import Callable

from mfmesos.shared.slices import slice_id


class Slices:
    """Thread-safe. `update` reports the state of a Mesos task."""

    def __init__(self, update: Callable[..., None]) -> None:
        self._update = update
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._ended: set[str] = set()

    def launched(self, task_id: str) -> None:
        """Perhaps after it was given back."""
        with self._lock:
            late = task_id in self._ended
            if not late:
                self._running.add(task_id)
        self._update(task_id, "TASK_FINISHED" if late else "TASK_RUNNING")

    def give_back(self, claim_id: str, number: int) -> None:
        """The scheduler asked for it; its room is free."""
        self._end(slice_id(claim_id, number), "TASK_FINISHED")

    def kill(self, task_id: str) -> bool:
        """Whether it is a slice, perhaps one that has ended. Its room is kept until the scheduler asks for it."""
        with self._lock:
            known = task_id in self._running or task_id in self._ended
        if known:
            self._end(task_id, "TASK_KILLED")
        return known

    def _end(self, task_id: str, state: str) -> None:
        with self._lock:
            self._ended.add(task_id)
            running = task_id in self._running
            self._running.discard(task_id)
        if running:
            self._update(task_id, state)

    def end_all(self, state: str, message: str) -> None:
        """The claim has ended."""
        with self._lock:
            running, self._running = sorted(self._running), set()
        for task_id in running:
            self._update(task_id, state, message)
