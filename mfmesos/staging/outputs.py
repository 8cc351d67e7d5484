"""Outputs as they arrive: unpacked under temporary names, and only what was declared."""
from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from dataclasses import dataclass

from mfmesos import descriptors
from mfmesos.staging.names import OutputPlan, ancestors
from mfmesos.staging.tarstream import BadTar, Member, TarReader, shown
from mfmesos.wire import MAX_DEPTH

OUR_SIDE = {
    errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up", errno.EACCES: "permission is denied",
    errno.EPERM: "it is not permitted", errno.EROFS: "the file system is read-only", errno.EIO: "the disk failed",
    errno.EMFILE: "too many files are open (see ulimit -n)", errno.ENFILE: "too many files are open on this machine",
}
"""Errors that say something of the scheduler's machine, not of what was delivered; in plain words."""
WHOLE = ".whole"
"""Ends the name of an empty file beside what was delivered by itself: all of it has arrived."""
"""Folders in each other; removing more of them than Python's stack holds would fail half-way."""
FULL = {errno.ENOSPC, errno.EDQUOT, *descriptors.SHORT}
"""A reason to wait: later there may be room."""


class PlacementError(Exception):
    """Outputs could not be put in place; nothing partial was left. `local`: our own side is to blame, not the
    attempt or the cluster; `full`: only for want of room, so that it may go well later."""

    def __init__(self, reason: str, local: bool, full: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.local = local
        self.full = full


@dataclass(frozen=True)
class Staged:
    """The delivered outputs of an attempt: the file or folder STEM.i is `plan.roots[i]`. No folder around them:
    making and removing one for each attempt costs more than all the rest (0.2 to 1 ms on ext4)."""

    stem: str
    plan: OutputPlan
    alone: bool = False
    """It did not ride in a result, so nobody will send it again: a file STEM.whole says that all of it has arrived."""
    partial: bool = False
    """What a failed attempt made: some of it may be missing."""
    resumed: bool = False
    """It arrived in the scheduler's earlier life, which may have died while it was being placed, or after that."""

    def path(self, index: int) -> str:
        return f"{self.stem}.{index}"

    def clear(self) -> None:
        """Remove what was not moved away."""
        for index in range(len(self.plan.roots)):
            remove_tree(self.path(index))

    def discard(self) -> None:
        """Remove all of it."""
        self.clear()
        if self.alone:
            self.settle()

    def settle(self) -> None:
        """Nobody will ask for it again."""
        with contextlib.suppress(OSError):
            os.unlink(f"{self.stem}{WHOLE}")


def remove_tree(path: str) -> None:
    """Remove a file or a folder and all in it; what cannot be removed stays."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def plain_error(e: OSError) -> str:
    """What went wrong, without Python's decoration."""
    return OUR_SIDE.get(e.errno or 0) or os.strerror(e.errno or 0)


class Unpacker:
    """Takes a tar stream in pieces (blocking: for a worker thread) and unpacks it to the names of `Staged(stem, plan)`.

    A member's name is that of a declared output, or of something in a declared output that is a folder. `feed` and
    `finish` raise BadTar for what may not be, and OSError for our own disk; `abort` afterwards removes everything.
    """

    def __init__(self, stem: str, plan: OutputPlan, partial: bool = False) -> None:
        self._staged = Staged(stem, plan, partial=partial)
        self._plan = plan
        self._index = {root: i for i, root in enumerate(plan.roots)}
        self._twice = set(plan.names) - set(plan.roots)
        self._above = {parent for root in plan.roots for parent in ancestors(root)}
        self._declared = set(plan.names)
        self._seen: set[str] = set()
        """Of the declared names alone: what else is in a stream may be any number of names."""
        self._fd = -1
        self._reader = TarReader(self)
        self._lock = threading.Lock()
        self._aborted = False

    def feed(self, data: bytes) -> None:
        with self._lock:
            if self._aborted:
                raise BadTar("it was given up")
            self._reader.feed(data)

    def finish(self) -> Staged:
        """All has arrived; checks that nothing is missing."""
        with self._lock:
            self._reader.finish()
            for name in self._plan.names:
                if name not in self._seen and not self._staged.partial:
                    raise BadTar(f"output {name} is not among what was delivered")
            return self._staged

    def abort(self) -> None:
        """Give up and remove everything; waits for a `feed` in another thread."""
        with self._lock:
            self._aborted = True
            self._close()
            self._staged.discard()

    # --- what the reader calls ------------------------------------------------------------------
    def begin(self, member: Member) -> None:
        """Make the file or folder."""
        try:
            path = self._path(member)
            if path is None:
                return
            if member.is_dir:
                self._make_dir(path, member.mode)
            else:
                # The owner's umask applies, as it would have had the command run here.
                self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                                   member.mode | 0o400)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BadTar(f"{shown(member.name)} is there twice, or as a file and as a folder") from None
        except OSError as e:
            if e.errno == errno.ENAMETOOLONG:
                raise BadTar(f"the name {shown(member.name)} is too long for this file system") from None
            raise

    def data(self, data: memoryview) -> None:
        """Write all of it."""
        while data:
            data = data[os.write(self._fd, data):]

    def end(self) -> None:
        self._close()

    # --------------------------------------------------------------------------------------------
    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _path(self, member: Member) -> str | None:
        """Where the member goes; None for a folder above an output, which needs nothing."""
        name = member.name
        index = self._index.get(name)
        if index is not None:
            rest = ""
        elif member.is_dir and name in self._above:
            return None
        else:
            root = self._root_above(name)
            index, rest = self._index[root], name[len(root) + 1:]
        again = name in self._seen
        if name in self._declared:
            self._seen.add(name)
        path = self._staged.path(index)
        if rest:
            self._seen.add(self._plan.roots[index])
            path = f"{path}/{rest}"
            os.makedirs(os.path.dirname(path), 0o777, exist_ok=True)
        if again and not member.is_dir:
            if name not in self._twice:
                raise BadTar(f"{shown(name)} is there twice")
            # Declared by itself and as part of a folder: may be sent for each.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return path

    def _root_above(self, name: str) -> str:
        parts = name.split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise BadTar(f"{shown(name)} is not a name below the task's folder")
        if len(parts) > MAX_DEPTH:
            raise BadTar(f"{shown(name)} lies in more than {MAX_DEPTH} folders")
        for parent in ancestors(name):
            if parent in self._index:
                return parent
        raise BadTar(f"{shown(name)} is not a declared output")

    def _make_dir(self, path: str, mode: int) -> None:
        try:
            os.mkdir(path, mode | 0o700)
        except FileExistsError:
            if not os.path.isdir(path) or os.path.islink(path):
                raise
            # A file in it came first.
            os.chmod(path, mode | 0o700)


def unpack(stem: str, plan: OutputPlan, data: bytes, partial: bool = False) -> Staged:
    """A whole small tar at once; raises BadTar or OSError with nothing left behind."""
    unpacker = Unpacker(stem, plan, partial)
    try:
        unpacker.feed(data)
        return unpacker.finish()
    except BaseException:
        unpacker.abort()
        raise
