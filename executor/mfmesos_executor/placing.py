"""How a cached input gets into a sandbox."""
from __future__ import annotations

import os

from mfmesos.shared.wire import Input
from mfmesos_executor.files import copy_file, copy_tree, remove_tree, unlink
from mfmesos_executor.spares import Spares


class Placer:
    """Thread-safe."""

    def __init__(self, spares: Spares) -> None:
        self._spares = spares

    def copy(self, cached: str, item: Input, target: str) -> None:
        """The cached file or folder stays. Raises OSError."""
        if item.kind == "dir":
            copy_tree(cached, target)
            _set_mtime(item, target)
        else:
            unlink(target)
            copy_file(cached, target, mode_of(item), self._spares.take(), item.mtime_ns)

    def move(self, cached: str, item: Input, target: str) -> None:
        """Nobody else needs the cached file or folder. Raises OSError."""
        if item.kind == "dir" and os.path.lexists(target):
            self.copy(cached, item, target)
            remove_tree(cached)
            return
        if item.kind == "dir":
            os.rename(cached, target)
            _set_mtime(item, target)
        else:
            os.chmod(cached, mode_of(item))
            _set_mtime(item, cached)
            os.rename(cached, target)


def mode_of(item: Input) -> int:
    return item.mode & 0o777 | 0o400


def _set_mtime(item: Input, path: str) -> None:
    if item.mtime_ns:
        os.utime(path, ns=(item.mtime_ns, item.mtime_ns))
