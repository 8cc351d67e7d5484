"""Read leases: the kernel holds whoever opens a leased file for writing, or truncates it, until the lease is released.

Readers, hard links, renames, chmod and utime pass. The kernel waits /proc/sys/fs/lease-break-time (45 s by default),
then the writer continues; an open with O_NONBLOCK fails at once with EWOULDBLOCK.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from typing import Container

_F_SETSIG = 10


def take(path: str) -> int | None:
    """A descriptor that holds a lease on the file until it is closed; None if there can be none: the file system has
    no leases, the file belongs to another user, or somebody has it open for writing. Raises OSError for the open.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    # SIGIO, the default, would end this process. SIGURG is ignored by default, here and in children.
    try:
        fcntl.fcntl(fd, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        os.close(fd)
        return None
    return fd


def holds(fd: int) -> bool:
    """Whether nobody waits for the lease to be released, and the kernel has not taken it."""
    return fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK


def renew(fd: int) -> bool:
    """Release the lease, which lets waiting writers continue, and take it again; False if somebody has the file open
    for writing. The file may have been changed between the two.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    return True


def work_in(folder: str) -> bool:
    """Whether leases on files in the folder keep writers out, found by trying."""
    path = f"{folder}/.lease"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        fd = take(path)
        if fd is None:
            return False
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except BlockingIOError:
            return not holds(fd) and renew(fd)
        finally:
            os.close(fd)
        return False
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def waiting(inodes: Container[int], locks: str = "/proc/locks") -> set[int]:
    """The processes that wait for leases on files with these numbers to be released; those of other containers, and
    all if the kernel does not show locks, are missing.
    """
    found: set[int] = set()
    with contextlib.suppress(OSError), open(locks, "rb") as f:
        here = False
        for line in f:
            # 1: LEASE  BREAKING  UNLCK 7267 fe:00:2154498 0 EOF
            # 1: -> LEASE  BREAKER   WRITE 7334 <none>:0 0 EOF
            words = line.split()
            if words[1] != b"->":
                here = words[1] == b"LEASE" and int(words[5].rpartition(b":")[2]) in inodes
            elif here:
                found.add(int(words[5]))
    return found
