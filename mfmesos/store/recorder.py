"""Writes a run's attempts to the history on a separate thread: no error of the history affects the workflow."""
from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path
from typing import Callable

from mfmesos.core.attempt_record import Attempt
from mfmesos.shared.messages import store as m
from mfmesos.store.history import History, HistoryError, default_path

log = logging.getLogger("mfmesos.history")
LOADED = 5_000
"""The newest attempts of earlier runs to load: older ones no longer affect the estimates, and each slows every start
(docs/performance.md, Start-up).
"""
BUSY_S = 3.0
AT_ONCE = 200
CLOSE_S = 5.0


class Recorder:
    """`path` None keeps nothing; "" is the user's own history. `complain` gets one line, from any thread, when the
    history is unusable; the history is then ignored for the rest of the run. `per_category`: how many of the newest
    attempts of a category are learned from.
    """

    def __init__(
        self, path: str | None, workflow: str, complain: Callable[[str], None], per_category: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._workflow = workflow
        self._complain = complain
        self._per_category = per_category
        self._clock = clock
        self._history: History | None = None
        self._waiting: list[Attempt] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    def load(self) -> Future[Iterable[Attempt]]:
        """Attempts of earlier runs, oldest first."""
        return self._thread.submit(self._load)

    def _load(self) -> Iterable[Attempt]:
        if self._path is None:
            return ()
        try:
            self._history = History(Path(self._path) if self._path else default_path(), busy_s=BUSY_S)
            found = self._history.load(LOADED, each=self._per_category)
        except HistoryError as e:
            self._give_up(e)
            return ()
        if self._history.dropped:
            log.warning("%d attempts in the history have invalid values and are ignored", self._history.dropped)
        return found

    def keep(self, attempt: Attempt) -> None:
        """Store the attempt together with others, by `flush` at the latest."""
        if self._path is not None:
            self._waiting.append(Attempt(**{**vars(attempt), "ended_at": self._clock(), "workflow": self._workflow}))
            if len(self._waiting) >= AT_ONCE:
                self.flush()

    def flush(self) -> None:
        """Store the waiting attempts; returns at once."""
        if self._waiting:
            attempts, self._waiting = self._waiting, []
            self._thread.submit(self._add, attempts)

    def _add(self, attempts: Iterable[Attempt]) -> None:
        if self._history is None:
            return
        try:
            self._history.add(attempts)
        except HistoryError as e:
            self._give_up(e)

    def _give_up(self, error: HistoryError) -> None:
        self._close()
        self._complain(m.HISTORY_GIVEN_UP(why=error))

    def close(self) -> None:
        """Store the waiting attempts within CLOSE_S."""
        self.flush()
        wait_for([self._thread.submit(self._close)], CLOSE_S)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        history, self._history = self._history, None
        if history is not None:
            try:
                history.close()
            except HistoryError as e:
                log.warning("%s", e)
