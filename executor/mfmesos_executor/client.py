"""HTTP to the staging server: kept connections, the claim's token, a certificate pinned by its fingerprint."""
from __future__ import annotations

import contextlib
import hashlib
import http.client
import random
import socket
import threading
import time
from typing import Any, Callable, Iterable, Iterator
from urllib.parse import quote, urlsplit

from mfmesos.shared import plainerrors
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import ClaimData

CONNECT_S = 10.0
TRANSFER_S = 60.0
"""A transfer without progress for this long is lost."""
CHUNK = 256 * 1024
UPLOADS = 8
"""Outputs are sent this many times if the transfer breaks."""


class Unreachable(Exception):
    """The scheduler did not answer, or not properly; another try is worthwhile. One line with the reason. `nobody`: its
    machine answers, but nothing listens at its port.
    """

    def __init__(self, text: str, *, nobody: bool = False) -> None:
        super().__init__(text)
        self.nobody = nobody


class Refused(Exception):
    """The scheduler refused: another try would not help. `status` is the HTTP status, the text one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Cancelled(Exception):
    """The attempt that needed this was killed meanwhile."""


def certificate_context() -> Any:
    """TLS that accepts any certificate: its fingerprint is checked afterwards."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """One kept connection, for one thread at a time."""

    def __init__(self, data: ClaimData, context: Any = None) -> None:
        url = urlsplit(data.url)
        self._host, self._port = url.hostname or "", url.port
        self._prefix = url.path.rstrip("/")
        self._tls = url.scheme == "https"
        self._fingerprint = (data.fingerprint or "").replace(":", "").lower()
        self._authorization = f"Bearer {data.token}"
        self._context = context
        self._http: http.client.HTTPConnection | None = None

    def is_local(self) -> bool:
        """Whether the server's address is one of this machine (in containers: of this network). Raises Refused."""
        try:
            self._http = self._http or self._connect(CONNECT_S)
            return bool(self._http.sock.getsockname()[0] == self._http.sock.getpeername()[0])
        except (OSError, http.client.HTTPException, AttributeError):
            self.close()
            return False

    def close(self) -> None:
        """The next request opens a new connection."""
        connection, self._http = self._http, None
        if connection is not None:
            connection.close()

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._tls:
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout_s, context=self._context or certificate_context())
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        made.connect()
        try:
            if self._tls:
                secured: Any = made.sock
                certificate = secured.getpeercert(binary_form=True)
                if hashlib.sha256(certificate).hexdigest() != self._fingerprint:
                    raise Refused(495, m.OTHER_CERTIFICATE())
            made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except BaseException:
            made.close()
            raise
        return made

    def send(self, method: str, path: str, body: bytes | None, timeout_s: float,
             stream: Callable[[Any], None] | None = None, length: int = 0, start: int = 0) -> http.client.HTTPResponse:
        """Send one request and return the head of the answer. Raises Unreachable, Refused.

        `start`: the first byte that is wanted of a file. If the server has closed a kept connection meanwhile, a new
        one is opened at once, one time.
        """
        while True:
            kept = self._http is not None
            try:
                return self._exchange(method, path, body, timeout_s, stream, length, start)
            except (OSError, http.client.HTTPException) as e:
                self.close()
                stale = isinstance(e, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError))
                if not (kept and stale):
                    raise Unreachable(plainerrors.reason(e), nobody=isinstance(e, ConnectionRefusedError)) from None
            except BaseException:
                self.close()
                raise

    def _exchange(self, method: str, path: str, body: bytes | None, timeout_s: float,
                  stream: Callable[[Any], None] | None, length: int, start: int) -> http.client.HTTPResponse:
        if self._http is None:
            self._http = self._connect(min(CONNECT_S, timeout_s))
        connection = self._http
        connection.sock.settimeout(timeout_s)
        headers = {"Authorization": self._authorization}
        if start:
            headers["Range"] = f"bytes={start}-"
        if stream is None:
            connection.request(method, self._prefix + path, body, headers)
        else:
            headers["Content-Length"] = str(length)
            connection.putrequest(method, self._prefix + path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            try:
                stream(connection.sock)
            except (BrokenPipeError, ConnectionResetError):
                # The server may have sent the reason before it closed.
                return self._checked(connection.getresponse())
        return self._checked(connection.getresponse())

    def _checked(self, response: http.client.HTTPResponse) -> http.client.HTTPResponse:
        status = response.status
        if status < 300:
            return response
        text = response.read(2000)
        response.read()
        if response.will_close:
            self.close()
        raise refusal(status, text, response.reason)


def refusal(status: int, body: bytes, otherwise: str = "") -> Unreachable | Refused:
    """The error for an answer with that status: whether another try is worthwhile."""
    text = body.decode("utf-8", "replace").strip()
    line = text.splitlines()[0][:300] if text else otherwise
    if status >= 500 or status in (408, 425, 429):
        return Unreachable(f"HTTP {status}: {line}")
    return Refused(status, line or f"HTTP {status}")


class Client:
    """The claim's requests to its scheduler. Thread-safe: each thread has its own connection."""

    def __init__(self, data: ClaimData, clock: Callable[[], float] = time.monotonic) -> None:
        self._data = data
        self._clock = clock
        self._local = threading.local()
        self._base = f"/claims/{quote(data.claim, safe='')}"
        self._context = certificate_context() if data.url.startswith("https:") else None

    def connection(self) -> Connection:
        """A connection for exclusive use."""
        return Connection(self._data, self._context)

    def _mine(self) -> Connection:
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self.connection()
        return found

    def sync(self, connection: Connection, body: bytes, timeout_s: float) -> bytes:
        """One sync, held open by the server. Raises Unreachable, Refused."""
        response = connection.send("POST", f"{self._base}/sync", body, timeout_s)
        return self._read_all(connection, response)

    def _read_all(self, connection: Connection, response: http.client.HTTPResponse) -> bytes:
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            raise Unreachable(plainerrors.reason(e)) from None
        if response.will_close:
            connection.close()
        return data

    def patiently(self, what: Callable[[], None], cancelled: Callable[[], bool]) -> None:
        """Retry with growing pauses until `give_up_s`; then raises Unreachable. Raises Refused, Cancelled at once."""
        give_up = self._clock() + self._data.give_up_s
        pause = 0.1
        while True:
            if cancelled():
                raise Cancelled
            try:
                return what()
            except Unreachable:
                if self._clock() + pause > give_up:
                    raise
            until = self._clock() + pause * random.uniform(0.5, 1.0)
            while self._clock() < until:
                if cancelled():
                    raise Cancelled
                time.sleep(min(0.1, max(0.0, until - self._clock())))  # the backoff, which a kill interrupts
            pause = min(pause * 2, 5.0)

    def download(self, digest: str, take: Callable[[Iterable[bytes]], None], cancelled: Callable[[], bool]) -> None:
        """GET a file; `take` gets its pieces, once per try. Raises Unreachable, Refused, Cancelled, OSError."""
        path = f"{self._base}/files/{quote(digest, safe='')}"
        self.patiently(lambda: self._streamed("GET", path, None, take, cancelled), cancelled)

    def batch(self, request: bytes, take: Callable[[Iterable[bytes]], None], cancelled: Callable[[], bool]) -> None:
        """POST a request for many small files (see mfmesos.shared.batches), one try; raises like `download`."""
        self._streamed("POST", f"{self._base}/files", request, take, cancelled)

    def _streamed(self, method: str, path: str, body: bytes | None, take: Callable[[Iterable[bytes]], None],
                  cancelled: Callable[[], bool]) -> None:
        connection = self._mine()
        response = connection.send(method, path, body, TRANSFER_S)
        whole = False
        try:
            take(_pieces(response, cancelled))
            whole = response.isclosed() or response.read(1) == b""
        finally:
            if not whole or response.will_close:
                connection.close()

    def place(self, digest: str) -> bytes:
        """Ask where an input lies on this machine, see samehost.py; empty if the scheduler runs elsewhere or does not
        say. Raises Unreachable, Refused.
        """
        return self._ask_neighbour(f"files/{quote(digest, safe='')}?place=1")

    def folder(self, attempt: str) -> bytes:
        """Ask where this attempt may put its outputs on this machine; otherwise like `place`."""
        return self._ask_neighbour(f"attempts/{quote(attempt, safe='')}/outputs")

    def _ask_neighbour(self, path: str) -> bytes:
        connection = self._mine()
        if not connection.is_local():
            return b""
        return self._read_all(connection, connection.send("GET", f"{self._base}/{path}", None, TRANSFER_S))

    def source(self, connection: Connection, digest: str, body: bytes) -> bytes:
        """Ask where to fetch an input, see peer_wire.py. Raises Unreachable, Refused."""
        path = f"{self._base}/sources/{quote(digest, safe='')}"
        return self._read_all(connection, connection.send("POST", path, body, TRANSFER_S))

    @contextlib.contextmanager
    def rest_of(self, digest: str, start: int, cancelled: Callable[[], bool]) -> Iterator[Iterable[bytes]]:
        """The pieces of a file from that byte on, one try. Raises Unreachable, Refused, Cancelled."""
        connection = self._mine()
        response = connection.send(
            "GET", f"{self._base}/files/{quote(digest, safe='')}", None, TRANSFER_S, start=start)
        try:
            if start and response.status != 206:
                raise Unreachable(m.ANSWER_INVALID(why=f"HTTP {response.status}"))
            yield _pieces(response, cancelled)
        finally:
            if not response.isclosed() or response.will_close:
                connection.close()

    def upload(self, attempt: str, length: int, stream: Callable[[Any], None], cancelled: Callable[[], bool],
               query: str = "") -> bytes:
        """PUT the outputs, `length` bytes, which `stream` writes to the socket, once per try; returns the answer.
        `query`: see mfmesos.shared.wire. Raises Unreachable, Refused, Cancelled, OSError.
        """
        path = f"attempts/{quote(attempt, safe='')}/outputs{query and '?' + query}"
        return self.put(path, length, stream, cancelled)

    def put(self, path: str, length: int, stream: Callable[[Any], None], cancelled: Callable[[], bool]) -> bytes:
        """The same for any path below the claim's."""
        path = f"{self._base}/{path}"
        begun = [0]
        answer = [b""]

        def counted(sock: Any) -> None:
            begun[0] += 1
            stream(sock)

        def once() -> None:
            connection = self._mine()
            try:
                answer[0] = self._read_all(connection, connection.send("PUT", path, None, TRANSFER_S, counted, length))
            except Unreachable as e:
                # Not for ever if it breaks each time: it may be many GB.
                if begun[0] >= UPLOADS:
                    raise Refused(0, str(e)) from None
                raise

        self.patiently(once, cancelled)
        return answer[0]


def _pieces(response: http.client.HTTPResponse, cancelled: Callable[[], bool]) -> Iterable[bytes]:
    while True:
        if cancelled():
            raise Cancelled
        try:
            piece = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as e:
            raise Unreachable(plainerrors.reason(e)) from None
        if not piece:
            if response.length:
                raise Unreachable(m.CONNECTION_LOST())
            return
        yield piece
