"""Stamps: stat results of a file or folder. While the stamp stays the same, so does the content, as far as stat
shows.
"""
from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Callable, NamedTuple

from mfmesos.shared.mtimes import GRAINS_NS, coarse_ns
from mfmesos.staging.names import ancestors
from mfmesos.staging.trees import CHUNK, Row, TreeError, walk

MOST_MEMBERS = 2_000
RACY_NS = 50_000_000
"""A file that changed less than this (or than its file system's time grain) before it was hashed may change again
without a new time.
"""


class Stamp(NamedTuple):
    """`text` is size and time of a file, or a digest of those of everything in a folder; `size` is its bytes."""

    text: str
    size: int


def young(mtime_ns: int) -> bool:
    """Whether a file with that time may change without a new one."""
    return -RACY_NS <= time.time_ns() - mtime_ns <= RACY_NS + coarse_ns(mtime_ns)


def settled(found: os.stat_result) -> bool:
    """Whether any later write gives the file another time: it sets one no earlier than the last change of the inode,
    for example a rename, and the present one is earlier.
    """
    return found.st_mtime_ns < found.st_ctime_ns


def stamp(
    path: str, members: Collection[str] = (), rows: Callable[[str], Iterable[Row]] = walk,
) -> Stamp | None:
    """None for a missing path, a dangling link, or anything but a file or folder (blocking). For a folder only the
    `members` count, if given, with their content; `rows` lists the folder's content.
    """
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            return file_stamp(found.st_size, found.st_mtime_ns)
        return tree_stamp(among(rows(path), members)) if stat.S_ISDIR(found.st_mode) else None
    except (OSError, TreeError, ValueError):
        return None


def digested(path: str, most: int) -> tuple[Stamp, str] | None:
    """Stamp and digest of a file with at most `most` bytes; None: it is something else (blocking)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return None
        return file_stamp(found.st_size, found.st_mtime_ns), hashlib.sha256(os.read(fd, most + 1)).hexdigest()
    except OSError:
        return None
    finally:
        os.close(fd)


def only_coarser(was: str, now: str) -> bool:
    """Whether two stamps of a file differ only by the grain of the file system: the folder was copied to another file
    system, or a file server cut the time.
    """
    try:
        (size, was_ns), (size_now, now_ns) = map(int, was.split(" ")), map(int, now.split(" "))
    except ValueError:  # a folder's
        return False
    return size == size_now and any(was_ns - was_ns % grain == now_ns for grain in GRAINS_NS)


def among(rows: Iterable[Row], members: Collection[str]) -> Iterator[Row]:
    """The rows with these names or below them; all rows if no names are given."""
    wanted = frozenset(members)
    for row in rows:
        if not wanted or row.name in wanted or any(folder in wanted for folder in ancestors(row.name)):
            yield row


def members_of(folder: str) -> tuple[str, ...]:
    """The names of everything in a folder; of a large folder only its direct members (blocking). Raises OSError: a name
    that is left out would count as an earlier attempt's.
    """
    def fail(error: OSError) -> None:
        raise error

    names: list[str] = []
    for above, folders, files in os.walk(folder, onerror=fail):
        prefix = os.path.relpath(above, folder) + "/" if above != folder else ""
        names += (prefix + name for name in (*files, *(f for f in folders if os.path.islink(f"{above}/{f}"))))
        if above != folder and not files and not folders:
            names.append(prefix[:-1])
        if len(names) > MOST_MEMBERS:
            return tuple(sorted(os.listdir(folder)))
    return tuple(sorted(names))


def tree_digest(rows: Iterable[Row]) -> str:
    """Digest of all content; OSError (blocking)."""
    total = hashlib.sha256()
    for row in rows:
        total.update(os.fsencode(f"{row.name}\0{row.kind}\0{row.size}\0{row.target}\0"))
        if row.kind == "file":
            with open(row.path, "rb") as f:
                while piece := f.read(CHUNK):
                    total.update(piece)
    return total.hexdigest()


def file_stamp(size: int, mtime_ns: int) -> Stamp:
    return Stamp(f"{size} {mtime_ns}", size)


def tree_stamp(rows: Iterable[Row]) -> Stamp:
    """Without inodes and the folders' own times, which change when everything is copied."""
    total, size = hashlib.sha256(), 0
    for row in rows:
        mtime_ns = row.mtime_ns if row.kind == "file" else 0
        total.update(os.fsencode(f"{row.name}\0{row.kind}\0{row.size}\0{mtime_ns}\0{row.target}\0"))
        size += row.size
    return Stamp(total.hexdigest(), size)
