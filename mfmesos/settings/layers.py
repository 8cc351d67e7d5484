"""Settings by layer: the site's file, the user's, that of the workflow's folder, the environment. A later layer counts
more; what the command line says counts most, and what no layer sets has its default.

Keys are the names of long options, as in `max-cores = 8` ("max_cores" is the same). The file of a workflow's folder may
come from anyone: it may set only what changes how tasks are scheduled. The site's file may also have a table [limits].
"""
from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import settings as m
from mfmesos.shared.plainerrors import plain

SITE = Path("/etc/mfmesos.toml")
OWN = "mfmesos.toml"
"""In the workflow's folder."""
LIMITS = frozenset(("max-running", "max-cores", "max-memory", "local-agents", "retries"))
"""Keys of [limits]: the largest value that a user may choose."""
OF_FOLDERS = frozenset((
    "max-running", "max-cores", "max-memory", "claims", "placement", "place", "counter",
    "category-resources", "order", "reserve", "claim-idle", "claim-worklife", "no-rewrite", "estimates", "retry-budget",
    "retries", "keep-going", "plain", "verify", "keep-stale", "fsync"))
"""What the file of a workflow's folder may set: nothing that executes or names a host, a file or a user."""


@dataclass(frozen=True)
class Found:
    value: Any
    source: str
    """For people: the file or the variable."""


class Layers:
    """`known`: the keys of all commands. Raises ConfigError."""

    def __init__(self, known: Collection[str], folder: Path, environ: Mapping[str, str] = os.environ,
                 site: Path | None = None) -> None:
        self._known = known
        self._found: dict[str, Found] = {}
        self.limits: dict[str, Found] = {}
        site = site or SITE
        self._take(site, limits=True)
        self._take(users_file(environ))
        self._take(folder / OWN, OF_FOLDERS)
        for key in known:
            text = environ.get(variable(key), "")
            if text:
                self._found[key] = Found(text, variable(key))

    def of(self, key: str) -> Found | None:
        return self._found.get(key)

    def _take(self, path: Path, allowed: Collection[str] | None = None, limits: bool = False) -> None:
        data = read(path)
        if limits:
            table = data.pop("limits", {})
            if not isinstance(table, dict):
                raise ConfigError(m.LIMITS_NO_TABLE(path=path))
            self.limits = {self._key(path, key, LIMITS): Found(value, str(path)) for key, value in table.items()}
        for written, value in data.items():
            key = self._key(path, written, self._known)
            if allowed is not None and key not in allowed:
                raise ConfigError(m.KEY_NOT_FOR_FOLDERS(path=path, key=key))
            self._found[key] = Found(value, str(path))

    @staticmethod
    def _key(path: Path, written: str, known: Collection[str]) -> str:
        key = written.replace("_", "-")
        if key in known:
            return key
        nearest = difflib.get_close_matches(key, sorted(known), 1, 0.0)
        raise ConfigError(m.SETTING_UNKNOWN(path=path, key=written, nearest=nearest[0] if nearest else "-"))


def variable(key: str) -> str:
    """The environment variable of a key."""
    return "MFMESOS_" + key.upper().replace("-", "_")


def users_file(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path(environ.get("HOME", "") or "~").expanduser() / ".config") / (
        "mfmesos/config.toml")


def read(path: Path) -> dict[str, Any]:
    """The file's content; empty if there is no file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeError) as e:
        raise ConfigError(m.LAYER_UNREADABLE(path=path, why=plain(e))) from None
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except ValueError as e:
        raise ConfigError(m.LAYER_UNREADABLE(path=path, why=e)) from None
