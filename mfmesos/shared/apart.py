"""A hint to ext4 that the subfolders of a folder are unrelated to each other and to the folders around them.

ext4 creates a file near its folder, and a folder near its parent, so that everything below /tmp shares one group of
inodes. Without a journal, each new file there makes ext4 check every inode whose file was removed in the last minutes
(docs/performance.md, Staging). A subfolder of a marked folder starts in a group that its name chooses (chattr(1),
attribute T).

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os
import struct

_LONG = struct.calcsize("l")
_GET, _SET = 0x80006601 | _LONG << 16, 0x40006602 | _LONG << 16
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h; a machine with other numbers refuses these."""
TOP = 0x00020000
"""FS_TOPDIR_FL."""


def set_apart(folder: str | os.PathLike[str]) -> bool:
    """Mark an existing folder; returns whether its file system supports that. Never fails."""
    try:
        import fcntl

        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (ImportError, OSError):
        return False
    try:
        flags, = struct.unpack("i4x", fcntl.ioctl(fd, _GET, bytes(8)))
        fcntl.ioctl(fd, _SET, struct.pack("i4x", flags | TOP))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
