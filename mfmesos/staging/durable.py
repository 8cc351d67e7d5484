"""Forces published outputs to the disk, those of several tasks together."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def force(workdir: Path, names: Iterable[str]) -> None:
    """Force files and folders with their content, then the folders above them, to the disk, each once (blocking).
    Raises OSError; files that were removed meanwhile are skipped.
    """
    folders: set[str] = set()
    for name in names:
        path = os.path.join(workdir, name)
        if os.path.isdir(path) and not os.path.islink(path):
            for folder, _, files in os.walk(path):
                folders.add(folder)
                for file in files:
                    _force(os.path.join(folder, file))
        else:
            _force(path)
        folders.add(os.path.dirname(path))
    for folder in folders:
        _force(folder)


def _force(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a link, or gone
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
