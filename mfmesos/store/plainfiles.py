"""Checks that a path is a regular file before it is opened: opening a pipe without a writer would block for ever."""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import shared as m

FOLDER = m.A_FOLDER()
_KINDS = ((stat.S_ISDIR, FOLDER), (stat.S_ISFIFO, m.A_PIPE()), (stat.S_ISSOCK, m.A_SOCKET()))


def oddity(path: str | os.PathLike[str]) -> str:
    """"a folder", "a pipe", "a socket" or "a device"; empty for a regular file or a missing path."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISREG(mode):
        return ""
    return next((name for is_one, name in _KINDS if is_one(mode)), m.A_DEVICE())


def check_state(state_dir: Path) -> None:
    """.mfmesos must be a folder that holds only files and folders; it need not exist. Raises ConfigError, OSError."""
    if os.path.lexists(state_dir) and not state_dir.is_dir():
        what = oddity(state_dir) or m.A_FILE_OR_DEAD_LINK()
        raise ConfigError(m.STATE_NOT_A_FOLDER(path=state_dir, what=what))
    with os.scandir(state_dir) if state_dir.is_dir() else contextlib.nullcontext(()) as entries:
        for entry in entries:
            odd = oddity(entry.path)
            if odd and odd != FOLDER:
                raise ConfigError(m.STATE_ODD_FILE(path=entry.path, what=odd))
