"""Files that we read must be files: to open a pipe that nobody writes to would wait for ever."""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from mfmesos.settings.config import ConfigError

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


def check_state(state_dir: Path) -> None:
    """Our own folder must be one, with none but files and folders in it; it need not exist. ConfigError, OSError."""
    if os.path.lexists(state_dir) and not state_dir.is_dir():
        what = oddity(state_dir) or "a file, or a link to nowhere"
        raise ConfigError(f"{state_dir}: this is {what}, not a folder; mfmesos keeps its own files there; move it away")
    with os.scandir(state_dir) if state_dir.is_dir() else contextlib.nullcontext(()) as entries:
        for entry in entries:
            odd = oddity(entry.path)
            if odd and odd != "a folder":
                raise ConfigError(f"{entry.path}: this is {odd}; only mfmesos's own files may lie there; remove it")
