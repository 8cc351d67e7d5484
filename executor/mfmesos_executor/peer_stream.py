"""Fetches an input from a peer: one request, whose answer may come as slowly as the peer itself receives it."""
from __future__ import annotations

import hashlib
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from mfmesos.shared import plainerrors
from mfmesos.shared.messages import executor as m
from mfmesos.shared.peer_wire import BROKEN, BUSY, MISSING, UNREACHABLE, SourceAnswer
from mfmesos_executor.client import CHUNK, certificate_context

CONNECT_S = 5.0
HEAD_S = 10.0
STEP_S = 1.0
"""A read returns after this time, with or without bytes."""
MOST_HEAD = 4096
STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


class PeerFailed(Exception):
    """The text is one line with the reason; `kind` is one of peer_wire.FAILURES."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class PeerStream:
    """The bytes of an input from `offset` on. Raises PeerFailed."""

    def __init__(self, at: SourceAnswer, digest: str, offset: int) -> None:
        self._rest = b""
        try:
            self._socket = self._connected(at)
        except (OSError, ValueError) as e:
            raise PeerFailed(UNREACHABLE, plainerrors.reason(e)) from None
        try:
            self._request(at, digest, offset)
        except (OSError, PeerFailed) as e:
            self.close()
            raise e if isinstance(e, PeerFailed) else PeerFailed(BROKEN, plainerrors.reason(e)) from None

    def _connected(self, at: SourceAnswer) -> Any:
        url = urlsplit(at.url)
        plain = socket.create_connection((url.hostname or "", url.port or 0), CONNECT_S)
        if url.scheme != "https":
            return plain
        try:
            secured = certificate_context().wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        if hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest() != at.fingerprint.lower():
            secured.close()
            raise PeerFailed(UNREACHABLE, m.OTHER_CERTIFICATE())
        return secured

    def _request(self, at: SourceAnswer, digest: str, offset: int) -> None:
        self._socket.settimeout(HEAD_S)
        self._socket.sendall(
            f"GET /inputs/{digest} HTTP/1.1\r\nHost: peer\r\nAuthorization: Bearer {at.token}\r\n"
            f"Range: bytes={offset}-\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._socket.recv(MOST_HEAD)
            head += piece
            if not piece or len(head) > 2 * MOST_HEAD:
                raise PeerFailed(BROKEN, m.CONNECTION_LOST())
        head, _, self._rest = head.partition(b"\r\n\r\n")
        found = STATUS.match(head)
        status = int(found.group(1)) if found else 0
        if status != 206:
            raise PeerFailed({401: MISSING, 404: MISSING, 416: MISSING, 503: BUSY}.get(status, BROKEN),
                             f"HTTP {status}")
        self._socket.settimeout(STEP_S)

    def read(self) -> bytes | None:
        """The next bytes; None if none come for STEP_S, b"" at the end. Raises PeerFailed."""
        if self._rest:
            found, self._rest = self._rest, b""
            return found
        try:
            return bytes(self._socket.recv(CHUNK))
        except socket.timeout:
            return None
        except OSError as e:
            raise PeerFailed(BROKEN, plainerrors.reason(e)) from None

    def close(self) -> None:
        self._socket.close()
