"""Emptied files of ended attempts, reused for copies of the next inputs: files that are not removed do not slow down
the creation of files near them (docs/performance.md, Staging).
"""
from __future__ import annotations

import os
import stat
import threading


class Spares:
    """Thread-safe. `folder` must exist, on the file system of the sandboxes, and be private; at most `most` files are
    kept.
    """

    def __init__(self, folder: str, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._made = 0
        self._spare: list[str] = []

    def keep(self, path: str) -> bool:
        """Take the file over and empty it, instead of removing it; no process may have it open. False if that is
        impossible: for a link or folder, a file with a second name, another owner or attributes, or one too many.
        """
        with self._lock:
            if len(self._spare) >= self._most:
                return False
            self._made += 1
            spare = f"{self._folder}/{self._made}"
        try:
            found = os.lstat(path)
            plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()
            if not plain or os.listxattr(path, follow_symlinks=False):
                return False
            if found.st_mode & 0o600 != 0o600:
                os.chmod(path, 0o600)
            if found.st_size:
                os.truncate(path, 0)
            os.rename(path, spare)
        except (OSError, AttributeError):  # listxattr exists only on Linux
            return False
        with self._lock:
            self._spare.append(spare)
        return True

    def take(self) -> str | None:
        """An empty file for `copy_file`; None if there is none."""
        with self._lock:
            return self._spare.pop() if self._spare else None
