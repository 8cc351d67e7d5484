"""A hint to ext4: what lies in the folders of this folder has nothing to do with each other, or with what lies around.

ext4 makes a file near its folder, and a folder near the one above, so that everything below /tmp shares one group of
inodes. Without a journal each new file there costs a look at every inode whose file was removed in the last minutes
(docs/performance.md, Staging). A folder of a marked one begins in a group that its name chooses (chattr(1),
attribute T).

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os
import struct

_LONG = struct.calcsize("l")
_GET, _SET = 0x80006601 | _LONG << 16, 0x40006602 | _LONG << 16
"""FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h; where a machine numbers them otherwise, they are refused."""
TOP = 0x00020000
"""FS_TOPDIR_FL."""


def set_apart(folder: str | os.PathLike[str]) -> bool:
    """Mark a folder that is there; gives whether its file system knows of that. Never fails."""
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
