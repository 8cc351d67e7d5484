"""A folder as an input: its content in a fixed order, and as one tar stream."""
from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Callable

from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.holes import sparse
from mfmesos.shared.messages import staging as m
from mfmesos.shared.symlinks import lies_in
from mfmesos.shared.tarmarks import TAR_SPARSE, tar_owner
from mfmesos.shared.values import value

CHUNK = 1 << 20
MOST_ROWS = 1_000_000


class TreeError(Exception):
    """The folder holds something that cannot be sent; one plain line."""


class TreeChanged(TreeError):
    """The folder changed while it was sent."""


@value(frozen=True)
class Row:
    """One file, folder or link in the folder. `name` is relative to the folder, `path` is its path."""

    name: str
    path: str
    kind: str
    """"file", "dir" or "link"."""
    mode: int
    size: int = 0
    """Bytes of a file."""
    mtime_ns: int = 0
    inode: int = 0
    ctime_ns: int = 0
    target: str = ""
    sparse: bool = False


Mine = Callable[[str], bool]


def walk(folder: str, of_a_task: Mine | None = None, around: str = "") -> tuple[Row, ...]:
    """Everything in `folder`, sorted. Links that stay in it are kept as links; others are followed, since they are the
    user's own, and skipped if they lead nowhere. OSError for what cannot be read; TreeError for a device, pipe or
    socket, and for a circular link.

    `of_a_task` returns for the real path of a link whether a task made it: such a link is followed only within `around`
    (the real path of the workflow's folder); otherwise it is kept if it is absolute, and skipped if not.
    """
    rows: list[Row] = []
    real = os.path.realpath(folder)
    _Walk(real, rows, of_a_task, around).into(folder, real, "", frozenset({real}))
    return tuple(rows)


@dataclass
class _Walk:
    base: str
    rows: list[Row]
    of_a_task: Mine | None
    around: str

    def into(self, folder: str, real: str, prefix: str, above: frozenset[str]) -> None:
        """`real`: the same folder with all links resolved; `above`: the folders above it, so far."""
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda e: e.name)
        for entry in found:
            name = prefix + entry.name
            if len(self.rows) >= MOST_ROWS:
                raise TreeError(m.TREE_TOO_LARGE(most=MOST_ROWS))
            mine = entry.is_symlink() and self.of_a_task is not None and self.of_a_task(f"{real}/{entry.name}")
            target = self._kept(entry, real, mine, above) if entry.is_symlink() else None
            if target is not None:
                if target:
                    self.rows.append(Row(name, entry.path, "link", 0o777, target=target))
            elif not entry.is_symlink() or os.path.exists(entry.path):
                self._row(entry, name, real, above)

    def _row(self, entry: os.DirEntry[str], name: str, real: str, above: frozenset[str]) -> None:
        what = entry.stat()
        mode = stat.S_IMODE(what.st_mode) & 0o777
        times = (what.st_mtime_ns, what.st_ino, what.st_ctime_ns)
        if stat.S_ISREG(what.st_mode):
            self.rows.append(Row(name, entry.path, "file", mode, what.st_size, *times, "", sparse(what)))
        elif stat.S_ISDIR(what.st_mode):
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{entry.name}"
            if real in above:
                raise TreeError(m.TREE_CYCLE(name=name))
            self.rows.append(Row(name, entry.path, "dir", mode, 0, *times))
            # Whatever a link out of the folder leads to is sent as it is found there.
            inner = replace(self, base=real) if entry.is_symlink() else self
            inner.into(entry.path, real, name + "/", above | {real})
        else:
            raise TreeError(m.TREE_NOT_A_FILE(name=name))

    def _kept(self, entry: os.DirEntry[str], real: str, mine: bool, above: frozenset[str]) -> str | None:
        """The target of a link that is sent as a link; empty if it is skipped; None if it is followed."""
        if not mine:
            return _inside(self.base, real, entry.path)
        target = os.readlink(entry.path)
        if os.path.isabs(target):
            return target
        if lies_in(self.base, os.path.normpath(f"{real}/{target}")):
            return target
        end = os.path.realpath(entry.path)
        ours = lies_in(f"{self.around}/{STATE_DIR}", end)
        if lies_in(self.around, end) and not ours and not any(lies_in(end, folder) for folder in above):
            return None
        return ""


def _inside(base: str, folder: str, path: str) -> str | None:
    """The target of a link if it is relative and stays below `base`, whether or not it exists."""
    target = os.readlink(path)
    if os.path.isabs(target):
        return None
    # Both as written and as resolved.
    here = os.path.realpath(folder)
    lexical = os.path.normpath(f"{here}/{target}")
    resolved = os.path.realpath(path)
    return target if lies_in(base, lexical) and lies_in(base, resolved) else None


def stat_print(rows: tuple[Row, ...]) -> str:
    """Changes when anything in the folder changes, by stat."""
    total = hashlib.sha256()
    for r in rows:
        total.update(os.fsencode(f"{r.name}\0{r.kind}\0{r.mode}\0{r.size}\0{r.mtime_ns}\0{r.inode}\0{r.ctime_ns}\0{r.target}\0"))
    return total.hexdigest()


def manifest(rows: Iterable[Row], digest_of: Callable[[Row], str]) -> str:
    """The digest of a folder: sha256 over name, kind, mode (octal), and digest or link target of each row, each
    followed by a zero byte.

    In the order of the stream: the executor computes the same from the received stream. `digest_of` a file.
    """
    total = hashlib.sha256()
    for row in rows:
        content = digest_of(row) if row.kind == "file" else row.target
        for part in (row.name, row.kind, f"{row.mode:o}", content):
            total.update(os.fsencode(part) + b"\0")
    return total.hexdigest()


def tar_stream(rows: tuple[Row, ...]) -> Iterator[bytes]:
    """The folder's content as a tar stream (pax), in pieces of at most 1 MiB (blocking). Raises TreeChanged when a file
    differs from `rows`: the stream then lacks its end, and the reader refuses it.
    """
    pending = bytearray()
    for row in rows:
        pending += _header(row)
        if row.kind == "file":
            for piece in _content(row):
                pending += piece
                if len(pending) >= CHUNK:
                    yield bytes(pending)
                    pending.clear()
            pending += bytes(-row.size % tarfile.BLOCKSIZE)
    pending += bytes(2 * tarfile.BLOCKSIZE)
    yield bytes(pending)


def _header(row: Row) -> bytes:
    info = tarfile.TarInfo(row.name)
    info.mode, info.size, info.linkname = row.mode, row.size, row.target
    info.mtime, ns = divmod(max(row.mtime_ns, 0), 1_000_000_000)
    info.uname = tar_owner(ns) if row.mtime_ns else ""
    info.gname = TAR_SPARSE if row.sparse else ""
    info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[row.kind]
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(row: Row) -> Iterator[bytes]:
    try:
        with open(os.open(row.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
            found = os.fstat(f.fileno())
            now = (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)
            if now != (row.size, row.mtime_ns, row.inode, row.ctime_ns):
                raise TreeChanged(row.name)
            left = row.size
            while left:
                piece = f.read(min(CHUNK, left))
                if not piece:
                    raise TreeChanged(row.name)
                left -= len(piece)
                yield piece
    except OSError:
        raise TreeChanged(row.name) from None
