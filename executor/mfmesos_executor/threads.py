"""Worker threads, started on demand and bounded in number; and lanes for what may take long."""
from __future__ import annotations

import contextlib
import errno
import logging
import queue
import threading
from collections import deque
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


class Lanes:
    """Steps that may wait for the network. At most `size` run at the same time, and at most half as many `large` steps,
    so that a small step never waits for large ones. Steps of a lane run in their order of arrival: a job that submits
    its next step when one has ended takes turns with others.
    """

    def __init__(self, size: int) -> None:
        self._pool = Pool(size)
        self._most_large = max(1, size // 2)
        self._lock = threading.Lock()
        self._small: deque[Callable[[], None]] = deque()
        self._large: deque[Callable[[], None]] = deque()
        self._running_large = 0

    def submit(self, step: Callable[[], None], large: bool) -> None:
        """Raises OSError if no thread can be started."""
        lane = self._lane(large)
        with self._lock:
            lane.append(step)
        try:
            self._pool.submit(self._work)
        except OSError:
            if self.withdraw(step, large):
                raise

    def withdraw(self, step: Callable[[], None], large: bool) -> bool:
        """It will not run; False if it has begun, or was never submitted."""
        with self._lock, contextlib.suppress(ValueError):
            self._lane(large).remove(step)
            return True
        return False

    def crowded(self, large: bool) -> bool:
        """Whether such steps are waiting."""
        return bool(self._lane(large))

    def _lane(self, large: bool) -> deque[Callable[[], None]]:
        return self._large if large else self._small

    def _work(self) -> None:
        # Until nothing is left, since a thread may have found only large steps, and too many of them running.
        while True:
            with self._lock:
                large = bool(self._large) and self._running_large < self._most_large
                if not large and not self._small:
                    return
                step = self._lane(large).popleft()
                self._running_large += large
            try:
                step()
            except Exception:
                logger.exception("a step failed")
            finally:
                with self._lock:
                    self._running_large -= large
