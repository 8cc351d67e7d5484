"""scheduler.log: one event a line, as text or JSON, for the run's user alone; a long log keeps its last parts."""
from __future__ import annotations

import json
import logging
import os
import re
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

MOST_BYTES = 20 * 2**20
KEPT = 3
"""Files beside the current one: scheduler.log.1 is the newest of them."""
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FIELD = re.compile(r"\b([a-z_]+)=('[^']*'|\"[^\"]*\"|\S+)")


class PrivateLog(RotatingFileHandler):
    """Mode 0600. `kind`: "text" or "json"."""

    def __init__(self, path: Path, kind: str = "text", most_bytes: int = MOST_BYTES) -> None:
        super().__init__(path, maxBytes=most_bytes, backupCount=KEPT, encoding="utf-8", errors="surrogateescape")
        self.setFormatter(JsonLines() if kind == "json" else logging.Formatter(TEXT))
        self._followed = False

    def emit(self, record: logging.LogRecord) -> None:
        """A record with the attribute `followed` is written together with the next one, which comes at once."""
        self._followed = getattr(record, "followed", False)
        super().emit(record)

    def flush(self) -> None:
        if not self._followed:
            super().flush()

    def shouldRollover(self, record: logging.LogRecord) -> int:
        """After a record that made it too long: the parent's way formats each record twice."""
        return int(not self._followed and self.stream is not None
                   and os.fstat(self.stream.fileno()).st_size >= self.maxBytes)

    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return os.fdopen(fd, "a", encoding="utf-8", errors="surrogateescape")


class JsonLines(logging.Formatter):
    """{"time": seconds since the epoch, "level", "logger", "message", and the fields of the message: "event", ...}."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        entry: dict[str, Any] = {
            **{name: value.strip("'\"") for name, value in _FIELD.findall(message)},
            "time": round(record.created, 3), "level": record.levelname.lower(), "logger": record.name,
            "message": message}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
