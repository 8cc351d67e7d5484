"""Transfers files: inputs to executors, outputs from them, without holding either in memory."""
from __future__ import annotations

import asyncio
import json
import os
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, Callable, TypeVar

from mfmesos import aio
from mfmesos.core.model import StagedInput
from mfmesos.shared import wire
from mfmesos.shared.batches import FILE_BYTES
from mfmesos.shared.disk import capacity
from mfmesos.shared.hashing import HEX_BYTES
from mfmesos.shared.messages import staging as m
from mfmesos.shared.messages import streams as refusals
from mfmesos.staging import smallfiles
from mfmesos.staging.deliveries import Attempt, Deliveries
from mfmesos.staging.incoming import LeadsOut, Unpacker
from mfmesos.staging.input_errors import InputChanged
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.places import find_place
from mfmesos.staging.publish_errors import PublishError, not_stored
from mfmesos.staging.refusals import Refused
from mfmesos.staging.tarstream import BadTar
from mfmesos.staging.trees import TreeChanged, tar_stream

AT_ONCE = FILE_BYTES
"""Files up to this size are read into the answer; the kernel sends larger ones."""
PIECE = 1 << 20
FEW = 16
"""With more transfers at once, less of each is held in memory."""
PIECE_OF_MANY = 64 * 1024
MOST_OF_ONE = 16
"""Deliveries of one claim at once."""
SPARE_BYTES = 16 << 20
"""This much of the disk stays free."""
SLOWEST_BYTES_PER_S = 16 * 1024
"""A client that reads a large file, or sends outputs, more slowly than this is disconnected."""
T = TypeVar("T")


class Transfer:
    """Sends and receives. `idle_s`: a client that is silent for this long within a transfer is disconnected."""

    def __init__(
        self, inputs: InputIndex, deliveries: Deliveries, reading: Executor, writing: Executor, *, idle_s: float,
        uploads: int,
    ) -> None:
        """`reading` has the threads for inputs, `writing` those for outputs."""
        self._inputs = inputs
        self._deliveries = deliveries
        self._reading = reading
        self._writing = writing
        self._idle_s = idle_s
        self._uploads = asyncio.Semaphore(uploads)
        self._receiving = self._sending = 0
        self._most_of_one = min(max(1, uploads // 2), MOST_OF_ONE)
        self._by_claim: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self.sent_bytes = 0
        """Of inputs, to all executors; of a large file nothing if its transfer broke."""
        self.copied_bytes = 0
        """Of inputs whose place executors on this machine were given, to copy them."""
        self.received_bytes = 0
        """Of outputs that did not travel in results."""

    def _count(self, count: int) -> None:
        self.sent_bytes += count

    async def _blocking(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, function, *args)

    def _feed(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._writing, function, *args)

    # --- inputs ---------------------------------------------------------------------------------
    async def send(self, request: aio.web.Request, choices: Sequence[StagedInput]) -> aio.web.StreamResponse:
        """Send any of `choices`, all with the same content, that is unchanged. Raises Refused."""
        if "place" in request.query:
            return await self._name_place(choices)
        refused = Refused(404, refusals.NOT_AN_INPUT())
        for staged in choices:
            try:
                quick = self._inputs.quick(staged)
                path = self._inputs.verify(staged) if quick else await self._blocking(self._inputs.verify, staged)
                if staged.kind == "dir":
                    pieces = tar_stream(await self._blocking(self._inputs.rows, staged))
                    return await self._send_pieces(request, pieces)
                if staged.late:
                    return await self._send_pieces(
                        request, self._inputs.late_pieces(staged, self._piece_bytes), staged.size + HEX_BYTES)
                return self._send_file(path, staged)
            except (InputChanged, OSError) as e:
                refused = smallfiles.unavailable(staged, e)
                if refused.status != 409:
                    break
        raise refused

    async def _name_place(self, choices: Sequence[StagedInput]) -> aio.web.Response:
        """Where any of `choices`, all with the same content, lies on this machine, if it is unchanged; an empty answer
        if it must be sent. Raises Refused.
        """
        refused = Refused(404, refusals.NOT_AN_INPUT())
        for staged in choices:
            try:
                place = await self._blocking(find_place, self._inputs, staged)
                self.copied_bytes += place.size if place is not None else 0
                body = json.dumps(vars(place)).encode() if place is not None else b""
                return aio.web.Response(body=body, content_type="application/json")
            except (InputChanged, OSError) as e:
                refused = smallfiles.unavailable(staged, e)
        raise refused

    async def send_many(
        self, request: aio.web.Request, wanted: Sequence[Sequence[StagedInput]],
    ) -> aio.web.StreamResponse:
        """Send small files; for each, `wanted` lists the inputs with its content."""
        return await self._send_pieces(request, smallfiles.answer(self._inputs, wanted))

    def add_contents(self, choices: Callable[[str], Sequence[StagedInput]], runs: Sequence[wire.Run]) -> None:
        """See smallfiles.add_contents."""
        self._count(smallfiles.add_contents(self._inputs, choices, runs))

    def _send_file(self, path: str, staged: StagedInput) -> aio.web.StreamResponse:
        if staged.size <= AT_ONCE:
            data = smallfiles.read(path, staged)
            self._count(len(data))
            return aio.web.Response(body=data, content_type="application/octet-stream")
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        from mfmesos.staging.open_file import OpenFile  # it imports aiohttp

        return OpenFile(fd, self._idle_s + staged.size / SLOWEST_BYTES_PER_S, self._count, PIECE)

    def _piece_bytes(self) -> int:
        """With many transfers at once, all that is in memory of them together is bounded."""
        return PIECE if self._sending <= FEW else PIECE_OF_MANY

    async def _send_pieces(
        self, request: aio.web.Request, pieces: Iterator[bytes], length: int | None = None,
    ) -> aio.web.StreamResponse:
        """The next piece is made while one is sent."""
        response = aio.web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = length
        if length is None:
            response.enable_chunked_encoding()
        await response.prepare(request)
        self._sending += 1
        sent = 0
        try:
            coming = self._next(pieces)
            while piece := await coming:
                sent += len(piece)
                coming = self._next(pieces)
                await asyncio.wait_for(response.write(piece), self._idle_s)
                self._count(len(piece))
            whole = length is None or sent == length
        except (TreeChanged, OSError, asyncio.TimeoutError):
            whole = False
        finally:
            self._sending -= 1
        if whole:
            await response.write_eof()
        elif request.transport is not None:
            # Too late for a status: without its end the client refuses the stream, and asks again.
            request.transport.abort()
        return response

    def _next(self, pieces: Iterator[bytes]) -> asyncio.Future[bytes]:
        made = asyncio.get_running_loop().run_in_executor(self._reading, next, pieces, b"")
        made.add_done_callback(_look_at)
        return made

    # --- outputs --------------------------------------------------------------------------------
    async def receive(
        self, request: aio.web.Request, attempt: Attempt, partial: bool = False, hashing: bool = False,
    ) -> dict[str, str]:
        """A tar stream with every output of the attempt, kept after all of it arrived; with `partial`, with the outputs
        of a failed attempt. With `hashing` returns the digests of the outputs. Raises Refused.
        """
        self._check_room(attempt, request.content_length)
        # No claim, and no thief of its token, can keep others from delivering.
        own = self._by_claim.get(attempt.claim) or asyncio.Semaphore(self._most_of_one)
        self._by_claim[attempt.claim] = own
        async with own, self._uploads:
            unpacker = None
            self._receiving += 1
            try:
                unpacker = self._deliveries.unpacker(attempt, partial, hashing)
                await self._pump(request, attempt, unpacker)
                received = await self._feed(unpacker.finish)
                digests = await self._feed(received.digests) if hashing else {}
            except BaseException as e:
                if unpacker is not None:
                    # Running already when this is a cancellation, and the wait is cut short.
                    await asyncio.shield(self._feed(unpacker.abort))
                raise self._explained(attempt, e) from None
            finally:
                self._receiving -= 1
            if not self._deliveries.commit(attempt, received, alone=not partial):
                raise Refused(404, refusals.PERMIT_WITHDRAWN())
            return digests

    def _explained(self, attempt: Attempt, e: BaseException) -> BaseException:
        if isinstance(e, LeadsOut):
            attempt.problem = PublishError(str(e), local=True)
        if isinstance(e, BadTar):
            return Refused(400, str(e))
        if isinstance(e, asyncio.TimeoutError):
            return Refused(408, refusals.OUTPUTS_TOO_SLOW())
        if isinstance(e, OSError) and not isinstance(e, ConnectionError):
            problem = not_stored(e, self._deliveries.folder)
            attempt.problem = problem if problem.local else None
            return Refused(413 if problem.local else 400, problem.reason)
        return e

    async def _pump(self, request: aio.web.Request, attempt: Attempt, unpacker: Unpacker) -> None:
        """The next piece arrives while one is written."""
        buffer, received, waited = bytearray(), 0, 0.0
        feeding: asyncio.Future[None] | None = None
        clock = asyncio.get_running_loop().time
        data = b"?"
        while data:
            began = clock()
            data = await _read(request, min(self._idle_s, self._idle_s + received / SLOWEST_BYTES_PER_S - waited))
            waited += clock() - began
            received += len(data)
            self.received_bytes += len(data)
            buffer += data
            # With many deliveries at once, all their pieces together are bounded.
            if len(buffer) >= (PIECE if self._receiving <= FEW else 1) or (not data and buffer):
                if self._deliveries.get(attempt.claim, attempt.id) is not attempt:
                    raise Refused(404, refusals.PERMIT_WITHDRAWN())
                self._check_room(attempt, len(buffer))
                if feeding is not None:
                    await feeding
                feeding = self._feed(unpacker.feed, buffer)
                feeding.add_done_callback(_look_at)
                buffer = bytearray()
        if feeding is not None:
            await feeding

    def _check_room(self, attempt: Attempt, coming: int | None) -> None:
        room = os.statvfs(self._deliveries.folder)
        free = room.f_bavail * room.f_frsize - SPARE_BYTES
        needed = coming or 0
        if needed <= free:
            return
        most = capacity(str(self._deliveries.folder)) - SPARE_BYTES
        if needed > most:
            reason = m.OUTPUTS_LARGER_THAN_DISK(needed=needed >> 20, most=max(most, 0) >> 20)
        else:
            reason = m.OUTPUTS_WITHOUT_SPACE(needed=needed >> 20, free=max(free, 0) >> 20)
        attempt.problem = PublishError(reason, local=True, full=needed <= most)
        raise Refused(413, reason)


async def _read(request: aio.web.Request, patience_s: float) -> bytes:
    """What has arrived; raises TimeoutError if nothing does. Without a task for each piece, unlike wait_for."""
    timer = asyncio.get_running_loop().call_later(
        patience_s, request.content.set_exception, asyncio.TimeoutError())
    try:
        return await request.content.readany()
    finally:
        timer.cancel()


def _look_at(done: asyncio.Future[Any]) -> None:
    """Its exception is raised where it is awaited, unless the transfer has failed before."""
    if not done.cancelled():
        done.exception()
