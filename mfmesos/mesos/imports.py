"""The only module that imports pymesos; it undoes the side effects of the import (SIGINT, a log handler)."""
from __future__ import annotations

import logging
import signal
import threading
from typing import Any


def _import_quietly() -> Any:
    """Import pymesos, on any thread, without its SIGINT handler and its log handler.

    pymesos calls signal.signal(SIGINT, ...) at import. That fails off the main thread, and makes pymesos handle Ctrl-C.
    During the import this call is a no-op, for this thread only.
    """
    real, me = signal.signal, threading.get_ident()

    def pretend(number: Any, handler: Any) -> Any:
        return signal.getsignal(number) if threading.get_ident() == me else real(number, handler)

    signal.signal = pretend  # type: ignore[assignment]
    try:
        import pymesos
        import pymesos.process
        import pymesos.utils
    finally:
        signal.signal = real
    logger = logging.getLogger("pymesos")
    for handler in [h for h in logger.handlers if h is getattr(pymesos, "handler", None)]:
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    return pymesos


_pymesos = _import_quietly()

Process: Any = _pymesos.process.Process
Connection: Any = _pymesos.process.Connection
MesosSchedulerDriver: Any = _pymesos.MesosSchedulerDriver
MesosExecutorDriver: Any = _pymesos.MesosExecutorDriver
parse_duration: Any = _pymesos.utils.parse_duration
