"""Keeps the empty folders of an ended attempt's sandbox for the next attempt.

Creating and removing these folders is most of the cost of a short task (docs/performance.md, Executor). Only empty
folders are kept; all are removed when the claim ends.
"""
from __future__ import annotations

import os
import stat
import threading
from typing import Iterable

from mfmesos_executor.files import Listing, remove_tree

FOLDERS = ("work", "tmp")
FILES = ("out", "err")
MODE = 0o755


class Skeletons:
    """Thread-safe. `folder` must exist and be private; at most `most` skeletons are kept."""

    def __init__(self, folder: str, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._made = 0
        self._spare: list[str] = []

    def take(self) -> str:
        """The root of a sandbox: with empty folders `work` and `tmp`, and otherwise only empty `out` and `err`."""
        with self._lock:
            if self._spare:
                return self._spare.pop()
            self._made += 1
            root = f"{self._folder}/{self._made}"
        for path in (root, *(f"{root}/{name}" for name in FOLDERS)):
            os.mkdir(path, MODE)
            os.chmod(path, MODE)  # whatever the umask of the tasks is
        return root

    def give_back(self, root: str, listing: Listing | None = None) -> None:
        """Remove everything that an attempt left there; all its processes must be dead. `listing`: what they left, if
        it is known.
        """
        try:
            clean = self._empty(root, listing.entries if listing is not None and listing.whole else _listed(root))
        except OSError:
            clean = False
        with self._lock:
            keep = clean and len(self._spare) < self._most
            if keep:
                self._spare.append(root)
        if not keep:
            remove_tree(root)

    def _empty(self, root: str, entries: Iterable[os.DirEntry[str]]) -> bool:
        """Whether it is in the state in which `take` returns it."""
        if stat.S_IMODE(os.lstat(root).st_mode) != MODE:
            return False
        found = set()
        folders = [f"{root}/{name}" for name in FOLDERS]
        for entry in entries:
            above = entry.path[:-len(entry.name) - 1]
            if above in folders:
                if not _removed(entry.path):
                    return False
            elif above == root:
                info = entry.stat(follow_symlinks=False)
                if entry.name in FOLDERS and stat.S_ISDIR(info.st_mode) and stat.S_IMODE(info.st_mode) == MODE:
                    found.add(entry.name)
                elif entry.name in FILES and stat.S_ISREG(info.st_mode) and info.st_nlink == 1:
                    # An emptied file that is filled again is written to the disk at once.
                    if info.st_size and not _removed(entry.path):
                        return False
                else:
                    remove_tree(entry.path)
        return found == set(FOLDERS)


def _listed(root: str) -> list[os.DirEntry[str]]:
    """What lies there and in FOLDERS. Raises OSError."""
    with os.scandir(root) as entries:
        found = list(entries)
    for entry in found[:]:
        if entry.name in FOLDERS and entry.is_dir(follow_symlinks=False):
            with os.scandir(entry.path) as entries:
                found += entries
    return found


def _removed(path: str) -> bool:
    try:
        os.unlink(path)
        return True
    except OSError:
        remove_tree(path)
        return not os.path.lexists(path)
