"""Worker threads, started on demand and bounded in number."""
from __future__ import annotations

import errno
import logging
import queue
import threading
from typing import Callable

from mfmesos.shared.messages import executor as m

logger = logging.getLogger(__name__)


class Pool:
    """`submit` runs a job on one of at most `size` daemon threads. A job's exception is logged, never fatal."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._spare = 0
        """Idle threads less waiting jobs."""

    def submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._spare -= 1
            grow = self._spare < 0 and self._threads < self._size
            if grow:
                self._threads += 1
                self._spare += 1
        self._jobs.put(job)
        if grow:
            self._start()

    def _start(self) -> None:
        """Start one more thread. If the system refuses, the running threads do the work; if there are none: OSError."""
        try:
            threading.Thread(target=self._work, name="worker", daemon=True).start()
        except RuntimeError as e:
            with self._lock:
                self._threads -= 1
                self._spare -= 1
                if self._threads:
                    return
            raise OSError(errno.EAGAIN, m.NO_THREAD(why=e)) from None

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception:
                logger.exception("a worker's job failed")
            with self._lock:
                self._spare += 1
