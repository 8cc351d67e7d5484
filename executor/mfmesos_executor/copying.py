"""Copies the content of open files within the kernel. Imports little: the executor begins with it."""
from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import Callable

from mfmesos.shared.holes import extents, sparse
from mfmesos.shared.samehost import Place

LARGE_BYTES = 16 << 20
"""Blocks of a copy of this size are allocated before: it takes a fifth less time (docs/performance.md, Staging)."""
STEP_BYTES = 64 << 20
"""Copied between two looks whether the copy is still wanted."""
_FICLONE = 0x40049409
"""Of linux/fs.h."""
_NO_COPY_RANGE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EIO)


def new_file(path: str) -> int:
    """Open a new file of this user alone, to write to it. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def copy_of(place: Place, to_fd: int, look: Callable[[], None]) -> bool:
    """Whether a copy of that version of the file is in the empty open file now; `look` is called in between. Raises
    OSError, and what `look` raises.
    """
    source = os.open(place.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not place.is_at(source):
            return False
        copy_open(source, to_fd, place.size, sparse(os.fstat(source)), STEP_BYTES, look)
        return os.fstat(to_fd).st_size == place.size and place.is_at(source)
    finally:
        os.close(source)


def copy_open(from_fd: int, to_fd: int, size: int, holes: bool, step: int = 1 << 30,
              between: Callable[[], None] = lambda: None) -> None:
    """Copy an open file into an empty one, with its `holes`; `between` is called before each `step` bytes of it. Raises
    OSError, and what `between` raises.
    """
    if not holes and size >= LARGE_BYTES:
        if _shares_blocks(from_fd, to_fd):
            return
        with contextlib.suppress(OSError):  # not everywhere; for want of room the copy itself fails
            os.posix_fallocate(to_fd, 0, size)
    for start, length in extents(from_fd, size) if holes else [(0, size)]:
        os.lseek(from_fd, start, os.SEEK_SET)
        os.lseek(to_fd, start, os.SEEK_SET)
        while length > 0:
            between()
            _copy(from_fd, to_fd, min(step, length))
            length -= step
    if holes:
        os.ftruncate(to_fd, size)


def _shares_blocks(from_fd: int, to_fd: int) -> bool:
    """Whether it is a copy now without any blocks of its own (reflink)."""
    try:
        fcntl.ioctl(to_fd, _FICLONE, from_fd)
        return True
    except OSError:
        return False


def _copy(from_fd: int, to_fd: int, size: int) -> None:
    left = size
    if hasattr(os, "copy_file_range"):
        try:
            while left > 0:
                done = os.copy_file_range(from_fd, to_fd, min(left, 1 << 30))
                if done == 0:
                    return
                left -= done
        except OSError as e:
            if e.errno not in _NO_COPY_RANGE or left != size:
                raise
    while left > 0:
        done = os.sendfile(to_fd, from_fd, None, min(left, 1 << 30))
        if done == 0:
            return
        left -= done
