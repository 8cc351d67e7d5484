"""The folders of --shared-fs, and the user's cache."""
from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import sharedfs as m


def shared_folders(names: Iterable[str]) -> list[str]:
    """Absolute and without detours, under the names as written and with all links followed: commands and the workflow's
    folder may use either. Raises ConfigError.
    """
    found = []
    for name in names:
        path = os.path.abspath(name)
        if not os.path.isdir(path):
            raise ConfigError(m.SHARED_NOT_A_FOLDER(folder=path))
        if os.path.realpath(path) == "/":
            raise ConfigError(m.SHARED_WHOLE_MACHINE(folder=path))
        found += [path, os.path.realpath(path)]
    return list(dict.fromkeys(found))


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's folder for files that can be made again, in $XDG_CACHE_HOME or ~/.cache; None without a home."""
    home = environ.get("HOME") or os.path.expanduser("~")
    base = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return Path(base) / "mfmesos" if os.path.isabs(base) else None
