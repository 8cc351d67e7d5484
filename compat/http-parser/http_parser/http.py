"""`HttpParser` for HTTP responses, over h11; the interface is that of the http-parser distribution.

Works in time linear in the bytes given to it, however they are cut into pieces.
"""
from __future__ import annotations

import h11

HTTP_REQUEST = 0
HTTP_RESPONSE = 1
HTTP_BOTH = 2

_LARGEST_HEAD = 1 << 20
_OK = 0
_INVALID = 1


class Headers(dict):
    """Header fields by name, whatever the case asked for; a repeated field's values are joined by ", "."""

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.title(), value)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.title())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.title())

    def get(self, name: str, default=None):
        return super().get(name.title(), default)


class HttpParser:
    """Parses one HTTP response, given to `execute` in pieces of any size.

    Bytes after the end of the response are taken and ignored.
    """

    def __init__(self, kind: int = HTTP_BOTH, decompress: bool = False) -> None:
        if kind == HTTP_REQUEST:
            raise NotImplementedError("this http-parser parses responses only")
        if decompress:
            raise NotImplementedError("this http-parser does not decompress")
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        # h11 reads a response only to a request; which one matters for HEAD and CONNECT alone.
        self._connection.send(h11.Request(method="GET", target="/", headers=[("Host", "-")]))
        self._connection.send(h11.EndOfMessage())
        self._response: h11.Response | None = None
        self._headers = Headers()
        self._body: list[bytes] = []
        self._complete = False
        self._chunked = False
        self._error = ""

    # --- input ---
    def execute(self, data: bytes, length: int | None = None) -> int:
        """Take `data[:length]`; no bytes mean the end of the connection.

        Returns how many bytes were taken: fewer than given says that it is no HTTP response (see `get_errno`).
        """
        if length is None:
            length = len(data)
        if self._error:
            return 0
        if self._complete:
            return length
        try:
            self._connection.receive_data(bytes(data[:length]))
            while self._take(self._connection.next_event()):
                pass
        except h11.RemoteProtocolError as e:
            self._error = str(e) or "not an HTTP response"
            return 0
        return length

    def _take(self, event) -> bool:
        """Digest one event of h11; whether there may be another."""
        if isinstance(event, h11.Data):
            self._body.append(bytes(event.data))
        elif isinstance(event, h11.Response):
            self._head(event)
        elif isinstance(event, h11.EndOfMessage):
            self._complete = True
            return False
        elif not isinstance(event, h11.InformationalResponse):  # NEED_DATA, PAUSED, ConnectionClosed
            return False
        return True

    def _head(self, response) -> None:
        self._response = response
        for raw_name, raw_value in response.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            self._headers[name] = f"{self._headers[name]}, {value}" if name in self._headers else value
        self._chunked = "chunked" in self._headers.get("Transfer-Encoding", "").lower()

    # --- what is known of it ---
    def get_errno(self) -> int:
        """0, or another number once the bytes were no HTTP response."""
        return _INVALID if self._error else _OK

    def get_error(self) -> str:
        """What was wrong with the bytes, or an empty text."""
        return self._error

    def get_status_code(self) -> int:
        """The status code, 0 before the head is complete."""
        return self._response.status_code if self._response else 0

    def get_version(self) -> tuple[int, int]:
        """The HTTP version of the response, (1, 1) before the head is complete."""
        if not self._response:
            return (1, 1)
        major, minor = self._response.http_version.decode("ascii").split(".")
        return (int(major), int(minor))

    def get_headers(self) -> Headers:
        return self._headers

    def is_headers_complete(self) -> bool:
        return self._response is not None

    def is_message_begin(self) -> bool:
        return self._response is not None

    def is_chunked(self) -> bool:
        return self._chunked

    def is_partial_body(self) -> bool:
        """Whether some of the body has come that `recv_body` did not return yet."""
        return bool(self._body)

    def is_message_complete(self) -> bool:
        return self._complete

    def recv_body(self) -> bytes:
        """What came of the body since the last call."""
        body = b"".join(self._body)
        self._body.clear()
        return body
