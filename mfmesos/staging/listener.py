"""One listening port: an aiohttp application without logs, which closes silent connections."""
from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from mfmesos import aio
from mfmesos.shared import descriptors
from mfmesos.shared.messages import staging as m

_SILENT = logging.getLogger("mfmesos.staging.http")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False
KEEPALIVE_S = 120.0
MOST_SILENT = 512
"""Connections without a request so far; beyond this number the oldest is closed."""
PART_SILENT = 4
"""The part of the descriptors that they may use: the rest is for executors, files and the journal."""
BACKLOG = 512
ACCEPTED_AT_ONCE = 16
"""Connections wait in the kernel's queue, without using a descriptor, while the oldest silent ones are closed."""
PAUSE_S = 0.1
TLS_READ_BYTES = 64 << 10
"""Each TLS connection has a buffer of this size from Python 3.11 on; asyncio's own 256 KiB are most of what a thousand
executors take of the scheduler's memory (docs/performance.md, Many executors)."""
setattr(sslproto.SSLProtocol, "max_size", TLS_READ_BYTES)  # noqa: B010 - typeshed does not know it
NO_MORE = (*descriptors.SHORT, errno.ENOBUFS, errno.ENOMEM)

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

    Handler = Callable[[aio.web.Request], Awaitable[aio.web.StreamResponse]]


@dataclass
class _Stranger:
    """A connection on which no request head has arrived yet."""

    connecting: asyncio.Task[None]
    """The handshake, with TLS."""
    timer: asyncio.TimerHandle


class Listener:
    """A connection on which no complete request head arrived within `idle_s` seconds is closed. Connections wait for
    `serve`; `wanted` is called for the first of them.
    """

    def __init__(self, idle_s: float, wanted: Callable[[], None]) -> None:
        self._idle_s = idle_s
        self._wanted = wanted
        self._silent: dict[Any, _Stranger] = {}
        """By aiohttp's handler, the oldest first."""
        self._most_silent = max(1, min(MOST_SILENT, descriptors.limit() // PART_SILENT))
        self._runner: aio.web.AppRunner | None = None
        self._sockets: list[socket.socket] = []
        self._context: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Returns the port. Raises OSError that names the address."""
        self._loop, self._context = asyncio.get_running_loop(), context
        try:
            found = await self._loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self._sockets = listening([(family, address) for family, _, _, _, address in found])
        except OSError as e:
            raise OSError(e.errno, m.CANNOT_LISTEN(host=host, port=port, why=e.strerror)) from None
        for one in self._sockets:
            self._loop.add_reader(one.fileno(), self._first)
        return int(self._sockets[0].getsockname()[1])

    def _first(self) -> None:
        for one in self._sockets:
            self._loop.remove_reader(one.fileno())
        self._wanted()

    async def serve(self, app: aio.web.Application) -> None:
        """Accept connections, and let `app` answer."""
        app.middlewares.append(aio.web.middleware(self._noting()))
        # No client ever sends compressed data, and little compressed data may be much data.
        # aiohttp's own log of malformed requests would quote headers, which hold tokens.
        self._runner = aio.web.AppRunner(
            app, access_log=None, logger=_SILENT, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=1.0,
            handler_cancellation=True, auto_decompress=False, max_line_size=8190, max_field_size=8190)
        await self._runner.setup()
        for one in self._sockets:
            self._loop.add_reader(one.fileno(), self._accept, one)

    async def stop(self) -> None:
        for one in self._sockets:
            self._loop.remove_reader(one.fileno())
            one.close()
        self._sockets.clear()
        for handler in list(self._silent):
            self._close(handler)
        if self._runner is not None:
            await self._runner.cleanup()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as e:
                if e.errno not in NO_MORE:
                    raise
                self._pause(listener)
                return
            connection.setblocking(False)
            self._connected(connection)

    def _pause(self, listener: socket.socket) -> None:
        """No descriptor is free: close silent connections; new ones wait in the kernel's queue."""
        for handler in list(self._silent)[:len(self._silent) // 2 + 1]:
            self._close(handler)
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(PAUSE_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._sockets:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _connected(self, connection: socket.socket) -> None:
        server = self._runner.server if self._runner is not None else None
        if server is None:
            connection.close()
            return
        handler = server()
        self._silent[handler] = _Stranger(
            self._loop.create_task(self._connect(handler, connection)),
            self._loop.call_later(self._idle_s, self._close, handler))
        if len(self._silent) > self._most_silent:
            self._close(next(iter(self._silent)))

    async def _connect(self, handler: Any, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: handler, connection, ssl=self._context,
                ssl_handshake_timeout=self._idle_s if self._context else None)
        except (OSError, asyncio.TimeoutError):
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    def _close(self, handler: Any) -> None:
        stranger = self._silent.pop(handler, None)
        if stranger is None:
            return
        stranger.timer.cancel()
        if handler.transport is not None:
            handler.transport.abort()
        else:
            stranger.connecting.cancel()

    def _limit_patience(self, request: aio.web.Request) -> None:
        """The kernel closes a connection whose client does not read its answer."""
        found = request.transport.get_extra_info("socket") if request.transport is not None else None
        if found is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._idle_s * 1000))

    def _noting(self) -> Middleware:
        async def note(request: aio.web.Request, handler: Handler) -> aio.web.StreamResponse:
            stranger = self._silent.pop(request.protocol, None)
            if stranger is not None:
                stranger.timer.cancel()
                self._limit_patience(request)
            try:
                return await handler(request)
            except aio.web.HTTPException as e:
                # No such route: an unknown client.
                e.force_close()
                raise
        return note


def listening(addresses: list[tuple[int, Any]]) -> list[socket.socket]:
    """A socket for each address, all on the port of the first. Raises OSError for the first; others may be missing.

    The unspecified IPv6 address accepts IPv4 as well, if the machine has both.
    """
    made: list[socket.socket] = []
    for family, address in dict.fromkeys(addresses):
        if made:
            address = (address[0], made[0].getsockname()[1], *address[2:])
        one = socket.socket(family, socket.SOCK_STREAM)
        try:
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind(address)
            one.listen(BACKLOG)
        except OSError:
            one.close()
            if not made:
                raise
        else:
            made.append(one)
    return made
