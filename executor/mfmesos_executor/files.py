"""Copies and removes files and folders, without following links that a task may have left there."""
from __future__ import annotations

import contextlib
import os
import stat
from typing import Callable, Container, Iterable, Iterator, Mapping, NamedTuple

from mfmesos.shared.holes import sparse
from mfmesos.shared.wire import TAIL_BYTES
from mfmesos_executor.copying import copy_open

_LONG_PATH = 3000
"""The system accepts paths of 4095 bytes; deeper files are moved up before they are removed."""
MOST_LISTED = 200


class FolderGone(Exception):
    """The folder of the claim was removed while the claim ran."""


def copy_file(source: str, target: str, mode: int, mtime_ns: int = 0) -> None:
    """A copy that shares blocks if the file system supports it (reflink), and otherwise never passes through Python;
    holes stay holes. `mtime_ns`: its modification time; 0: now.
    """
    from_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        to_fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(from_fd)
            copy_open(from_fd, to_fd, found.st_size, sparse(found))
            os.fchmod(to_fd, mode)
            if mtime_ns:
                os.utime(to_fd, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def copy_tree(source: str, target: str) -> None:
    """Copy a folder's content into `target`, which may exist; files there are replaced."""
    _tree(source, target, lambda path: True)


def link_tree(source: str, target: str, own: Container[str] = ()) -> None:
    """The same with hard links for files, except those whose paths in `target` are in `own`."""
    _tree(source, target, own.__contains__)


def _tree(source: str, target: str, copies: Callable[[str], bool]) -> None:
    waiting, done = [(source, target)], []
    while waiting:
        from_dir, to_dir = waiting.pop()
        is_new = not os.path.lexists(to_dir)
        os.makedirs(to_dir, exist_ok=True)
        with os.scandir(from_dir) as entries:
            for entry in entries:
                to = f"{to_dir}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, to))
                    continue
                if not is_new:
                    unlink(to)
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), to)
                elif not copies(to):
                    os.link(entry.path, to, follow_symlinks=False)
                else:
                    found = entry.stat(follow_symlinks=False)
                    copy_file(entry.path, to, found.st_mode & 0o777, mtime_ns=found.st_mtime_ns)
        done.append((from_dir, to_dir))
    # A folder's time is that of its last change, and the folder becomes read-only at the end at the earliest.
    for from_dir, to_dir in reversed(done):
        found = os.stat(from_dir)
        os.chmod(to_dir, found.st_mode & 0o777 | 0o700)
        os.utime(to_dir, ns=(found.st_mtime_ns, found.st_mtime_ns))


def unlink(path: str) -> None:
    """Remove a file if it exists."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Remove a file or a folder with its content, whatever modes a task gave it; what cannot be removed stays."""
    try:
        os.unlink(path)
        return
    except FileNotFoundError:
        return
    except OSError:
        pass
    folders: list[str] = []
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        if len(os.fsencode(folder)) > _LONG_PATH:
            short = f"{path}/.deep{len(folders)}"
            with contextlib.suppress(OSError):
                os.rename(folder, short)
                folder = short
        folders.append(folder)
        waiting.extend(_empty(folder))
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _empty(folder: str) -> list[str]:
    """Unlink the files of a folder; returns its subfolders."""
    found: list[str] = []
    try:
        entries = _entries(folder)
    except OSError:
        return found
    again = True
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            found.append(entry.path)
            continue
        try:
            os.unlink(entry.path)
        except OSError:
            # A folder without write permission.
            if again:
                again = False
                _open_up(folder)
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
    if found:
        _open_up(folder, only_if_needed=True)
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        _open_up(folder)
        with os.scandir(folder) as entries:
            return list(entries)


def _open_up(folder: str, only_if_needed: bool = False) -> None:
    if only_if_needed and os.access(folder, os.W_OK | os.X_OK):
        return
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)


class Listing:
    """Everything below a folder, for whoever needs it again. Not `whole` if a part could not be read, or if it is more
    than MOST_LISTED entries.
    """

    def __init__(self) -> None:
        self.entries: list[os.DirEntry[str]] = []
        self.whole = True

    def add(self, entry: os.DirEntry[str]) -> None:
        if len(self.entries) < MOST_LISTED:
            self.entries.append(entry)
        else:
            self.whole = False


class Disk(NamedTuple):
    """Disk usage of a folder in bytes (in blocks, so holes do not count and hard links count once)."""

    total: int
    linked: int
    """The part that other folders have as well."""


def disk_usage(path: str, linked: Iterable[Mapping[int, int]] = (), listing: Listing | None = None) -> Disk:
    """Zeros if the folder does not exist. `linked`: files of its file system that other folders link as well, by inode
    number, with their bytes. The system is asked nothing about these. `listing`: gets the entries.
    """
    total = common = 0
    seen = set()
    for entry in _files_in(path, listing or Listing()):
        number = entry.inode()
        known = next((files[number] for files in linked if number in files), None)
        if known is not None:
            if number not in seen:
                seen.add(number)
                total, common = total + known, common + known
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if number in seen:
                continue
            seen.add(number)
        total += found.st_blocks * 512
    return Disk(total, common)


def _files_in(path: str, listing: Listing) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder."""
    waiting = [path]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            listing.whole = False
            continue
        with entries:
            for entry in entries:
                listing.add(entry)
                try:
                    is_dir = entry.is_dir(follow_symlinks=False)
                except OSError:
                    continue
                if is_dir:
                    waiting.append(entry.path)
                yield entry


def tail(path: str) -> str:
    """The last TAIL_BYTES of a file, decoded; empty if it does not exist."""
    try:
        if not os.lstat(path).st_size:
            return ""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        size = os.fstat(fd).st_size
        raw = os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES)) if size else b""
    except OSError:
        return ""
    finally:
        os.close(fd)
    # A character that is cut at the front is left out, not shown broken.
    while size > TAIL_BYTES and raw and raw[0] & 0xC0 == 0x80:
        raw = raw[1:]
    return raw.decode("utf-8", "replace")
