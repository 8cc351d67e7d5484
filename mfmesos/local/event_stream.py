"""One event stream of the Mesos v1 API: RecordIO in a chunked HTTP answer, with heartbeats."""
from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Callable

from mfmesos.allocation.amounts import Json

if TYPE_CHECKING:
    from mfmesos.aio import web

_END: Json = {}


class EventStream:
    """send() queues events without waiting; serve() writes them to the client until either side ends the stream."""

    def __init__(self, heartbeat_s: float) -> None:
        self.id = str(uuid.uuid4())
        self.heartbeat_s = heartbeat_s
        self.open = True
        self._queue: asyncio.Queue[Json] = asyncio.Queue()

    def send(self, type: str, **fields: object) -> bool:
        """Queue an event; False if the stream has ended."""
        if self.open:
            self._queue.put_nowait({"type": type, **fields})
        return self.open

    def close(self) -> None:
        """End the stream after the queued events are written."""
        if self.open:
            self.open = False
            self._queue.put_nowait(_END)

    async def serve(
            self, request: web.Request, closed: Callable[[EventStream], None],
            headers: dict[str, str]) -> web.StreamResponse:
        """Answer the request with the events; call `closed` when the client ends the stream or the connection
        breaks.
        """
        from mfmesos.aio import web

        response = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
        response.enable_chunked_encoding()
        beat = asyncio.ensure_future(self._beat())
        try:
            await response.prepare(request)
            while (event := await self._queue.get()) is not _END:
                frames = [_frame(event)]
                while not self._queue.empty() and (event := self._queue.get_nowait()) is not _END:
                    frames.append(_frame(event))
                await response.write(b"".join(frames))
                if event is _END:
                    break
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            beat.cancel()
            ended_here = not self.open
            self.open = False
            if not ended_here:
                closed(self)
        response.force_close()
        return response

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_s)
            self.send("HEARTBEAT")


def _frame(event: Json) -> bytes:
    body = json.dumps(event, separators=(",", ":")).encode()
    return b"%d\n%s" % (len(body), body)
