"""Calls to a master or an agent: one keep-alive connection, one call at a time, with every outcome distinguished."""
from __future__ import annotations

import json
import select
from base64 import b64encode
from http.client import HTTPConnection, HTTPException
from typing import Any

from mfmesos.mesos.stream import tune
from mfmesos.shared.addresses import split_address


class CallRefused(Exception):
    """The peer answered with an error: the call had no effect."""

    def __init__(self, status: int, content: str) -> None:
        super().__init__(f"HTTP {status}{': ' + content if content else ''}")
        self.status = status


class CallLost(Exception):
    """No answer. `sent` False: the call cannot have reached the peer; True: unknown."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Caller:
    """Not thread-safe: one thread, or a lock around it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._connection: HTTPConnection | None = None
        self._address = ""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, address: str, path: str, body: dict[str, Any] | None, headers: dict[str, str],
             method: str = "POST") -> bytes:
        """The body of a 2xx answer; otherwise CallRefused or CallLost. `headers` is not kept."""
        sent = False
        try:
            connection = self._connected(address)
            fields = dict(headers, Accept="application/json")
            data = None
            if body is not None:
                data = json.dumps(body, separators=(",", ":")).encode("utf-8")
                fields["Content-Type"] = "application/json"
            sent = True
            connection.request(method, path, body=data, headers=fields)
            response = connection.getresponse()
            status, content = response.status, response.read()
        except (OSError, HTTPException, ValueError) as e:
            self.close()
            raise CallLost(f"{address}: {e or type(e).__name__}", sent) from None
        if not 200 <= status < 300:
            raise CallRefused(status, " ".join(content[:2000].decode("utf-8", "replace").split()))
        return content

    def _connected(self, address: str) -> HTTPConnection:
        """A connection that the peer has not visibly closed."""
        if self._connection is not None and (address != self._address or self._stale()):
            self.close()
        if self._connection is None:
            host, port = split_address(address)
            connection = HTTPConnection(host, port, timeout=self._timeout_s)
            connection.connect()
            tune(connection.sock)
            self._connection, self._address = connection, address
        return self._connection

    def _stale(self) -> bool:
        """Whether the idle connection is readable: most likely closed."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is None:
            return True
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        return bool(poller.poll(0))


def basic_credential(principal: str | None, secret: str | None) -> dict[str, str]:
    """The Authorization header, or no header."""
    if principal is None or secret is None:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{principal}:{secret}".encode()).decode("ascii")}
