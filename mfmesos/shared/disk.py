"""Disk space; copies that keep the holes of sparse files; modes and times, if the file system has them."""
from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import stat

from mfmesos.shared.holes import extents

_NOT_KEPT = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""Errors of a file system without its own modes or times (CIFS, FAT, some FUSE): only the content matters there."""


def set_mode(file: str | int, mode: int) -> None:
    """Set the mode of a path or descriptor, if the file system has modes. Raises OSError for other reasons."""
    try:
        os.chmod(file, mode)
    except OSError as e:
        if e.errno not in _NOT_KEPT:
            raise


def set_times(file: str | int, atime_ns: int, mtime_ns: int) -> None:
    """Set the times of a path or descriptor, if the file system allows that. Raises OSError for other reasons."""
    try:
        os.utime(file, ns=(atime_ns, mtime_ns))
    except OSError as e:
        if e.errno not in _NOT_KEPT:
            raise


def remove_tree(path: str) -> None:
    """Remove a file or a folder with its content; what cannot be removed stays."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def copy_sparse(source: str, target: str) -> None:
    """Copy a file's content and keep its holes (blocking). Raises OSError."""
    with open(source, "rb", buffering=0) as from_file, open(target, "wb", buffering=0) as to_file:
        from_fd, to_fd = from_file.fileno(), to_file.fileno()
        size = os.fstat(from_fd).st_size
        for start, length in extents(from_fd, size):
            os.lseek(to_fd, start, os.SEEK_SET)
            end = start + length
            while start < end:
                done = os.sendfile(to_fd, from_fd, start, min(end - start, 1 << 30))
                if not done:
                    break
                start += done
        os.ftruncate(to_fd, size)


@functools.lru_cache(maxsize=1)
def umask() -> int:
    """The umask of this process at the first call: no code changes the umask later."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def capacity(folder: str) -> int:
    """Bytes that the file system of a folder could hold for this user if the user's other files were removed. Raises
    OSError.
    """
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize


def occupied(path: str) -> int:
    """Approximate disk usage in bytes of a file, or of a folder with its content. Raises OSError."""
    found = os.lstat(path)
    total = found.st_blocks * 512
    if stat.S_ISDIR(found.st_mode):
        for name in os.listdir(path):
            with contextlib.suppress(OSError):
                total += occupied(f"{path}/{name}")
    return total
