"""A folder as an input: what is in it, in a fixed order, and as one tar stream."""
from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK = 1 << 20
MOST_ROWS = 1_000_000


class TreeError(Exception):
    """The folder holds what cannot be sent; one plain line."""


class TreeChanged(TreeError):
    """It changed while it was sent."""


@dataclass(frozen=True)
class Row:
    """One file, folder or link in it. `name` is relative to the folder, `path` is where it is."""

    name: str
    path: str
    kind: str
    """"file", "dir" or "link"."""
    mode: int
    size: int = 0
    """Bytes of a file."""
    mtime_ns: int = 0
    inode: int = 0
    target: str = ""


def walk(folder: str) -> tuple[Row, ...]:
    """All that is in `folder`, sorted. Links that stay in it are kept as links; others are followed, since they are
    the user's own, and left out where they lead nowhere. OSError for what cannot be read; TreeError for a device,
    pipe or socket, and for a link that leads round in a circle."""
    rows: list[Row] = []
    _walk(os.path.realpath(folder), folder, "", frozenset({os.path.realpath(folder)}), rows)
    return tuple(rows)


def _walk(base: str, folder: str, prefix: str, above: frozenset[str], rows: list[Row]) -> None:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda e: e.name)
    for entry in found:
        name = prefix + entry.name
        if len(rows) >= MOST_ROWS:
            raise TreeError(f"it holds more than {MOST_ROWS} files; pack them into an archive")
        if entry.is_symlink():
            target = _inside(base, folder, entry.path)
            if target is not None:
                rows.append(Row(name, entry.path, "link", 0o777, target=target))
                continue
            if not os.path.exists(entry.path):
                continue
        what = entry.stat()
        mode = stat.S_IMODE(what.st_mode) & 0o777
        if stat.S_ISREG(what.st_mode):
            rows.append(Row(name, entry.path, "file", mode, what.st_size, what.st_mtime_ns, what.st_ino))
        elif stat.S_ISDIR(what.st_mode):
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{folder}/{entry.name}"
            if real in above:
                raise TreeError(f"{name} is a link that leads round in a circle")
            rows.append(Row(name, entry.path, "dir", mode))
            # What is reached through a link out of the folder is sent as it is found there.
            _walk(base if not entry.is_symlink() else real, entry.path, name + "/", above | {real}, rows)
        else:
            raise TreeError(f"{name} in it is a device, pipe or socket; keep such things elsewhere")


def _inside(base: str, folder: str, path: str) -> str | None:
    """The target of a link when it is relative and stays below `base`, whether or not it exists."""
    target = os.readlink(path)
    if os.path.isabs(target):
        return None
    # Both the way it reads and the way it resolves.
    here = os.path.realpath(folder)
    lexical = os.path.normpath(f"{here}/{target}")
    resolved = os.path.realpath(path)
    return target if all(p == base or p.startswith(base + "/") for p in (lexical, resolved)) else None


def stat_print(rows: tuple[Row, ...]) -> str:
    """Changes when anything in the folder does, as far as stat tells."""
    total = hashlib.sha256()
    for r in rows:
        total.update(os.fsencode(f"{r.name}\0{r.kind}\0{r.mode}\0{r.size}\0{r.mtime_ns}\0{r.inode}\0{r.target}\0"))
    return total.hexdigest()


def tar_stream(rows: tuple[Row, ...]) -> Iterator[bytes]:
    """The folder's content as a tar stream (pax), in pieces of at most 1 MiB (blocking). Raises TreeChanged as soon
    as a file is not what `rows` says: the stream then lacks its end and is refused by whoever reads it."""
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
    info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}[row.kind]
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(row: Row) -> Iterator[bytes]:
    try:
        with open(os.open(row.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
            found = os.fstat(f.fileno())
            if (found.st_size, found.st_mtime_ns, found.st_ino) != (row.size, row.mtime_ns, row.inode):
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
