"""What stat says of a file or folder: as long as that stays the same, so does the content, as far as one can see."""
from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from mfmesos.staging.trees import Row, TreeError, walk


class Stamp(NamedTuple):
    """`text` is size and time of a file, or a digest of those of all in a folder; `size` the bytes in it."""

    text: str
    size: int


def stamp(path: str) -> Stamp | None:
    """None for what does not exist, leads nowhere, or is neither file nor folder (blocking)."""
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            return file_stamp(found.st_size, found.st_mtime_ns)
        return tree_stamp(walk(path)) if stat.S_ISDIR(found.st_mode) else None
    except (OSError, TreeError, ValueError):
        return None


def file_stamp(size: int, mtime_ns: int) -> Stamp:
    return Stamp(f"{size} {mtime_ns}", size)


def tree_stamp(rows: Iterable[Row]) -> Stamp:
    """Without inodes and the folders' own times, which change when all is copied."""
    total, size = hashlib.sha256(), 0
    for row in rows:
        total.update(os.fsencode(f"{row.name}\0{row.kind}\0{row.size}\0{row.mtime_ns}\0{row.target}\0"))
        size += row.size
    return Stamp(total.hexdigest(), size)
