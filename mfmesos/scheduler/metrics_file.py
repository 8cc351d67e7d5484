"""--metrics-file: the run's metrics as a file, for Prometheus's node exporter and its like."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from mfmesos.shared import atomic

log = logging.getLogger("mfmesos.metrics")
EVERY_S = 5.0
END_S = 5.0
Status = Callable[[], dict[str, Any]]


class MetricsFile:
    """For the loop's thread; another one writes. An error is logged once. `path` empty: nothing."""

    def __init__(self, path: str, workflow: str, clock: Callable[[], float]) -> None:
        self._path = Path(path) if path else None
        self._workflow = workflow
        self._clock = clock
        self._next = clock()
        self._failed = False
        self._thread: ThreadPoolExecutor | None = None

    def tick(self, status: Status, sent_bytes: int) -> None:
        if self._path is not None and self._clock() >= self._next:
            self._next = self._clock() + EVERY_S
            self._write(status(), sent_bytes)

    async def end(self, status: Status, sent_bytes: int) -> None:
        """The last state, within END_S."""
        if self._path is not None:
            await asyncio.wait([asyncio.wrap_future(self._write(status(), sent_bytes))], timeout=END_S)
            assert self._thread is not None
            self._thread.shutdown(wait=False)

    def _write(self, live: Mapping[str, Any], sent_bytes: int) -> Future[None]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        return self._thread.submit(self._written, live, sent_bytes)

    def _written(self, live: Mapping[str, Any], sent_bytes: int) -> None:
        from mfmesos.views import metrics

        assert self._path is not None
        try:
            atomic.write(self._path, metrics.text(live, sent_bytes, self._workflow))
        except OSError as e:
            if not self._failed:
                self._failed = True
                log.warning("event=metrics_lost %s: %s", self._path, e.strerror)
