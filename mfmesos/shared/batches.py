"""Many small inputs in one answer. Used on both sides and travels to the agents: standard library only, Python 3.8 or
newer.

The request names the files by digest, as a JSON list. The answer has one member for each, in the same order: a line
`STATUS LENGTH`, then that many bytes: with status 200 the file's content, otherwise one plain line with the reason why
this file is refused. Nothing follows the last member.
"""
from __future__ import annotations

import json
import re
from typing import Iterable, Iterator, NamedTuple, Sequence

from mfmesos.shared.kept_files import is_digest
from mfmesos.shared.messages import executor as m

MOST = 1000
"""Files in one request."""
FILE_BYTES = 256 * 1024
"""Larger files are fetched singly."""
REASON_BYTES = 2000
REQUEST_BYTES = 128 * MOST
_HEAD = re.compile(rb"([1-9][0-9]{2}) (0|[1-9][0-9]{0,8})\n")
_HEAD_BYTES = 16
OK = 200


class BadBatch(ValueError):
    """An invalid request or answer; one plain line."""


class Member(NamedTuple):
    status: int
    body: bytes
    """The file's content, or the reason why it is refused."""


def request(digests: Sequence[str]) -> bytes:
    return json.dumps(digests, separators=(",", ":")).encode()


def asked(raw: bytes) -> list[str]:
    """The digests in a request; raises BadBatch."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not 0 < len(found) <= MOST:
        raise BadBatch(m.BATCH_NOT_A_LIST(most=MOST))
    if not all(map(is_digest, found)):
        raise BadBatch(m.BATCH_NO_DIGEST())
    return found


def head(status: int, length: int) -> bytes:
    """The line before a member's bytes."""
    return b"%d %d\n" % (status, length)


def members(pieces: Iterable[bytes], sizes: Sequence[int]) -> Iterator[Member]:
    """The members of an answer, one for each file of these sizes, as they arrive. Holds one member and one piece of the
    stream. Raises BadBatch for anything else than exactly these members, however much arrives.
    """
    stream = _Stream(pieces)
    for size in sizes:
        status, length = stream.head()
        if length != size if status == OK else length > REASON_BYTES:
            raise BadBatch(m.BATCH_DAMAGED())
        yield Member(status, stream.take(length))
    if not stream.at_end():
        raise BadBatch(m.BATCH_DAMAGED())


class _Stream:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = b""
        self._at = 0

    def head(self) -> tuple[int, int]:
        while True:
            found = _HEAD.match(self._held, self._at)
            if found is not None:
                self._at = found.end()
                return int(found[1]), int(found[2])
            if len(self._held) - self._at >= _HEAD_BYTES:
                raise BadBatch(m.BATCH_DAMAGED())
            self._more()

    def take(self, length: int) -> bytes:
        parts, missing = [self._held[self._at:self._at + length]], length
        while True:
            missing -= len(parts[-1])
            if not missing:
                break
            self._held, self._at = b"", 0
            self._more()
            parts.append(self._held[:missing])
        self._at += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def at_end(self) -> bool:
        return self._at == len(self._held) and not next(self._pieces, b"")

    def _more(self) -> None:
        piece = next(self._pieces, b"")
        if not piece:
            raise BadBatch(m.BATCH_DAMAGED())
        self._held, self._at = self._held[self._at:] + piece, 0
