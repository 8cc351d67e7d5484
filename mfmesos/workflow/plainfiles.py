"""Files that we read must be files: to open a pipe that nobody writes to would wait for ever."""
from __future__ import annotations

import os
import stat

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def oddity(path: str | os.PathLike[str]) -> str:
    """"a folder", "a pipe", "a socket" or "a device"; empty for a file and for what does not exist."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISREG(mode):
        return ""
    return next((name for is_one, name in _KINDS if is_one(mode)), "a device")
