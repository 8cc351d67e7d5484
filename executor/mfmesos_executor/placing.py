"""How a cached input gets into a sandbox: as a hard link where that is safe and pays, otherwise as a copy."""
from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from typing import Collection

from mfmesos.shared.symlinks import lies_in
from mfmesos.shared.wire import Input
from mfmesos_executor.files import copy_file, copy_tree, link_tree, remove_tree, unlink
from mfmesos_executor.linked_trees import LinkedTree
from mfmesos_executor.shared import Links, Shared, Sharer

LEAST_LINKED = 64 << 10
"""Bytes of the smallest file that is linked (docs/performance.md, Inputs): a copy of less costs about as much."""
LEAST_MEMBERS = 16
"""A folder with at least this many files is linked, whatever their size."""
_NO_LINK = (errno.EMLINK, errno.EPERM, errno.EXDEV, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS)


class Placer:
    """Thread-safe."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._trees: dict[Sharer, list[tuple[Shared, LinkedTree]]] = {}
        """Folders that only hold what was linked, for now."""
        self._count = itertools.count()

    def seal(self, cached: str, item: Input) -> None:
        """A file that was just fetched gets the mode and time that its links will have. Raises OSError."""
        if item.kind != "dir" and os.lstat(cached).st_nlink == 1:
            os.chmod(cached, mode_of(item))
            _set_mtime(item, cached)

    def link(self, shared: Shared, item: Input, target: str, sharer: Sharer, own: Collection[str] = ()) -> bool:
        """Whether the input is now linked at `target`; if so, `unlink` must follow when the attempt's processes are
        gone. `own`: paths of members that get a copy. Raises OSError.
        """
        if not self._links.possible or not _worthwhile(shared, item) or target in own:
            return False
        if not self._links.attach(shared, sharer, item.name):
            return False
        try:
            if item.kind == "dir":
                self._link_folder(shared, item, target, sharer, own)
            else:
                unlink(target)
                os.link(shared.path, target, follow_symlinks=False)
            return True
        except OSError as e:
            # A member of a folder may have been linked already, which the attempt's copies replace.
            self._links.detach(shared, sharer)
            if e.errno not in _NO_LINK:
                raise
            return False
        except BaseException:
            self._links.detach(shared, sharer)
            raise

    def _link_folder(self, shared: Shared, item: Input, target: str, sharer: Sharer, own: Collection[str]) -> None:
        # Otherwise it has copies, or what belongs to others.
        only_links = not os.path.lexists(target) and not any(lies_in(target, path) for path in own)
        with shared.lock:
            tree = shared.spares.pop() if shared.spares and only_links else None
        if tree is not None:
            tree.move(target, item.mtime_ns)
        else:
            link_tree(shared.path, target, own)
            _set_mtime(item, target)
        if only_links:
            self._trees.setdefault(sharer, []).append((shared, tree or LinkedTree(target)))

    def recycle(self, sharer: Sharer, usable: bool) -> None:
        """Keep the attempt's linked folders for other attempts, if it left them as they were; it has ended. `usable`:
        whether its processes are gone.
        """
        for shared, tree in self._trees.pop(sharer, ()):
            if not usable or not tree.is_untouched():
                continue
            with shared.lock, contextlib.suppress(OSError):
                if shared.spares is not None and not shared.spoilt:
                    tree.move(f"{shared.path}.{next(self._count)}")
                    shared.spares.append(tree)

    @staticmethod
    def drop_spares(shared: Shared | None) -> None:
        """The input leaves the cache."""
        if shared is None:
            return
        with shared.lock:
            spares, shared.spares = shared.spares or [], None
        for tree in spares:
            remove_tree(tree.path)

    def unlink(self, shared: Shared, sharer: Sharer) -> bool:
        """The attempt's processes are gone. False if the input was changed since it was cached."""
        return self._links.detach(shared, sharer)

    def is_good(self, shared: Shared) -> bool:
        """Whether the cached input was not changed."""
        return self._links.is_good(shared)

    def copy(self, cached: str, item: Input, target: str) -> None:
        """The cached file or folder stays. Raises OSError."""
        if item.kind == "dir":
            copy_tree(cached, target)
            _set_mtime(item, target)
        else:
            unlink(target)
            copy_file(cached, target, mode_of(item), item.mtime_ns)

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
            os.rename(cached, target)
            if os.lstat(target).st_nlink > 1:  # another claim has linked it meanwhile
                os.rename(target, cached)
                self.copy(cached, item, target)
                unlink(cached)
            else:
                os.chmod(target, mode_of(item))
                _set_mtime(item, target)


def _worthwhile(shared: Shared, item: Input) -> bool:
    """Whether a link costs less than a copy and is as good."""
    if item.kind == "dir":
        return item.size >= LEAST_LINKED or shared.count_members() >= LEAST_MEMBERS
    fits = stat.S_IMODE(shared.top.mode) == mode_of(item) and item.mtime_ns in (0, shared.top.mtime_ns)
    return fits and shared.top.size >= LEAST_LINKED


def mode_of(item: Input) -> int:
    return item.mode & 0o777 | 0o400


def _set_mtime(item: Input, path: str) -> None:
    if item.mtime_ns:
        os.utime(path, ns=(item.mtime_ns, item.mtime_ns))
