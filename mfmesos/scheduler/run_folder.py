"""Watches the workflow's folder and .mfmesos in it during the run: a user may remove or rename them."""
from __future__ import annotations

import os
from pathlib import Path

from mfmesos.shared.messages import runs as m


class RunFolder:
    """Remembers the identity of both folders; raises OSError if one is missing."""

    def __init__(self, workdir: Path, state_dir: Path) -> None:
        self._paths = (workdir, state_dir)
        self._known = [_identity(path) for path in self._paths]

    def problem(self) -> str:
        """Why the run cannot continue, in one line; empty while both folders are in place."""
        for path, known in zip(self._paths, self._known):
            try:
                gone = _identity(path) != known
            except (FileNotFoundError, NotADirectoryError):
                gone = True
            except OSError:
                return ""  # for example a file server that does not answer
            if gone:
                return m.FOLDER_REPLACED(path=path)
        return ""


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
