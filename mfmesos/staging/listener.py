"""One listening port: an aiohttp application without logs, with an end to connections that say nothing."""
from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from typing import Any, Callable

from aiohttp import web

_SILENT = logging.getLogger("mfmesos.staging.http")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False
KEEPALIVE_S = 120.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Listener:
    """Serves `app`. A connection on which no whole request head came within `idle_s` seconds is closed."""

    def __init__(self, app: web.Application, idle_s: float) -> None:
        self._idle_s = idle_s
        self._silent: set[Any] = set()
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
            self._server = await loop.create_server(self._connection, host, port, ssl=context, backlog=512)
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
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(self._idle_s, self._close_if_silent, handler)
        return handler

    def _close_if_silent(self, handler: Any) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            if handler.transport is not None:
                handler.transport.abort()

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        return await handler(request)
