"""The outputs of an attempt as one tar stream: what is in it is known first, then it is written without holding it."""
from __future__ import annotations

import os
import select
import stat
from typing import Any, NamedTuple

from mfmesos_executor.sandbox import Sandbox

from mfmesos.wire import MAX_DEPTH

BLOCK = 512
_PIECE = 8 << 20


class BadOutput(Exception):
    """An output that is there but cannot be delivered; one plain line for the user."""


class Member(NamedTuple):
    name: str
    path: str
    size: int
    mode: int
    is_dir: bool


def missing(sandbox: Sandbox) -> list[str]:
    """The declared outputs that are not there (a link that leads nowhere is not)."""
    return [name for name in sandbox.outputs if not os.path.exists(sandbox.path(name))]


def collect_present(sandbox: Sandbox) -> list[Member]:
    """As `collect`, of those outputs that exist and can be delivered. Raises OSError."""
    members: list[Member] = []
    for name in roots(sandbox):
        found: list[Member] = []
        try:
            if os.path.exists(sandbox.path(name)):
                _add(sandbox, found, name, sandbox.path(name), set())
        except BadOutput:
            continue
        members += found
    return members


def roots(sandbox: Sandbox) -> list[str]:
    """The outputs that lie in no other."""
    return [n for n in sandbox.outputs if not any(n.startswith(other + "/") for other in sandbox.outputs)]


def collect(sandbox: Sandbox) -> list[Member]:
    """All members of the outputs' tar, links followed; raises BadOutput, OSError."""
    members: list[Member] = []
    for name in roots(sandbox):
        _add(sandbox, members, name, sandbox.path(name), set())
    return members


def _add(sandbox: Sandbox, members: list[Member], name: str, path: str, above: set[str]) -> None:
    found = os.lstat(path)
    real: str | None = None
    if stat.S_ISLNK(found.st_mode):
        real = os.path.realpath(path)
        if not sandbox.contains(real):
            raise BadOutput(f"output {name} is a symbolic link that leads out of the task's folder")
        try:
            found = os.stat(real)
        except OSError:
            raise BadOutput(f"output {name} is a symbolic link that leads nowhere") from None
    if stat.S_ISREG(found.st_mode):
        members.append(Member(name, path, found.st_size, found.st_mode & 0o777, False))
        return
    if not stat.S_ISDIR(found.st_mode):
        raise BadOutput(f"output {name} is neither a file nor a folder")
    real = os.path.realpath(path)
    if real in above:
        raise BadOutput(f"output {name} is a symbolic link to a folder that it lies in itself")
    members.append(Member(name, path, 0, found.st_mode & 0o777, True))
    for child in sorted(os.listdir(path)):
        _add(sandbox, members, f"{name}/{child}", f"{path}/{child}", above | {real})


def check_depth(members: list[Member]) -> None:
    """Raises BadOutput for what the scheduler would refuse, wherever it came from."""
    for member in members:
        if member.name.count("/") >= MAX_DEPTH:
            raise BadOutput(f"output {member.name.split('/')[0]} is nested more than {MAX_DEPTH} folders deep; "
                            "pack it into an archive")


def length(members: list[Member]) -> int:
    """Bytes of the whole stream."""
    return sum(len(header(m)) + -(-m.size // BLOCK) * BLOCK for m in members) + 2 * BLOCK


def header(member: Member) -> bytes:
    """A ustar header; before it a GNU long name where the name needs one."""
    raw = member.name.encode("utf-8", "surrogateescape") + (b"/" if member.is_dir else b"")
    long = b""
    if len(raw) > 100:
        body = raw + b"\0"
        long = _block(b"././@LongLink", 0, len(body), b"L") + body + bytes(-len(body) % BLOCK)
        raw = raw[:100]
    return long + _block(raw, member.mode, member.size, b"5" if member.is_dir else b"0")


def _block(name: bytes, mode: int, size: int, kind: bytes) -> bytes:
    length_field = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    start = b"%s%07o\0%07o\0%07o\0%s%011o\0" % (name.ljust(100, b"\0"), mode, 0, 0, length_field, 0)
    end = (kind + bytes(100) + b"ustar  \0").ljust(BLOCK - 156, b"\0")
    checksum = sum(start) + 8 * 32 + sum(end)
    return start + b"%06o\0 " % checksum + end


def small_tar(members: list[Member]) -> bytes:
    """The whole stream at once."""
    parts = []
    for member in members:
        parts.append(header(member))
        if member.size:
            with open(member.path, "rb") as f:
                data = f.read(member.size)
            parts.append(data.ljust(-(-member.size // BLOCK) * BLOCK, b"\0"))
    parts.append(bytes(2 * BLOCK))
    return b"".join(parts)


def send_tar(members: list[Member], sock: Any, cancelled: Any) -> None:
    """Write the stream to a socket; the files go without passing through Python where the system can."""
    for member in members:
        sock.sendall(header(member))
        if member.size:
            with open(member.path, "rb") as f:
                _send_file(f, member.size, sock, cancelled)
            sock.sendall(bytes(-member.size % BLOCK))
    sock.sendall(bytes(2 * BLOCK))


def _send_file(f: Any, size: int, sock: Any, cancelled: Any) -> None:
    position = 0
    while position < size:
        cancelled()
        if _has_answer(sock):
            # It refuses what it has not read yet: no use to go on.
            raise BrokenPipeError
        sent = sock.sendfile(f, position, min(_PIECE, size - position))
        if not sent:
            raise BadOutput("an output became shorter while it was sent")
        position += sent


def _has_answer(sock: Any) -> bool:
    """Of plain HTTP only: TLS has messages of its own."""
    if hasattr(sock, "getpeercert"):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
