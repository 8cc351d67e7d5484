"""The folders where the user has run workflows, for `mfmesos runs`. No run depends on it: it may be deleted any time.

One small file for each folder, of mode 0600, beside the user's history.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mfmesos.shared import atomic
from mfmesos.store.history import HistoryError, default_path

MOST = 200
"""Folders; of more the one whose last run is oldest is forgotten."""


@dataclass(frozen=True)
class Known:
    folder: str
    engine: str
    master: str
    """Without a password."""
    host: str
    started: float
    """Of the last run, seconds since the epoch."""


def place(environ: Mapping[str, str] = os.environ) -> Path | None:
    """None: the user has no home."""
    try:
        return default_path(environ).with_name("runs")
    except HistoryError:
        return None


def remember(run: Known, environ: Mapping[str, str] = os.environ) -> None:
    """Raises OSError."""
    folder = place(environ)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(run.folder)).hexdigest()[:16] + ".json"
    atomic.write(folder / name, json.dumps(asdict(run)), mode=0o600, several=True)
    known = list(folder.glob("*.json"))
    for path in sorted(known, key=_changed)[:-MOST] if len(known) > MOST else ():
        path.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def known(environ: Mapping[str, str] = os.environ) -> list[Known]:
    """The latest first; what cannot be read is left out."""
    folder, found = place(environ), []
    for path in folder.glob("*.json") if folder is not None else ():
        with contextlib.suppress(OSError, ValueError, TypeError):
            one = Known(**json.loads(path.read_text()))
            if isinstance(one.folder, str) and isinstance(one.started, float):
                found.append(one)
    return sorted(found, key=lambda one: one.started, reverse=True)
