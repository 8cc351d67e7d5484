"""A short name for the sandboxes of a claim, since the path of a Unix socket is limited to 107 bytes.

Mesos's own sandbox uses 200 of them. If too few are left, a symbolic link with an unguessable name is created in /tmp,
and TMPDIR, HOME and PWD of tasks lead through it. The link is removed with the claim; links of killed executors are
removed by the next executor of the same user.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat

PLACES = ("/tmp", "/var/tmp", "/dev/shm")
LONGEST = 48
"""Length of the sandboxes' folder that needs no link: a socket in a folder made by tempfile must fit behind it."""
ALIVE = "alive"
"""A file beside the sandboxes' folder that the executor keeps locked while it lives."""
_NAME = re.compile(r"mf-[0-9a-f]{16}\Z")
_TARGET = re.compile(r"/.*/\.mfmesos/[^/]+/tasks\Z")


class Shortcut:
    """For one existing folder of sandboxes. `path` is that folder in the tasks' view."""

    def __init__(self, folder: str, places: tuple[str, ...] = PLACES) -> None:
        self.path = folder
        self._fd = -1
        self._link = ""
        if len(os.fsencode(folder)) <= LONGEST:
            return
        for place in places:
            with contextlib.suppress(OSError):
                if _is_safe(place):
                    _sweep(place)
                    self._make(folder, place)
                    return

    def _make(self, folder: str, place: str) -> None:
        if self._fd < 0:
            self._fd = os.open(f"{os.path.dirname(folder)}/{ALIVE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        link = f"{place}/mf-{secrets.token_hex(8)}"
        os.symlink(folder, link)
        self.path = self._link = link

    def remove(self) -> None:
        """No attempt runs any more. May be called twice."""
        link, self._link = self._link, ""
        if link:
            with contextlib.suppress(OSError):
                os.unlink(link)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _is_safe(place: str) -> bool:
    """Whether only this user and root can replace a link there."""
    found = os.stat(place)
    shared = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid()) and not shared


def _sweep(place: str) -> None:
    """Remove this user's links whose executor is dead."""
    for name in os.listdir(place):
        path = f"{place}/{name}"
        with contextlib.suppress(OSError):
            if _NAME.match(name) and os.lstat(path).st_uid == os.geteuid():
                target = os.readlink(path)
                if _TARGET.match(target) and not _lives(target):
                    os.unlink(path)


def _lives(target: str) -> bool:
    try:
        fd = os.open(f"{os.path.dirname(target)}/{ALIVE}", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
