"""The long-lived answer to SUBSCRIBE: one non-blocking connection that ends with a reason, never with the process."""
from __future__ import annotations

import errno
import json
import os
import select
import socket
from dataclasses import dataclass
from typing import Any, Callable, Iterator

from http_parser.http import HttpParser

from mfmesos.mesos.imports import Connection
from mfmesos.shared.addresses import split_address
from mfmesos.shared.messages import mesos as m

_RECEIVE = 1 << 18
_LARGEST_EVENT = 1 << 30
_MOST_OF_AN_ERROR = 4096
_TLS_ALERT = b"\x15\x03"
_REDIRECTS = (301, 302, 303, 307, 308)
_REFUSALS = (401, 403)


class StreamEnd(Exception):
    """The event stream has ended; `str()` gives the reason in one line.

    `final`: another try is useless. `redirect`: the leader's address. `at_once`: no pause before the next try.
    """

    def __init__(self, reason: str, *, final: bool = False, redirect: str | None = None,
                 at_once: bool = False) -> None:
        super().__init__(reason)
        self.final = final
        self.redirect = redirect
        self.at_once = at_once


@dataclass(frozen=True)
class Timing:
    """The timeouts of a driver, in seconds."""

    connect_s: float = 10.0
    reply_s: float = 30.0
    """From the SUBSCRIBE request to the first event."""
    heartbeat_s: float = 15.0
    """Assumed until the master reports its own interval."""
    missed_heartbeats: int = 5
    first_backoff_s: float = 0.5
    most_backoff_s: float = 15.0
    call_s: float = 10.0
    again_s: float = 5.0
    """Pause before a call that must not be lost is sent again on a live stream."""


def tune(sock: socket.socket) -> None:
    """No delay for small packets; a silently vanished peer is noticed within two minutes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 45), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Records:
    r"""RecordIO ("<length>\n<bytes>" repeated), cut from pieces of any size in linear time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The records that `data` completes; StreamEnd for an invalid length."""
        self._buffer += data
        while True:
            if self._length is None and not self._read_length():
                return
            assert self._length is not None
            if len(self._buffer) < self._length:
                return
            record = bytes(self._buffer[:self._length])
            del self._buffer[:self._length]
            self._length = None
            yield record

    def _read_length(self) -> bool:
        end = self._buffer.find(b"\n", 0, 24)
        if end < 0 and len(self._buffer) < 24:
            return False
        digits = bytes(self._buffer[:max(end, 0)]).strip()
        if end < 0 or not digits.isdigit() or int(digits) > _LARGEST_EVENT:
            raise StreamEnd(m.NOT_A_STREAM(found=bytes(self._buffer[:24])))
        self._length = int(digits)
        del self._buffer[:end + 1]
        return True


class EventStream(Connection):  # type: ignore[misc]  # pymesos has no types
    """One SUBSCRIBE and its events. Call `advance` after each poll: it raises StreamEnd at the end."""

    def __init__(self, address: str, callback: Any, timing: Timing, clock: Callable[[], float]) -> None:
        # Not Connection.__init__: its connect has neither fallback to a second address nor timeout.
        host, port = split_address(address)
        self._addr = (host, port)
        self._callback = callback
        self._timing = timing
        self._clock = clock
        self._stream_id: str | None = None
        self._parser = HttpParser()
        self._records = Records()
        self._error_body = b""
        self._received_anything = False
        self.connected = False
        self.subscribed = False
        self.silence_s: float | None = None
        """Allowed silence in seconds once subscribed; None for ever."""
        self._request = b""
        self._sock: socket.socket | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as e:
            why = getattr(e, "strerror", None) or e
            raise StreamEnd(m.NAME_UNRESOLVED(address=address, host=host, why=why)) from None
        self._candidates: list[Any] = [(family, where) for family, _, _, _, where in found]
        self._since = clock()
        self._open_next(m.NAME_WITHOUT_ADDRESS())

    def _open_next(self, why_not: str) -> None:
        """Begin to connect to the next address of the name; StreamEnd if none is left."""
        while self._candidates:
            self._drop_socket()
            family, where = self._candidates.pop(0)
            self._sock = socket.socket(family, socket.SOCK_STREAM)
            self._sock.setblocking(False)
            tune(self._sock)
            self._since = self._clock()
            code = self._sock.connect_ex(where)
            if code in (0, errno.EINPROGRESS, errno.EAGAIN):
                return
            why_not = os.strerror(code)
        raise StreamEnd(f"{self.name}: {why_not}")

    @property
    def name(self) -> str:
        return f"{self._addr[0]}:{self._addr[1]}"

    def interest(self) -> int:
        """The poll events to wait for."""
        if not self.connected:
            return select.POLLOUT
        return select.POLLIN | (select.POLLOUT if self._request else 0)

    def remaining(self) -> float | None:
        """Seconds until the peer's silence is too long; None for never."""
        limit: float | None = self._timing.reply_s
        if not self.connected:
            limit = self._timing.connect_s
        elif self.subscribed:
            limit = self.silence_s
        return None if limit is None else self._since + limit - self._clock()

    def advance(self, happened: int) -> None:
        """Handle the poll event (0 for none); raises StreamEnd."""
        if not self.connected:
            if happened:
                self._finish_connect()
        else:
            if happened & select.POLLOUT:
                self._write()
            if happened & ~select.POLLOUT:
                self._read()
        left = self.remaining()
        if left is not None and left <= 0:
            self._overdue()

    def _overdue(self) -> None:
        if not self.connected:
            self._open_next(m.CONNECT_TIMEOUT(seconds=self._timing.connect_s))
        elif self.subscribed:
            raise StreamEnd(m.STREAM_SILENT(address=self.name, seconds=self.silence_s))
        else:
            raise StreamEnd(m.SUBSCRIBE_TIMEOUT(address=self.name, seconds=self._timing.reply_s))

    def _finish_connect(self) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._open_next(os.strerror(code))
            return
        self.connected = True
        self._since = self._clock()
        self._request = self._callback.gen_request()
        self._write()

    def _write(self) -> None:
        assert self._sock is not None
        try:
            sent = self._sock.send(self._request)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            raise StreamEnd(f"{self.name}: {e.strerror or e}") from None
        self._request = self._request[sent:]

    def _read(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            raise StreamEnd(f"{self.name}: {e.strerror or e}") from None
        if not self._received_anything:
            if not data:
                raise StreamEnd(m.CLOSED_UNANSWERED(
                    address=self.name, why=self._callback.why_closed(self._addr)))
            if data.startswith(_TLS_ALERT):
                raise StreamEnd(m.STREAM_HTTPS_ONLY(address=self.name), final=True)
        self._received_anything = True
        if self.subscribed:
            self._since = self._clock()
        if self._parser.execute(data, len(data)) != len(data):
            raise StreamEnd(m.NOT_HTTP(address=self.name, why=self._parser.get_error()))
        if self._stream_id is None and self._parser.is_headers_complete():
            self._head(ended=not data)
        if self._stream_id is not None:
            for record in self._records.feed(self._parser.recv_body()):
                self._event(record)
        if not data or self._parser.is_message_complete():
            raise StreamEnd(m.STREAM_CLOSED(address=self.name))

    def _head(self, ended: bool) -> None:
        code = self._parser.get_status_code()
        headers: dict[str, str] = self._parser.get_headers()
        if code == 200:
            self._stream_id = headers.get("Mesos-Stream-Id", "")
            self._callback.stream_id = self._stream_id
            return
        if code in _REDIRECTS:
            self._redirect(headers.get("Location", ""))
        self._error_body += self._parser.recv_body()
        if not (ended or self._parser.is_message_complete() or len(self._error_body) >= _MOST_OF_AN_ERROR):
            return
        text = " ".join(self._error_body[:_MOST_OF_AN_ERROR].decode("utf-8", "replace").split())
        reason = (m.SUBSCRIBE_REFUSED_BECAUSE(address=self.name, code=code, why=text) if text
                  else m.SUBSCRIBE_REFUSED(address=self.name, code=code))
        if code in _REFUSALS:
            raise StreamEnd(self._callback.explain(code, reason), final=True)
        raise StreamEnd(reason)

    def _redirect(self, location: str) -> None:
        scheme, slashes, rest = location.rpartition("//")
        where = rest.split("/", 1)[0]
        if scheme == "https:":
            raise StreamEnd(m.REDIRECT_HTTPS(address=self.name, location=location), final=True)
        if not slashes or not where:
            raise StreamEnd(m.REDIRECT_NOWHERE(address=self.name, location=location))
        raise StreamEnd(m.NOT_THE_LEADER(address=self.name, leader=where),
                        redirect=where if where.rpartition(":")[2].isdigit() else f"{where}:5050", at_once=True)

    def _event(self, record: bytes) -> None:
        try:
            event = json.loads(record.decode("utf-8"))
            if not isinstance(event, dict):
                raise ValueError(m.EVENT_NOT_OBJECT(kind=type(event).__name__))
        except (ValueError, RecursionError) as e:
            raise StreamEnd(m.EVENT_NOT_JSON(address=self.name, why=e)) from None
        if event.get("type") == "SUBSCRIBED":
            self.subscribed = True
            self._since = self._clock()
        self._callback.process_event(event)

    def _drop_socket(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def close(self) -> None:
        """Close the socket; unlike pymesos's close, calls no callback."""
        self._drop_socket()
        self.connected = False
