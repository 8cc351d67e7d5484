"""An answer of the staging server with a large file."""
from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Callable

from mfmesos.aio import web
from mfmesos.shared.messages import streams as refusals

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


class OpenFile(web.FileResponse):
    """Sends the file behind a descriptor, even if another file has its name by now, and closes the descriptor."""

    def __init__(self, fd: int, patience_s: float, sent: Callable[[int], None], piece: int) -> None:
        super().__init__(f"/proc/self/fd/{fd}", chunk_size=piece)
        self._fd = fd
        self._sent = sent
        self._patience_s = patience_s
        self.content_type = "application/octet-stream"

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            writer = await asyncio.wait_for(super().prepare(request), self._patience_s)
            self._sent(self.content_length or 0)
            return writer
        except asyncio.TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError(refusals.CLIENT_TOO_SLOW()) from None
        finally:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        # The client disconnected before the answer began.
        self._close()
