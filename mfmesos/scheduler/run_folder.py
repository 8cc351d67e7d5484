"""The folder of a run and our own folder in it, while the run lasts: what a user removes or renames is noticed."""
from __future__ import annotations

import os
from pathlib import Path


class RunFolder:
    """Remembers which folders these are; raises OSError when one of them is not there."""

    def __init__(self, workdir: Path, state_dir: Path) -> None:
        self._paths = (workdir, state_dir)
        self._known = [_identity(path) for path in self._paths]

    def problem(self) -> str:
        """Why the run cannot continue, in one line; empty while both are where they were."""
        for path, known in zip(self._paths, self._known):
            try:
                gone = _identity(path) != known
            except (FileNotFoundError, NotADirectoryError):
                gone = True
            except OSError:
                return ""  # a file server that does not answer, say
            if gone:
                return (f"{path} was removed, renamed or replaced during the run; put it back or start again, "
                        "and leave it in place until the run has ended")
        return ""


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
