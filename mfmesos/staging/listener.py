"""One listening port: an aiohttp application without logs, with an end to connections that say nothing."""
from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable
from typing import Any, Callable

from mfmesos.aio import web

_SILENT = logging.getLogger("mfmesos.staging.http")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False
KEEPALIVE_S = 120.0
MOST_SILENT = 512
"""Connections on which nothing was asked yet; of more than that the oldest is closed."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Listener:
    """Serves `app`. A connection on which no whole request head came within `idle_s` seconds is closed."""

    def __init__(self, app: web.Application, idle_s: float) -> None:
        self._idle_s = idle_s
        self._silent: dict[Any, asyncio.TimerHandle] = {}
        """With what will close them, the oldest first."""
        app.middlewares.append(self._note)
        # Nothing is ever sent to us compressed, and a little of that may be a lot when it is unpacked.
        # aiohttp's own log of malformed requests would quote headers, and they hold tokens.
        self._runner = web.AppRunner(
            app, access_log=None, logger=_SILENT, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=1.0,
            handler_cancellation=True, auto_decompress=False, max_line_size=8190, max_field_size=8190)
        self._server: asyncio.AbstractServer | None = None

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Returns the port. Raises OSError naming the address."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connection, host, port, ssl=context, backlog=512,
                                                    ssl_handshake_timeout=self._idle_s if context else None)
        except OSError as e:
            await self._runner.cleanup()
            raise OSError(e.errno, f"cannot listen on {host} port {port}: {e.strerror}") from None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:
            raise ConnectionAbortedError("stopped")
        handler = server()
        self._watch(handler, 2)
        if len(self._silent) > MOST_SILENT:
            self._close(next(iter(self._silent)))
        return handler

    def _watch(self, handler: Any, turns: int) -> None:
        self._silent[handler] = asyncio.get_running_loop().call_later(
            self._idle_s, self._close_silent, handler, turns - 1)

    def _close_silent(self, handler: Any, turns: int) -> None:
        if turns and handler.transport is None:
            # It is still shaking hands (TLS), or has gone.
            self._watch(handler, turns)
        else:
            self._close(handler)

    def _close(self, handler: Any) -> None:
        self._silent.pop(handler).cancel()
        if handler.transport is not None:
            handler.transport.abort()

    def _limit_patience(self, request: web.Request) -> None:
        """The kernel ends a connection whose other side does not take what it asked for."""
        found = request.transport.get_extra_info("socket") if request.transport is not None else None
        if found is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._idle_s * 1000))

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
            self._limit_patience(request)
        try:
            return await handler(request)
        except web.HTTPException as e:
            # No route of ours: nobody we know.
            e.force_close()
            raise
