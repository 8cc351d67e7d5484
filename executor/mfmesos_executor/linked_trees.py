"""Folders of hard links that an attempt has left as they were: the next attempt gets them by one rename."""
from __future__ import annotations

import os
from typing import NamedTuple


class _Folder(NamedTuple):
    inode: int
    mode: int
    mtime_ns: int
    ctime_ns: int
    members: frozenset[tuple[str, int]]
    """Name and inode number of each. A linked file's number is not given to another while the cache has the file."""


class LinkedTree:
    """A linked folder at `path`, as it was when this was made. The files' own content is watched by `Links`."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self.path = path
        self._folders = _listed(path)

    def is_untouched(self) -> bool:
        """Whether nothing was added, removed, replaced or renamed in it, and no folder was changed."""
        try:
            return _listed(self.path) == self._folders
        except OSError:
            return False

    def move(self, path: str, mtime_ns: int = 0) -> None:
        """`mtime_ns`: the new time of the folder itself; 0: as it is. Raises OSError."""
        os.rename(self.path, path)
        self.path = path
        if mtime_ns:
            os.utime(path, ns=(mtime_ns, mtime_ns))
        # A rename changes the folder's own times as well.
        self._folders[""] = _look_at(path)._replace(members=self._folders[""].members)


def _look_at(path: str) -> _Folder:
    found = os.lstat(path)
    return _Folder(found.st_ino, found.st_mode, found.st_mtime_ns, found.st_ctime_ns, frozenset())


def _listed(top: str) -> dict[str, _Folder]:
    """By relative path, each with a slash before it."""
    folders, waiting = {}, [""]
    while waiting:
        name = waiting.pop()
        members = []
        with os.scandir(top + name) as entries:
            for entry in entries:
                members.append((entry.name, entry.inode()))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/{entry.name}")
        folders[name] = _look_at(top + name)._replace(members=frozenset(members))
    return folders
