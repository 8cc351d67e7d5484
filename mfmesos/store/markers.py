"""The markers of a run in its shared folders (--shared-fs), by which executors recognise these folders."""
from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Callable

from mfmesos.shared import atomic
from mfmesos.shared.messages import sharedfs as m
from mfmesos.shared.sharedfs import MARKER

FILE = "shared.json"
"""In mfmesos's own folder: the paths of the markers."""


class Markers:
    """The markers of a run. `token`: unguessable, and the same for each scheduler of the run."""

    def __init__(self, state_dir: Path, folders: Iterable[str], token: str) -> None:
        self._state_dir = state_dir
        self._folders = tuple(folders)
        self._name = f"{MARKER}{token}"

    def write(self, warn: Callable[[str], None]) -> dict[str, str]:
        """By folder, the name of its marker, empty if none can be written; `warn` gets a line about each of those.
        Markers of an earlier run that was killed are removed (blocking).
        """
        if not self._folders:
            remove_markers(self._state_dir)
            return {}
        paths = [f"{folder}/{self._name}" for folder in self._folders]
        remove_markers(self._state_dir, keep=paths)
        atomic.write(self._state_dir / FILE, json.dumps(paths))
        found = {}
        for folder, path in zip(self._folders, paths):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
                found[folder] = self._name
            except OSError as e:
                found[folder] = ""
                warn(m.SHARED_NO_MARKER(folder=folder, why=e.strerror))
        return found

    def remove(self) -> None:
        """The run has ended."""
        remove_markers(self._state_dir)


def markers_in(state_dir: Path) -> list[Path]:
    """The markers of the last run that are still there (blocking)."""
    try:
        paths = json.loads((state_dir / FILE).read_text())
    except (OSError, ValueError):
        return []
    # Nothing but markers, whatever somebody has written into the file.
    return [Path(path) for path in paths if isinstance(path, str) and "\0" not in path
            and os.path.basename(path).startswith(MARKER) and os.path.lexists(path)] if isinstance(paths, list) else []


def remove_markers(state_dir: Path, keep: Iterable[str] = ()) -> None:
    """Remove the markers of the last run, and their list (blocking)."""
    kept = frozenset(keep)
    for path in markers_in(state_dir):
        if str(path) not in kept:
            with contextlib.suppress(OSError):
                path.unlink()
    (state_dir / FILE).unlink(missing_ok=True)
