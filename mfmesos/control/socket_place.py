"""Where a run's control socket is, and the pointer to it in .mfmesos.

Folders of workflows may lie on file servers, which have no sockets, and their names may be longer than the 107 bytes
that a socket's may have: so sockets lie in the user's runtime folder.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import struct
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mfmesos.settings.config import ConfigError
from mfmesos.shared import atomic
from mfmesos.shared.messages import control as m
from mfmesos.shared.values import value

POINTER = "control.json"
LONGEST = 107
"""Bytes in the path of a socket, without the final zero (unix(7))."""
_CREDENTIALS = struct.Struct("3i")


@value(frozen=True)
class Pointer:
    """Where the scheduler of the folder's run listens, if it is alive."""

    socket: str
    pid: int
    host: str
    """The machine: a socket is no way to another one."""


def runtime_folder(environ: Mapping[str, str], temporary: Path = Path("/tmp")) -> Path:
    """A folder for sockets, of mode 0700 and the user's own: below $XDG_RUNTIME_DIR or, without one, below /tmp.
    Raises ConfigError or OSError.
    """
    given = environ.get("XDG_RUNTIME_DIR", "")
    for base, name in ((Path(given), "mfmesos"), (temporary, f"mfmesos-{os.geteuid()}")):
        if base == Path(given) and not _is_ours(base):
            continue
        folder = base / name
        if len(os.fsencode(folder)) + len("/0123456789abcdef.sock") > LONGEST:
            continue
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_ours(folder):
            raise ConfigError(m.RUNTIME_FOLDER_FOREIGN(folder=folder))
        return folder
    raise ConfigError(m.RUNTIME_FOLDER_LONG(folder=temporary))


def _is_ours(folder: Path) -> bool:
    """A folder that nobody else may enter, and no link to one."""
    if not folder.is_absolute():
        return False
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def socket_path(workdir: Path, environ: Mapping[str, str]) -> Path:
    """Of the run in that folder. Raises ConfigError or OSError."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(workdir))).hexdigest()[:16]
    return runtime_folder(environ) / f"{name}.sock"


def point(state_dir: Path, path: Path) -> None:
    """Leave the pointer."""
    pointer = Pointer(str(path), os.getpid(), socket.gethostname())
    atomic.write(state_dir / POINTER, json.dumps(asdict(pointer)), mode=0o600)


def find(state_dir: Path) -> Pointer | None:
    """The pointer of the last scheduler; None: there is none, or none that can be read."""
    try:
        pointer = Pointer(**json.loads((state_dir / POINTER).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return pointer if isinstance(pointer.socket, str) else None


def remove(state_dir: Path, path: Path) -> None:
    """The run has ended."""
    for one in (state_dir / POINTER, path):
        with contextlib.suppress(OSError):
            one.unlink()


def peer_user(connection: socket.socket) -> int:
    """The user id of the process at the other end of a unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])
