"""The outputs of an attempt as one tar stream: the members are listed first, then written without holding them in
memory.
"""
from __future__ import annotations

import functools
import os
import select
import stat
from typing import Any, Iterable, Iterator, NamedTuple

from mfmesos.shared import tarmarks
from mfmesos.shared.holes import extents, sparse
from mfmesos.shared.messages import executor as m
from mfmesos.shared.symlinks import may_lead_to, name_in
from mfmesos.shared.wire import MAX_DEPTH
from mfmesos_executor.sandbox import Sandbox

BLOCK = 512
_MOST_PIECES = 1500
"""Pieces of a sparse file: their list must fit into a header."""
_LAST_NS = ((1 << 33) - 1) * 1_000_000_000
_PIECE = 8 << 20


class BadOutput(Exception):
    """An output that exists but cannot be delivered; one plain line for the user."""


class Member(NamedTuple):
    name: str
    path: str
    size: int
    """Bytes of a file's content; otherwise 0."""
    mode: int
    is_dir: bool
    mtime_ns: int = 0
    target: str = ""
    """The target of a symbolic link."""
    pieces: tuple[tuple[int, int], ...] | None = None
    """For a sparse file: offset and length of each piece of data. None: the whole file."""


class Outgoing(NamedTuple):
    """Outputs to be sent."""

    members: list[Member]
    length: int
    query: str


def missing(sandbox: Sandbox) -> list[str]:
    """The declared outputs that do not exist (a dangling link does not count as existing)."""
    gone = [name for name in sandbox.outputs if not os.path.exists(sandbox.path(name))]
    return gone + [path for path in sandbox.stay if not os.path.exists(path)]


def collect_present(sandbox: Sandbox) -> list[Member]:
    """Like `collect`, for outputs that exist and can be delivered. Raises OSError."""
    members: list[Member] = []
    links = Links(sandbox, roots(sandbox))
    for name in roots(sandbox):
        found: list[Member] = []
        try:
            if os.path.exists(sandbox.path(name)):
                _add_root(links, found, name)
        except BadOutput:
            continue
        members += found
    return members


def roots(sandbox: Sandbox) -> list[str]:
    """The outputs that lie in no other output."""
    declared = frozenset(sandbox.delivered)
    return [name for name in sandbox.delivered if declared.isdisjoint(_folders(name))]


def _folders(name: str) -> Iterator[str]:
    """The folders above it, the outermost first."""
    return (name[:i] for i, c in enumerate(name) if c == "/" and i)


def collect(sandbox: Sandbox) -> list[Member]:
    """All members of the outputs' tar, each folder after its content; raises BadOutput, OSError.

    An output that is itself a link is sent as its target's content. A link in a folder stays a link if its target is
    also delivered or does not exist; otherwise it is sent as its target's content.
    """
    members: list[Member] = []
    names = roots(sandbox)
    links = Links(sandbox, names)
    for name in names:
        _add_root(links, members, name)
    return members


def _add_root(links: Links, members: list[Member], name: str) -> None:
    path = links.sandbox.path(name)
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        path = _followed(links.sandbox, name, path)
        found = os.lstat(path)
    _add(links, members, name, path, found, frozenset())


def _followed(sandbox: Sandbox, name: str, path: str) -> str:
    real = os.path.realpath(path)
    if not sandbox.contains(real):
        raise BadOutput(m.OUTPUT_LINK_LEADS_OUT(name=name))
    return real


def _add(
    links: Links, members: list[Member], name: str, path: str, found: os.stat_result, above: frozenset[str],
) -> None:
    """`found`: what lstat shows of the path."""
    if name.count("/") >= MAX_DEPTH:
        raise BadOutput(m.OUTPUT_TOO_DEEP(name=name.split("/")[0], most=MAX_DEPTH))
    if stat.S_ISLNK(found.st_mode):
        target = links.kept(name, path)
        if target is not None:
            members.append(Member(name, path, 0, 0o777, False, found.st_mtime_ns, target))
            return
        path = _followed(links.sandbox, name, path)
        found = os.stat(path)
    mode = found.st_mode & 0o777
    if stat.S_ISREG(found.st_mode):
        pieces = _pieces(path, found.st_size) if sparse(found) else None
        members.append(Member(name, path, found.st_size, mode, False, found.st_mtime_ns, "", pieces))
        return
    if not stat.S_ISDIR(found.st_mode):
        raise BadOutput(m.OUTPUT_NOT_A_FILE(name=name))
    real = os.path.realpath(path)
    if real in above:
        raise BadOutput(m.OUTPUT_LINK_LOOP(name=name))
    for child in sorted(os.listdir(path)):
        inner = f"{path}/{child}"
        _add(links, members, f"{name}/{child}", inner, os.lstat(inner), above | {real})
    members.append(Member(name, path, 0, mode, True, found.st_mtime_ns))


def _pieces(path: str, size: int) -> tuple[tuple[int, int], ...]:
    with open(path, "rb", buffering=0) as f:
        return tuple(extents(f.fileno(), size, _MOST_PIECES))


class Links:
    """Which links in the outputs stay links, and what their targets are then.

    A link's *end* is where it leads to in one step, here on the agent. Its *name there* is the name which the end has in
    the workflow's folder:

    | the end lies | and the link leads to something | and to nothing |
    | --- | --- | --- |
    | in the task's working folder | sent as what it leads to; a link where that is delivered as well | a link to the name there |
    | elsewhere in the sandbox | sent as what it leads to | a link to the end |
    | in the workflow's folder, by its whole path | a link to the name there | a link to the name there |
    | anywhere else | a link to the end, if every machine may have that; refused otherwise | a link to the end; refused if it is relative |
    """  # noqa: E501 - a table

    def __init__(self, sandbox: Sandbox, roots: list[str]) -> None:
        self.sandbox = sandbox
        self._roots = frozenset(roots)

    def kept(self, name: str, path: str) -> str | None:
        """The target of the link that is `name` in the workflow's folder; None if the target's content is sent. Raises
        BadOutput for a link that leads out.
        """
        written = os.readlink(path)
        end = os.path.normpath(os.path.join(os.path.realpath(os.path.dirname(path)), written))
        leads_somewhere = os.path.exists(path)
        remote = _name_in_first(self._working, end)
        if remote is not None:
            if leads_somewhere and not self._is_delivered(remote, name):
                return None
            return _target(name, written, remote)
        if self.sandbox.contains(os.path.realpath(end)):
            return None if leads_somewhere else end
        remote = _name_in_first((self.sandbox.workdir,), end)
        if remote is not None:
            return _target(name, written, remote)
        # A relative link that leads nowhere here could lead anywhere from the workflow's folder.
        relative = not os.path.isabs(written)
        if (relative and not os.path.lexists(end)) or (leads_somewhere and not may_lead_to(end)):
            raise BadOutput(m.OUTPUT_LINK_LEADS_OUT_TO(name=name, end=end))
        return end

    @functools.cached_property
    def _working(self) -> tuple[str, str, str]:
        """All names of the task's working folder; most tasks have no links, and need none of this."""
        return os.path.realpath(self.sandbox.work), self.sandbox.work, self.sandbox.home

    def _is_delivered(self, remote: str, name: str) -> bool:
        """Whether the end is delivered, too, or `name` lies in it: then the link is circular."""
        return (remote == "." or name.startswith(remote + "/") or remote in self._roots
                or not self._roots.isdisjoint(_folders(remote)))


def _name_in_first(folders: Iterable[str], path: str) -> str | None:
    """Its name in the first of the folders that contain it; empty folder names are skipped."""
    names = (name_in(folder, path) for folder in folders if folder)
    return next((name for name in names if name is not None), None)


def _target(name: str, written: str, remote: str) -> str:
    """The link's text in the workflow's folder that leads to `there`: as the task wrote it, if that is correct."""
    folder = os.path.dirname(name)
    if not os.path.isabs(written) and os.path.normpath(f"{folder}/{written}") == remote:
        return written
    return os.path.relpath(remote, folder)


def length(members: list[Member]) -> int:
    """Bytes of the whole stream."""
    return sum(len(header(m)) + -(-_sent(m) // BLOCK) * BLOCK for m in members) + 2 * BLOCK


def _sent(member: Member) -> int:
    return member.size if member.pieces is None else sum(length for _, length in member.pieces)


def header(member: Member) -> bytes:
    """A ustar header; before it a GNU long name and link if the name or the target needs one, and for a sparse file a
    pax header (see mfmesos.shared.wire).
    """
    before = b""
    if member.pieces is not None:
        words = [member.size, *(number for piece in member.pieces for number in piece)]
        before += _extra(b"././@PaxHeader", _record(tarmarks.TAR_HOLES, b" ".join(b"%d" % n for n in words)), b"x")
    raw = member.name.encode("utf-8", "surrogateescape") + (b"/" if member.is_dir else b"")
    if len(raw) > 100:
        before += _extra(b"././@LongLink", raw + b"\0", b"L")
    target = member.target.encode("utf-8", "surrogateescape")
    if len(target) > 100:
        before += _extra(b"././@LongLink", target + b"\0", b"K")
    kind = b"5" if member.is_dir else b"2" if target else b"0"
    return before + _block(raw[:100], member.mode, _sent(member), kind, target[:100], member.mtime_ns)


def _extra(name: bytes, body: bytes, kind: bytes) -> bytes:
    return _block(name, 0, len(body), kind) + body + bytes(-len(body) % BLOCK)


def _record(key: str, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    size = rest + len(str(rest))
    size = rest + len(str(size))
    return b"%d %s=%s\n" % (size, key.encode(), value)


def _block(name: bytes, mode: int, size: int, kind: bytes, target: bytes = b"", mtime_ns: int = 0) -> bytes:
    length_field = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    seconds, ns = divmod(min(max(mtime_ns, 0), _LAST_NS), 1_000_000_000)
    start = b"%s%07o\0%07o\0%07o\0%s%011o\0" % (name.ljust(100, b"\0"), mode, 0, 0, length_field, seconds)
    owner = tarmarks.tar_owner(ns).encode() if mtime_ns else b""
    end = (kind + target.ljust(100, b"\0") + b"ustar  \0" + owner).ljust(BLOCK - 156, b"\0")
    checksum = tarmarks.byte_sum(start) + 8 * 32 + tarmarks.byte_sum(end)
    return start + b"%06o\0 " % checksum + end


def inline(members: list[Member], most: int) -> bytes | None:
    """The whole stream, unless it has more than `most` bytes."""
    if sum(_sent(member) + BLOCK for member in members) > most:
        return None
    stream = small_tar(members)
    return stream if len(stream) <= most else None


def small_tar(members: list[Member]) -> bytes:
    """The whole stream at once."""
    parts = []
    for member in members:
        parts.append(header(member))
        sent = _sent(member)
        if sent:
            fd = os.open(member.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = b"".join([_read(fd, *piece) for piece in member.pieces or ((0, member.size),)])
            finally:
                os.close(fd)
            parts.append(data.ljust(-(-sent // BLOCK) * BLOCK, b"\0"))
    parts.append(bytes(2 * BLOCK))
    return b"".join(parts)


def _read(fd: int, start: int, length: int) -> bytes:
    data = os.pread(fd, length, start)
    while len(data) < length and (more := os.pread(fd, length - len(data), start + len(data))):
        data += more
    return data.ljust(length, b"\0")


def send_tar(members: list[Member], sock: Any, cancelled: Any) -> None:
    """Write the stream to a socket; files do not pass through Python if the system supports that."""
    for member in members:
        sock.sendall(header(member))
        sent = _sent(member)
        if sent:
            with open(member.path, "rb") as f:
                for start, length in member.pieces or ((0, member.size),):
                    _send_file(f, start, start + length, sock, cancelled)
            sock.sendall(bytes(-sent % BLOCK))
    sock.sendall(bytes(2 * BLOCK))


def _send_file(f: Any, position: int, end: int, sock: Any, cancelled: Any) -> None:
    while position < end:
        cancelled()
        if _has_answer(sock):
            # The server refuses before it has read everything: stop sending.
            raise BrokenPipeError
        sent = sock.sendfile(f, position, min(_PIECE, end - position))
        if not sent:
            raise BadOutput(m.OUTPUT_SHRANK())
        position += sent


def _has_answer(sock: Any) -> bool:
    """For plain HTTP only: TLS has messages of its own."""
    if hasattr(sock, "getpeercert"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
