"""A run that goes on without a terminal (--detach): what it prints and, when it has ended, its exit code.

The process that runs the command holds a lock on the log: so it is known whether it is alive, whatever its number.
"""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

from mfmesos.shared import atomic
from mfmesos.shared.values import value

LOG = "detached.log"
"""In .mfmesos/: all that the command has printed."""
FILE = "detached.json"


@value(frozen=True)
class Detached:
    """Times in seconds since the epoch."""

    pid: int
    began: float
    ended: float | None = None
    code: int | None = None
    """Its exit code; None: it runs, or was killed."""


def open_log(state_dir: Path) -> int:
    """A descriptor of the empty log, whose lock lasts until its last copy is closed. Raises BlockingIOError while
    another detached run is alive, OSError.
    """
    fd = os.open(state_dir / LOG, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_alive(state_dir: Path) -> bool:
    try:
        fd = os.open(state_dir / LOG, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def begin(state_dir: Path) -> None:
    """This process is the run's. Raises OSError."""
    _save(state_dir, Detached(os.getpid(), time.time()))


def end(state_dir: Path, code: int) -> None:
    """If the folder is gone nobody can ask for the code."""
    known = load(state_dir)
    if known is not None:
        with contextlib.suppress(OSError):
            _save(state_dir, replace(known, ended=time.time(), code=code))


def load(state_dir: Path) -> Detached | None:
    """The last one in that folder."""
    try:
        return Detached(**json.loads((state_dir / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _save(state_dir: Path, one: Detached) -> None:
    atomic.write(state_dir / FILE, json.dumps(asdict(one)), mode=0o600)
