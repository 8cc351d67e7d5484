"""Peers as a source of large inputs: fetches from them, or from the scheduler as it says, and serves them (see
peer_wire.py).
"""
from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Callable, Iterator
from urllib.parse import urlsplit

from mfmesos.shared import wire
from mfmesos.shared.addresses import route_to
from mfmesos.shared.messages import executor as m
from mfmesos.shared.peer_wire import (
    BROKEN,
    DAMAGED,
    DIGEST_BYTES,
    REPORT_S,
    SMALLEST_BYTES,
    SourceAnswer,
    SourceRequest,
    load_source_answer,
)
from mfmesos.shared.wire import ClaimData, Input
from mfmesos.shared.wire_checks import WireError
from mfmesos_executor.arriving import Arriving, BadBlock
from mfmesos_executor.client import Cancelled, Client, Refused, Unreachable
from mfmesos_executor.fetching import TRIES
from mfmesos_executor.files import unlink
from mfmesos_executor.peer_server import Held, PeerServer
from mfmesos_executor.peer_stream import PeerFailed, PeerStream
from mfmesos_executor.unpack import BadStream

if TYPE_CHECKING:
    from mfmesos_executor.cache import Cache

logger = logging.getLogger(__name__)
SILENT_S = 30.0
"""A peer that sends nothing for this long is given up, unless the scheduler gave it up before."""
SOON_S = 5.0


class Peers:
    """The source of large files, in place of the scheduler. Listens from the first of them on."""

    def __init__(self, client: Client, data: ClaimData, folder: str,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._data = data
        self._folder = folder
        self.client = client
        self.clock = clock
        self._cache: Cache | None = None
        self._server: PeerServer | None = None
        self._listened = False
        self._lock = threading.Lock()
        self._arriving: dict[str, Arriving] = {}
        self.from_peers = 0
        self.from_scheduler = 0

    def serve_from(self, cache: Cache) -> None:
        """Whose inputs peers may have."""
        self._cache = cache

    def close(self) -> None:
        """The claim ends."""
        with self._lock:
            server, self._server, self._listened = self._server, None, True
        if server is not None:
            server.close()
        logger.info("event=large_inputs from_peers=%d from_scheduler=%d to_peers=%d", self.from_peers,
                    self.from_scheduler, server.sent if server is not None else 0)

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        if item.kind != "file" or item.size < SMALLEST_BYTES or item.late or item.url:
            return False
        arriving = Arriving(path, item.size, item.sparse)
        fetching = _Fetch(self, item, arriving, cancelled)
        with self._lock:
            self._arriving[path] = arriving
        try:
            return fetching.run()
        finally:
            arriving.end()
            with self._lock:
                del self._arriving[path]
                self.from_peers += fetching.from_peers
                self.from_scheduler += fetching.from_scheduler

    def serving(self) -> tuple[str, str]:
        """The address where this executor serves, and its certificate's fingerprint; empty if it cannot."""
        with self._lock:
            if not self._listened:
                self._listened = True
                self._server = self._listening()
            return (self._server.address, self._server.fingerprint) if self._server is not None else ("", "")

    def _listening(self) -> PeerServer | None:
        url = urlsplit(self._data.url)
        host = route_to(url.hostname or "", url.port or 0)
        try:
            return PeerServer(host, self._data, self._folder, self._hold) if host and self._cache else None
        except (OSError, ValueError) as e:
            logger.warning("inputs are not served to peers: %s", e)
            return None

    @contextlib.contextmanager
    def _hold(self, digest: str) -> Iterator[Held | None]:
        assert self._cache is not None
        with self._cache.lent(digest) as lent:
            if lent is None:
                yield None
                return
            with self._lock:
                arriving = self._arriving.get(lent.path)
            if arriving is None and not self._cache.is_ready(lent, SOON_S):
                yield None
                return
            with open(lent.path, "rb", buffering=0) as f:
                yield Held(f, lent.size, arriving)


class _Fetch:
    """One input."""

    def __init__(self, peers: Peers, item: Input, arriving: Arriving, cancelled: Callable[[], bool]) -> None:
        self._peers = peers
        self._client = peers.client
        self._item = item
        self._arriving = arriving
        self._cancelled = cancelled
        self._line = peers.client.connection()
        self._digests = bytearray()
        self._source = SourceAnswer()
        self._report_at = 0.0
        self.from_peers = 0
        self.from_scheduler = 0

    def run(self) -> bool:
        """Fetch all of it. False if the scheduler names no sources; raises like Source.fetch. Then nothing is left."""
        try:
            if not self._begin():
                unlink(self._arriving.path)
                return False
            while self._arriving.have < self._item.size:
                if self._source.peer:
                    self._from_peer()
                else:
                    self._from_scheduler()
                self._arriving.rewind()
            self._report()
            return True
        except BaseException:
            unlink(self._arriving.path)
            raise
        finally:
            self._line.close()

    def _begin(self) -> bool:
        try:
            self._ask()
        except Refused as e:
            logger.info("input=%.12s no sources: %s", self._item.digest, e)
            return False
        return True

    # --- what the scheduler says ---
    def _ask(self, failed: str = "") -> None:
        """Raises Unreachable, Refused, Cancelled."""
        self._client.patiently(lambda: self._exchange(failed), self._cancelled)

    def _report(self) -> None:
        """If the scheduler cannot answer now, everything stays as it is."""
        with contextlib.suppress(Unreachable, Refused):
            self._exchange("")

    def _exchange(self, failed: str) -> None:
        address, fingerprint = self._peers.serving()
        self._report_at = self._peers.clock() + REPORT_S
        request = SourceRequest(
            self._arriving.have, len(self._digests) // DIGEST_BYTES, self._source.peer, failed, address, fingerprint,
            self.from_peers, self.from_scheduler)
        try:
            answer = load_source_answer(self._client.source(self._line, self._item.digest, wire.dumps(request)))
            self._digests += answer.digests()
        except WireError as e:
            raise Unreachable(m.ANSWER_INVALID(why=e)) from None
        self._source = answer

    def _digest_of(self, block: int) -> bytes:
        while len(self._digests) < (block + 1) * DIGEST_BYTES:
            before = len(self._digests)
            self._ask()
            if len(self._digests) == before:
                raise BadStream(m.DIGEST_OF_FILE())
        return bytes(self._digests[block * DIGEST_BYTES:(block + 1) * DIGEST_BYTES])

    def _goes_on(self, peer: str) -> bool:
        """Whether more should come from this source. Raises Cancelled."""
        if self._cancelled():
            raise Cancelled
        if self._peers.clock() >= self._report_at:
            self._report()
        return self._source.peer == peer and self._arriving.have < self._item.size

    # --- sources ---
    def _from_peer(self) -> None:
        """As long as it may be this one. Raises like Source.fetch."""
        peer = self._source.peer
        try:
            self._read_from(peer)
        except (PeerFailed, BadBlock) as e:
            kind = e.kind if isinstance(e, PeerFailed) else DAMAGED
            logger.warning("input=%.12s at=%d peer=%s %s: %s", self._item.digest, self._arriving.have, peer, kind, e)
            self._arriving.rewind()
            self._ask(kind)

    def _read_from(self, peer: str) -> None:
        stream = PeerStream(self._source, self._item.digest, self._arriving.have)
        try:
            last = self._peers.clock()
            while self._goes_on(peer):
                piece = stream.read()
                if piece:
                    last = self._peers.clock()
                    self.from_peers += len(piece)
                    self._arriving.add(piece, self._digest_of)
                elif piece is not None or self._peers.clock() - last > SILENT_S:
                    raise PeerFailed(BROKEN, m.CONNECTION_LOST())
        finally:
            stream.close()

    def _from_scheduler(self) -> None:
        for left in reversed(range(TRIES)):
            try:
                self._client.patiently(self._read_from_scheduler, self._cancelled)
                return
            except BadBlock as e:
                if not left:
                    raise BadStream(m.AFTER_TRIES(tries=TRIES, why=e)) from None

    def _read_from_scheduler(self) -> None:
        self._arriving.rewind()
        with self._client.rest_of(self._item.digest, self._arriving.have, self._cancelled) as pieces:
            for piece in pieces:
                self.from_scheduler += len(piece)
                self._arriving.add(piece, self._digest_of)
                if not self._goes_on(""):
                    return
