"""The staging server, to which executors connect. Lives in the scheduler's asyncio loop; see mfmesos.shared.wire."""
from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from mfmesos import aio
from mfmesos.core.model import StagedInput
from mfmesos.shared import batches, wire
from mfmesos.shared.addresses import advertised, default_host, is_loopback, join_host_port, split_host_port
from mfmesos.shared.messages import streams as m
from mfmesos.shared.wire_checks import WireError
from mfmesos.staging.deliveries import Attempt, Deliveries
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.listener import Listener
from mfmesos.staging.peer_sources import PeerSources
from mfmesos.staging.permits import ClaimAccess, ClaimTable, derived_token
from mfmesos.staging.received import Received
from mfmesos.staging.refusals import Refused
from mfmesos.staging.sandbox_store import SandboxStore
from mfmesos.staging.served_archive import ServedArchive
from mfmesos.staging.temporary_store import TemporaryStore
from mfmesos.staging.transfer import Transfer

__all__ = ["StagingServer", "default_host"]
log = logging.getLogger("mfmesos.staging")

INLINE_TOGETHER = 256 * 1024
"""Outputs in one sync of up to this total size are unpacked at once; larger ones in a thread."""
MOST_SYNCS = 2
"""Maximum number of a claim's syncs that may be arriving at the same time."""
OnSync = Callable[[str, wire.SyncRequest], Awaitable[wire.SyncAnswer]]


class StagingServer:
    """`on_sync` answers a sync, at once or later. All methods belong to the loop's thread.

    `hold_s`: an answer is sent after this time in any case (a safety net: the scheduler answers earlier by itself).
    `tls`: True, False, or None for TLS exactly if `start` binds an address other than loopback. `own_files`: names in
    the workflow's folder that no task may write. `peer_transfers`: executors may fetch inputs from each other.
    `keep_failed_mb`: of a failed attempt's sandbox. `on_temporary` gets the digest of each copy of a temporary output
    that has arrived, `on_crash` an error after which no executor is answered.
    """

    def __init__(
        self, workdir: Path, on_sync: OnSync, *, inputs: InputIndex | None = None, hold_s: float = 40.0,
        max_sync_bytes: int = 32 << 20, idle_s: float = 60.0, uploads: int = 128, threads: int = 4,
        tls: bool | None = False, secret: bytes | None = None, own_files: Sequence[str] = (),
        peer_transfers: bool = False, on_temporary: Callable[[str], None] = lambda digest: None,
        on_crash: Callable[[BaseException], None] = lambda error: None, keep_failed_mb: float = 0.0,
    ) -> None:
        self._workdir = Path(workdir)
        self._on_sync = on_sync
        self._on_crash = on_crash
        self._hold_s, self._idle_s = hold_s, idle_s
        self._max_sync_bytes = max_sync_bytes
        self._tls = tls
        secret = secret or secrets.token_bytes(32)
        self._claims = ClaimTable(secret)
        # Hashing a large input may take minutes: results do not wait for it.
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="inputs")
        self._writing = ThreadPoolExecutor(threads, thread_name_prefix="outputs")
        self._inputs = inputs or InputIndex(self._workdir)
        self._deliveries = Deliveries(self._workdir, own_files, self._inputs)
        self.temporaries = TemporaryStore(self._workdir, on_temporary)
        self._sandboxes = SandboxStore(self._workdir, keep_failed_mb)
        self._uploads = uploads
        self._transfer: Transfer
        self._peer_transfers = peer_transfers
        if peer_transfers:
            self._inputs.late = False  # peers compare what they send each other with the digest
        self._peers: PeerSources | None = None
        self._listeners: list[Listener] = []
        self._serving: asyncio.Task[None] | None = None
        self.archive = ServedArchive(derived_token(secret, "archive"), self._inputs, self._reading)
        self._stopping: asyncio.Future[None]
        self.fingerprint: str | None = None
        """sha256 of the certificate in DER form, hex; None without TLS."""
        self.starting = False
        """Executors get 503 and must retry: their permits from an earlier scheduler are not known yet."""
        self.certificate = b""
        """Key and certificate (PEM), with TLS."""
        self.port = 0
        self.url = ""
        """URL for executors, without a trailing slash; known after `start`, and so are these."""

    # --- life -----------------------------------------------------------------------------------
    async def start(
        self, host: str = "127.0.0.1", port: int = 0, advertise: str = "", *, resume: bool = False,
        certificate: bytes = b"",
    ) -> str:
        """Listen on `port` (0: the kernel chooses; with TLS the archive is on the next port); returns `url`.

        `advertise` is the HOST or HOST:PORT that executors connect to, if different from the bound address. `resume`:
        complete deliveries to an earlier scheduler, and its `certificate`, are still valid. Raises OSError that names
        the unavailable address, ValueError for an invalid `advertise`.
        """
        for folder in (self._deliveries, self.temporaries, self._sandboxes):
            folder.start(resume)
        # On Python 3.9 these belong to the loop that runs when they are made.
        self._stopping = asyncio.get_running_loop().create_future()
        self._transfer = Transfer(
            self._inputs, self._deliveries, self._reading, self._writing, idle_s=self._idle_s, uploads=self._uploads)
        tls = self._tls if self._tls is not None else not is_loopback(host)
        shown = advertise or advertised(host)
        name, _ = split_host_port(shown, 0)
        context = None
        if tls:
            from mfmesos.staging.tls import make_tls  # a slow import: docs/performance.md, Start-up

            made = make_tls((name,), self._deliveries.folder, certificate)
            context, self.fingerprint, self.certificate = made.context, made.fingerprint, made.pem
        if self._peer_transfers:
            self._peers = PeerSources(
                self._inputs, self._reading, self._claims.peer_secret, tls=bool(tls), idle_s=self._idle_s)
        self.port = bound = await self._listen(host, port, context)
        self.url = ("https://" if tls else "http://") + join_host_port(*split_host_port(shown, bound))
        self.archive.base = self.url
        if tls:
            # Its clients do not know the certificate; the archive is public and is checked by its digest.
            archive_port = await self._listen(host, port and port + 1, None)
            self.archive.base = "http://" + join_host_port(name, archive_port)
        return self.url

    async def _listen(self, host: str, port: int, context: Any) -> int:
        listener = Listener(self._idle_s, self.serve)
        self._listeners.append(listener)
        return await listener.start(host, port, context)

    def serve(self) -> None:
        """Answer executors, as soon as aiohttp is imported; the first connection has the same effect."""
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve())
            self._serving.add_done_callback(self._served)

    async def _serve(self) -> None:
        # On a thread that no caller can hold: asyncio's own may all wait for an answer.
        await asyncio.get_running_loop().run_in_executor(self._reading, aio.load)
        from mfmesos.staging.routes import applications  # it imports aiohttp

        handlers = {
            "POST sync": self._sync, "GET files/{digest}": self._get_file, "POST files": self._get_files,
            "PUT temporary/{digest}": self._put_temporary, "PUT attempts/{attempt}/outputs": self._put_outputs,
            "GET attempts/{attempt}/outputs": self._folder, "PUT attempts/{attempt}/sandbox": self._put_sandbox}
        if self._peers is not None:
            handlers["POST sources/{digest}"] = self._name_source
        made = applications(handlers, self._claims, lambda: self.starting, self.archive.answer,
                            self._max_sync_bytes, len(self._listeners))
        for listener, app in zip(self._listeners, made):
            await listener.serve(app)

    def _served(self, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._on_crash(error)

    async def stop(self, keep: bool = False) -> None:
        """Close every connection and remove unpublished deliveries, or `keep` them for the next scheduler."""
        if self._listeners and not self._stopping.done():
            peers = "" if self._peers is None else f" peers_sent_bytes={self._peers.tracker.from_peers}"
            log.info("event=staging_ended inputs_sent_bytes=%d%s inputs_copied_bytes=%d outputs_received_bytes=%d",
                     self._transfer.sent_bytes, peers, self._transfer.copied_bytes, self._transfer.received_bytes)
            self._stopping.set_result(None)
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait((self._serving,))
        for listener in self._listeners:
            await listener.stop()
        self._listeners.clear()
        self._reading.shutdown(wait=False)
        self._writing.shutdown(wait=False)
        if not keep:
            self._deliveries.stop()
            self.temporaries.stop()

    # --- for the scheduler ----------------------------------------------------------------------
    def sent(self) -> tuple[int, int | None]:
        """Bytes of inputs from this server, and from executors to each other (None without peer transfers)."""
        return self._transfer.sent_bytes, None if self._peers is None else self._peers.tracker.from_peers

    def open_up(self) -> None:
        """All permits of an earlier scheduler are given again: accept executors, and remove deliveries of other
        attempts.
        """
        self.starting = False
        self._deliveries.forget_kept()

    def open_claim(self, claim_id: str) -> str:
        """Returns the claim's token."""
        return self._claims.open(claim_id)

    def close_claim(self, claim_id: str) -> None:
        """Its token becomes invalid; complete deliveries may still be published."""
        self._claims.close(claim_id)
        self._deliveries.close_claim(claim_id)
        self.temporaries.close_claim(claim_id)
        self.archive.forget(claim_id)
        if self._peers is not None:
            self._peers.tracker.forget(claim_id)

    def peer_keys(self, claim_id: str) -> tuple[str, str]:
        """What the claim's executor needs to serve others: its secret, and with TLS key and certificate (PEM). Empty
        without peer transfers.
        """
        if not self._peer_transfers:
            return "", ""
        pem = ""
        if self.fingerprint is not None:
            from mfmesos.staging.tls import peer_pem

            pem = peer_pem()
        return self._claims.peer_secret(claim_id), pem

    def permit(self, claim_id: str, attempt_id: str, inputs: Sequence[StagedInput], outputs: Sequence[str]) -> None:
        """The claim may fetch these inputs and deliver these outputs from now on, except inputs on web servers and what
        lies in shared folders. Raises names.NameRefused.
        """
        self.withdraw_permit(claim_id, attempt_id)
        inputs = [item for item in inputs if not (item.url or item.in_place)]
        outputs = [name for name in outputs if not self._inputs.in_place.output_stays(name)]
        self._deliveries.permit(claim_id, attempt_id, inputs, outputs)
        claim = self._claims.get(claim_id)
        if claim is not None:
            claim.permit(inputs)

    def withdraw_permit(self, claim_id: str, attempt_id: str) -> None:
        """Withdraw the permit; unpublished deliveries are removed."""
        if self._deliveries.get(claim_id, attempt_id) is not None:
            self._withdraw_inputs(attempt_id)
            self._deliveries.withdraw_permit(attempt_id)

    def publish_outputs(self, attempt_id: str) -> None:
        """Move the attempt's delivery to its final names, all of it or nothing. Raises PublishError.

        Blocking: renames, but copies if an output's folder is on another file system; see `publish`.
        """
        self._withdraw_inputs(attempt_id)
        self._deliveries.publish(self._deliveries.take(attempt_id))

    def publishes_quickly(self, attempt_id: str) -> bool:
        """Whether `publish_outputs` only renames; otherwise call `publish`."""
        return self._deliveries.publishes_quickly(attempt_id)

    async def publish(self, attempt_id: str) -> None:
        """`publish_outputs` in a thread: for outputs that may have to be copied, or that replace a large folder."""
        self._withdraw_inputs(attempt_id)
        received = self._deliveries.take(attempt_id)
        await self._write(self._deliveries.publish, received)

    def members(self, attempt_id: str) -> Mapping[str, tuple[str, ...]]:
        """Output folder -> what the attempt, whose task is about to be reported, made in it."""
        return self._deliveries.members(attempt_id)

    def settle(self, attempt_id: str) -> None:
        """The task was reported: its delivery will not be needed again, not even by the next scheduler."""
        self._deliveries.settle(attempt_id)

    def _withdraw_inputs(self, attempt_id: str) -> None:
        attempt = self._deliveries.find(attempt_id)
        claim = self._claims.get(attempt.claim) if attempt is not None else None
        if attempt is not None and claim is not None:
            claim.withdraw_permit(attempt.inputs)

    # --- requests of executors ------------------------------------------------------------------
    async def _sync(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        try:
            raw = await self._read_sync(request, claim)
            message = wire.load_sync_request(raw)
        except (WireError, RecursionError) as e:
            raise Refused(400, str(e)) from None
        del raw
        await self._take_results(claim, message.results)
        answer = await self._held(claim, message)
        claim.number = max(claim.number, answer.number, message.got)
        self._transfer.add_contents(claim.files, answer.run)
        return aio.web.Response(body=wire.dumps(answer), content_type="application/json")

    async def _read_sync(self, request: aio.web.Request, claim: ClaimAccess) -> bytes:
        """An executor has one sync at a time, and possibly one more on a connection that broke unnoticed: beyond that
        the oldest is dropped, so that endless bodies cannot fill the memory.
        """
        if request.content.is_eof():
            return await request.read()  # it has arrived, as nearly always: this waits for nothing
        reading = asyncio.ensure_future(request.read())
        claim.reading.append(reading)
        if len(claim.reading) > MOST_SYNCS:
            claim.reading.pop(0).cancel()
        try:
            await asyncio.wait((reading,), timeout=self._idle_s)
            if reading.cancelled():
                raise Refused(429, m.SYNC_OUTDATED())
            if not reading.done():
                raise Refused(408, m.REQUEST_TOO_SLOW())
            return reading.result()
        finally:
            reading.cancel()
            if reading in claim.reading:
                claim.reading.remove(reading)

    async def _take_results(self, claim: ClaimAccess, results: Sequence[wire.Result]) -> None:
        small = sum(len(r.tar) for r in results if r.tar) <= INLINE_TOGETHER and not any(r.placed for r in results)
        if small and not any(r.outcome == wire.FAILED for r in results):
            for result in results:
                attempt = self._deliveries.get(claim.id, result.attempt)
                self._commit(attempt, self._deliveries.unpack_result(attempt, result))
        else:
            await asyncio.shield(self._take_slowly(claim, results, small))

    async def _take_slowly(self, claim: ClaimAccess, results: Sequence[wire.Result], small: bool) -> None:
        """With threads for what takes long: outputs that are large or lie in place, and those of failed attempts."""
        for result in results:
            attempt = self._deliveries.get(claim.id, result.attempt)
            if small:
                received = self._deliveries.unpack_result(attempt, result)
            else:
                received = await self._write(self._deliveries.unpack_result, attempt, result)
            self._commit(attempt, received, result.placed)
            if attempt is not None and result.outcome == wire.FAILED and attempt.received is not None:
                await self._write(self._deliveries.publish_partial, attempt)

    def _commit(self, attempt: Attempt | None, received: Received | None, placed: bool = False) -> None:
        if attempt is not None and received is not None:
            self._deliveries.commit(attempt, received, alone=placed)

    async def _held(self, claim: ClaimAccess, message: wire.SyncRequest) -> wire.SyncAnswer:
        answering = asyncio.ensure_future(self._on_sync(claim.id, message))
        try:
            await asyncio.wait(
                (answering, self._stopping), timeout=self._hold_s, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            if self._stopping.done():
                raise Refused(503, m.SCHEDULER_ENDING())
            return wire.SyncAnswer(number=claim.number)
        finally:
            answering.cancel()

    async def _get_file(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        return await self._transfer.send(request, claim.files(request.match_info["digest"]))

    async def _get_files(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        if request.content_length is None or request.content_length > batches.REQUEST_BYTES:
            raise Refused(413, m.REQUEST_TOO_LARGE())
        try:
            raw = await asyncio.wait_for(request.read(), self._idle_s)
            digests = batches.asked(raw)
        except asyncio.TimeoutError:
            raise Refused(408, m.REQUEST_TOO_SLOW()) from None
        except batches.BadBatch as e:
            raise Refused(400, str(e)) from None
        return await self._transfer.send_many(request, [claim.files(digest) for digest in digests])

    async def _name_source(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        assert self._peers is not None
        return await self._peers.answer(request, claim.id, claim.files(request.match_info["digest"]))

    def _attempt(self, request: aio.web.Request, claim: ClaimAccess) -> Attempt:
        attempt = self._deliveries.get(claim.id, request.match_info["attempt"])
        if attempt is None:
            raise Refused(404, m.NO_SUCH_ATTEMPT())
        return attempt

    async def _folder(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        folder = self._deliveries.folder_for(self._attempt(request, claim))
        return aio.web.Response(body=wire.dumps(folder) if folder is not None else b"", content_type="application/json")

    async def _put_outputs(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        attempt = self._attempt(request, claim)
        digests = await self._transfer.receive(
            request, attempt, partial="partial" in request.query, hashing="digests" in request.query)
        return aio.web.json_response(digests) if "digests" in request.query else aio.web.Response(status=204)

    async def _put_temporary(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        await self.temporaries.receive(request, claim.id, request.match_info["digest"], self._write, self._idle_s)
        return aio.web.Response(status=204)

    async def _put_sandbox(self, request: aio.web.Request, claim: ClaimAccess) -> aio.web.StreamResponse:
        await self._sandboxes.receive(request, self._attempt(request, claim).id, self._write, self._idle_s)
        return aio.web.Response(status=204)

    async def _write(self, *work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writing, *work)
