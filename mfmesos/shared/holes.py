"""Holes of sparse files: found when a file is read, and left out when a file is written.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os

SMALLEST = 64 * 1024
"""Bytes. Smaller files are not searched for holes."""
_STEP = 64 * 1024
_LEAST = 4096
_ZEROS = bytes(_STEP)


def sparse(found: os.stat_result) -> bool:
    """Whether a regular file with that stat result may have holes worth keeping."""
    return found.st_size > SMALLEST and found.st_blocks * 512 < found.st_size


def extents(fd: int, size: int, most: int | None = None) -> list[tuple[int, int]]:
    """Offset and length of each piece of data between holes, in order. After `most` pieces the rest of the file is one
    last piece. Raises OSError.
    """
    found: list[tuple[int, int]] = []
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as e:
            if e.errno == 6:  # ENXIO: no data after this offset
                break
            return [(0, size)]  # the file system does not support holes
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        if start >= size:
            break
        if most is not None and len(found) >= most:
            found.append((start, size - start))
            break
        found.append((start, end - start))
        position = end
    os.lseek(fd, 0, os.SEEK_SET)
    return found


def write_at(fd: int, data: bytes | memoryview, position: int, holes: bool) -> None:
    """Write at that offset of a file that is empty from there on. With `holes` long runs of zeros become holes; the
    file may then be too short: `os.ftruncate` it to its size. Raises OSError.
    """
    view = memoryview(data)
    if not holes:
        _write_all(fd, view, position)
        return
    start = done = 0
    while done < len(view):
        # Pieces begin at multiples of the step in the file, wherever the data begins.
        end = min(done + _STEP - (position + done) % _STEP, len(view))
        size = end - done
        if not view[done] and size >= _LEAST and not view[end - 1] and bytes(view[done:end]) == _ZEROS[:size]:
            _write_all(fd, view[start:done], position + start)
            start = end
        done = end
    _write_all(fd, view[start:], position + start)


def _write_all(fd: int, view: memoryview, position: int) -> None:
    while view:
        done = os.pwrite(fd, view, position)
        view, position = view[done:], position + done
