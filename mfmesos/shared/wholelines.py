"""Files of lines that survive a killed writer: the next writer removes an incomplete last line."""
from __future__ import annotations

import os

BLOCK = 4096


def open_to_append(path: str | os.PathLike[str]) -> int:
    """A descriptor for appending to a file of complete lines (mode 0644 when new). Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    size = os.fstat(fd).st_size
    whole = _end_of_lines(fd, size)
    if whole < size:
        os.ftruncate(fd, whole)
    return fd


def _end_of_lines(fd: int, size: int) -> int:
    start = size
    while start > 0:
        end, start = start, max(start - BLOCK, 0)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0
