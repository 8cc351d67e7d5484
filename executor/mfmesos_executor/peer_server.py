"""Serves inputs of this claim to peers, see peer_wire.py; trusts nobody who has no token for the input."""
from __future__ import annotations

import contextlib
import hmac
import logging
import os
import re
import socket
import threading
import time
from typing import Any, Callable, ContextManager, NamedTuple

from mfmesos.shared.addresses import join_host_port
from mfmesos.shared.peer_wire import file_token
from mfmesos.shared.servertls import server_context
from mfmesos.shared.wire import ClaimData
from mfmesos_executor.arriving import Arriving, Gone

logger = logging.getLogger(__name__)
MOST_STRANGERS = 32
"""Connections that have not shown a token; beyond this the oldest is closed."""
MOST_SERVED = 8
HEAD_S = 10.0
"""For the TLS handshake and the head of a request together."""
SILENT_S = 30.0
"""A peer that takes nothing for this long is disconnected."""
SLOWEST_BYTES_PER_S = 16 * 1024
"""And one that takes less than this, in the end."""
MOST_HEAD = 4096
CHUNK = 256 * 1024
BACKLOG = 64
_HEAD = re.compile(rb"([A-Z]{1,10}) (/[!-~]{0,200}) HTTP/1\.1")
_INPUT = re.compile(rb"/inputs/([0-9a-f]{64})")
_RANGE = re.compile(rb"bytes=([0-9]{1,18})-")


class Held(NamedTuple):
    """An input that can be served now."""

    file: Any
    """Opened to read."""
    size: int
    arriving: Arriving | None
    """None if it is here as a whole."""


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class PeerServer:
    """Listens at `host`, at a port that the kernel chooses. `hold` lends an input by its digest, None if it is not
    here. Raises OSError.
    """

    def __init__(self, host: str, data: ClaimData, folder: str, hold: Callable[[str], ContextManager[Held | None]],
                 head_s: float = HEAD_S) -> None:
        self._secret = data.peer_secret
        self._hold = hold
        self._head_s = head_s
        self._context: Any
        self._context, self.fingerprint = server_context(data.peer_pem, folder) if data.peer_pem else (None, "")
        self._lock = threading.Lock()
        self._strangers: dict[int, tuple[float, socket.socket]] = {}
        self._threads = 0
        self._serving = 0
        self.sent = 0
        """Bytes of inputs."""
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.bind((host, 0))
            self._listener.listen(BACKLOG)
            self._listener.settimeout(1.0)
            self.address = join_host_port(host, self._listener.getsockname()[1])
            threading.Thread(target=self._accept, name="peers", daemon=True).start()
        except (OSError, RuntimeError) as e:
            self._listener.close()
            raise OSError(str(e)) from None

    def close(self) -> None:
        """Accept nobody any more; who is being served is cut off when the process ends."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes its thread
        self._listener.close()

    def _accept(self) -> None:
        number = 0
        while self._listener.fileno() >= 0:
            number += 1
            try:
                connection, _ = self._listener.accept()
            except socket.timeout:
                connection = None
            except OSError:
                if self._listener.fileno() < 0:
                    return
                time.sleep(0.1)  # no descriptor is free
                continue
            self._end_strangers()
            if connection is not None and not self._start(number, connection):
                connection.close()

    def _end_strangers(self) -> None:
        """Wake the threads of those who are too slow or too many."""
        with self._lock:
            late = time.monotonic() - self._head_s
            surplus = len(self._strangers) - MOST_STRANGERS + 1
            for position, (since, connection) in enumerate(self._strangers.values()):
                if since < late or position < surplus:
                    # Not SSLSocket's, which another thread uses.
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _start(self, number: int, connection: socket.socket) -> bool:
        with self._lock:
            if self._threads >= 2 * MOST_STRANGERS + MOST_SERVED:
                return False
            self._threads += 1
            self._strangers[number] = (time.monotonic(), connection)
        try:
            threading.Thread(target=self._work, args=(number, connection), name="peer", daemon=True).start()
        except RuntimeError:
            self._forget(number)
            return False
        return True

    def _forget(self, number: int) -> None:
        with self._lock:
            self._strangers.pop(number, None)
            self._threads -= 1

    # --- one connection ---
    def _work(self, number: int, connection: socket.socket) -> None:
        try:
            connection.settimeout(self._head_s)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._strangers[number] = (self._strangers[number][0], connection)
                connection.do_handshake()  # type: ignore[attr-defined]  # it is an SSLSocket
            self._answer(number, connection)
        except (OSError, ValueError, Gone):
            pass  # the peer asks the scheduler for another source
        except Exception:
            logger.exception("a peer could not be served")
        finally:
            self._forget(number)
            connection.close()

    def _answer(self, number: int, connection: socket.socket) -> None:
        try:
            digest, offset = self._authorized(_head(connection))
            with self._lock:
                self._strangers.pop(number, None)
                if self._serving >= MOST_SERVED:
                    raise _Refused(503)
                self._serving += 1
            try:
                with self._hold(digest) as held:
                    if held is None:
                        raise _Refused(404)
                    if offset >= held.size:
                        raise _Refused(416)
                    self._send(connection, held, offset)
            finally:
                with self._lock:
                    self._serving -= 1
        except _Refused as e:
            connection.sendall(f"HTTP/1.1 {e.status} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def _authorized(self, head: bytes) -> tuple[str, int]:
        """The digest and the first byte that are asked for by someone who may have them. Raises _Refused."""
        lines = head.split(b"\r\n")
        first = _HEAD.fullmatch(lines[0])
        fields: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or name.lower() in fields:
                raise _Refused(400)
            fields[name.lower()] = value.strip(b" \t")
        if first is None:
            raise _Refused(400)
        if first.group(1) != b"GET":
            raise _Refused(405)
        wanted = _INPUT.fullmatch(first.group(2))
        if wanted is None:
            raise _Refused(404)
        digest = wanted.group(1).decode()
        expected = f"Bearer {file_token(self._secret, digest)}".encode()
        if not hmac.compare_digest(fields.get(b"authorization", b""), expected):
            raise _Refused(401)
        start = _RANGE.fullmatch(fields.get(b"range", b"bytes=0-"))
        if start is None:
            raise _Refused(416)
        return digest, int(start.group(1))

    def _send(self, connection: socket.socket, held: Held, offset: int) -> None:
        connection.settimeout(SILENT_S)
        connection.sendall(
            f"HTTP/1.1 206 \r\nContent-Length: {held.size - offset}\r\n"
            f"Content-Range: bytes {offset}-{held.size - 1}/{held.size}\r\nConnection: close\r\n\r\n".encode())
        until = time.monotonic() + 2 * SILENT_S + held.size / SLOWEST_BYTES_PER_S
        while offset < held.size:
            upto = held.size if held.arriving is None else held.arriving.wait_beyond(offset, 1.0)
            # In steps, so that the time is looked at.
            count = min(upto - offset, 64 * CHUNK)
            if time.monotonic() > until:
                return
            if count <= 0:
                continue
            sent = self._send_part(connection, held.file, offset, count)
            if not sent:
                return
            offset += sent
            with self._lock:
                self.sent += sent

    def _send_part(self, connection: socket.socket, file: Any, offset: int, count: int) -> int:
        if self._context is None:
            return connection.sendfile(file, offset, count)
        piece = os.pread(file.fileno(), min(count, CHUNK), offset)
        connection.sendall(piece)
        return len(piece)


def _head(connection: socket.socket) -> bytes:
    """The head of a request, without its end. Raises _Refused, OSError."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(MOST_HEAD)
        if not piece:
            raise ConnectionError
        head += piece
        if len(head) > MOST_HEAD:
            raise _Refused(400)
    return head.partition(b"\r\n\r\n")[0]
