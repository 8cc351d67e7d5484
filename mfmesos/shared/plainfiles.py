"""Checks that a path is a regular file before it is opened: opening a pipe without a writer would block for ever."""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from mfmesos.settings.config import ConfigError

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def oddity(path: str | os.PathLike[str]) -> str:
    """"a folder", "a pipe", "a socket" or "a device"; empty for a regular file or a missing path."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISREG(mode):
        return ""
    return next((name for is_one, name in _KINDS if is_one(mode)), "a device")


def check_state(state_dir: Path) -> None:
    """.mfmesos must be a folder that holds only files and folders; it need not exist. Raises ConfigError, OSError."""
    if os.path.lexists(state_dir) and not state_dir.is_dir():
        what = oddity(state_dir) or "a file, or a link to nowhere"
        raise ConfigError(f"{state_dir}: this is {what}, not a folder; mfmesos keeps its own files there; move it away")
    with os.scandir(state_dir) if state_dir.is_dir() else contextlib.nullcontext(()) as entries:
        for entry in entries:
            odd = oddity(entry.path)
            if odd and odd != "a folder":
                raise ConfigError(f"{entry.path}: this is {odd}; only mfmesos's own files may lie there; remove it")
