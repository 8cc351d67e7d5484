"""Unpacks a folder that arrives as a tar stream, trusting nothing in it."""
from __future__ import annotations

import hashlib
import os
from typing import Any, Iterable, Iterator

from mfmesos.shared.hashing import HEX_BYTES, Hasher
from mfmesos.shared.holes import write_at
from mfmesos.shared.messages import executor as m
from mfmesos.shared.symlinks import lies_in, may_lead_to
from mfmesos.shared.tarmarks import TAR_SPARSE, tar_mtime_ns

CHUNK = 256 * 1024


class BadStream(ValueError):
    """Not a complete tar of files and folders that stay inside; one plain line."""


class _Reader:
    """The file object for tarfile: pieces as they arrive."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest = self._rest + piece if self._rest else piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def drain(self) -> None:
        for _ in self._pieces:
            pass


def unpack(pieces: Iterable[bytes], folder: str) -> str:
    """Unpack into `folder`, which is created; returns the digest of its content. Raises BadStream, OSError.

    The digest is sha256 over name, kind, mode and sha256 or link target of each member, each ended by a zero byte.
    """
    import tarfile

    os.mkdir(folder, 0o755)
    reader = _Reader(pieces)
    manifest = hashlib.sha256()
    folders, parents = [], {folder}
    try:
        with tarfile.open(fileobj=reader, mode="r|", bufsize=CHUNK) as stream:  # type: ignore[call-overload]  # read() is all that it calls
            for member in stream:
                target = _target(folder, member.name, parents)
                mode = member.mode & 0o777
                mtime_ns = tar_mtime_ns(int(member.mtime), member.uname)
                if member.isdir():
                    kind, content = "dir", ""
                    os.makedirs(target, exist_ok=True)
                    folders.append((target, mode | 0o700, mtime_ns))
                elif member.isreg():
                    kind = "file"
                    content = _write(stream.extractfile(member), target, mode | 0o400, mtime_ns,
                                     member.gname == TAR_SPARSE)
                elif member.issym():
                    kind, content = "link", member.linkname
                    _link(folder, target, content)
                else:
                    raise BadStream(m.MEMBER_NOT_A_FILE(name=member.name))
                for part in (member.name, kind, f"{mode:o}", content):
                    manifest.update(os.fsencode(part) + b"\0")
    except tarfile.TarError as e:
        raise BadStream(str(e)) from None
    reader.drain()
    for path, mode, mtime_ns in reversed(folders):
        os.chmod(path, mode)
        if mtime_ns is not None:
            os.utime(path, ns=(mtime_ns, mtime_ns))
    return manifest.hexdigest()


def _target(folder: str, name: str, parents: set[str]) -> str:
    """The member's path, in a folder that exists. `parents`: such folders, found to lie in `folder`; no later member
    changes that, since none replaces another.
    """
    path = os.path.normpath(name)
    if os.path.isabs(path) or path == ".." or path.startswith("../"):
        raise BadStream(m.MEMBER_LEADS_OUT(name=name))
    target = folder if path == "." else f"{folder}/{path}"
    parent = os.path.dirname(target)
    if path == "." or parent in parents:
        return target
    # An earlier symbolic link must not lead a later member out of the folder.
    if not lies_in(os.path.realpath(folder), os.path.realpath(parent)):
        raise BadStream(m.MEMBER_LEADS_OUT(name=name))
    os.makedirs(parent, exist_ok=True)
    parents.add(parent)
    return target


def _write(source: Any, target: str, mode: int, mtime_ns: int | None, holes: bool) -> str:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    total, size = hashlib.sha256(), 0
    try:
        while True:
            piece = source.read(CHUNK)
            if not piece:
                break
            write_at(fd, piece, size, holes)
            size += len(piece)
            total.update(piece)
        os.ftruncate(fd, size)
        os.fchmod(fd, mode)
        if mtime_ns is not None:
            os.utime(fd, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(fd)
    return total.hexdigest()


def _link(folder: str, target: str, to: str) -> None:
    where = os.path.normpath(os.path.join(os.path.dirname(target), to))
    if not (may_lead_to(to) if os.path.isabs(to) else lies_in(folder, where)):
        raise BadStream(m.MEMBER_LINK_LEADS_OUT(name=os.path.basename(target)))
    os.symlink(to, target)


def write_verified(pieces: Iterable[bytes], target: str, digest: str, holes: bool = False,
                   late: int | None = None) -> None:
    """Write a file whose sha256 must be `digest`; with `holes`, runs of zeros become holes. With `late` that many bytes
    are the file, and its sha256 follows. Raises BadStream, OSError; then nothing of it is left.
    """
    found, size = Hasher(), 0
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        end = _End(late)
        for piece in pieces if late is None else end.before(pieces):
            found.update(piece)
            write_at(fd, piece, size, holes)
            size += len(piece)
        os.ftruncate(fd, size)
        if found.hexdigest() != (digest if late is None else end.text()):
            raise BadStream(m.DIGEST_OF_FILE())
    except BaseException:
        found.close()
        os.close(fd)
        os.unlink(target)
        raise
    os.close(fd)


class _End:
    """The digest after the file."""

    def __init__(self, size: int | None) -> None:
        self._left = size or 0
        self._end = b""

    def before(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            content, more = piece[:self._left], piece[self._left:]
            self._left -= len(content)
            self._end += more
            if len(self._end) > HEX_BYTES:
                raise BadStream(m.DIGEST_OF_FILE())
            if content:
                yield content

    def text(self) -> str:
        return self._end.decode("ascii", "replace") if not self._left else ""
