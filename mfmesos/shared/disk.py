"""What a disk holds and could hold; copies that keep the holes of sparse files; modes and times, where it has them."""
from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import stat

from mfmesos.shared.holes import extents

_NOT_KEPT = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
"""Of a file system that has no modes or times of its own (CIFS, FAT, some FUSE): the content is what matters."""


def set_mode(file: str | int, mode: int) -> None:
    """Of a path or descriptor, where the file system has modes. Raises OSError for other reasons."""
    try:
        os.chmod(file, mode)
    except OSError as e:
        if e.errno not in _NOT_KEPT:
            raise


def set_times(file: str | int, atime_ns: int, mtime_ns: int) -> None:
    """Of a path or descriptor, where the file system lets us. Raises OSError for other reasons."""
    try:
        os.utime(file, ns=(atime_ns, mtime_ns))
    except OSError as e:
        if e.errno not in _NOT_KEPT:
            raise


def remove_tree(path: str) -> None:
    """Remove a file or a folder and all in it; what cannot be removed stays."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def copy_sparse(source: str, target: str) -> None:
    """Copy a file's content; holes stay holes (blocking). Raises OSError."""
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
    """This process's own, as it is at the first call: nobody changes it later."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def capacity(folder: str) -> int:
    """Bytes that the file system of a folder could hold for us if nothing else of ours were there. Raises OSError."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree + found.f_bavail) * found.f_frsize


def occupied(path: str) -> int:
    """Bytes of disk that a file or folder and all in it take, about. Raises OSError."""
    found = os.lstat(path)
    total = found.st_blocks * 512
    if stat.S_ISDIR(found.st_mode):
        for name in os.listdir(path):
            with contextlib.suppress(OSError):
                total += occupied(f"{path}/{name}")
    return total
