"""Temporary outputs: they stay in the claim's cache, pinned by the attempt that made them, until the scheduler drops
them; it gets a copy on request.
"""
from __future__ import annotations

import hashlib
import logging
import os
import queue
import stat
import threading
import time
from typing import Any, Callable, Container, Iterable

from mfmesos.shared.holes import sparse
from mfmesos.shared.kept_files import Kept, attempt_of, pin
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import Input, Run
from mfmesos_executor.cache import Cache
from mfmesos_executor.client import Cancelled, Client, Refused, Unreachable
from mfmesos_executor.outputs import BadOutput
from mfmesos_executor.sandbox import Sandbox

logger = logging.getLogger(__name__)
CHUNK = 1 << 20
AGAIN_S = 5.0
"""A copy that the scheduler has no room for, or that did not get through, is offered again after this time."""
UNWANTED, DAMAGED = 404, 400
"""The scheduler does not need the copy any more; the copy is not what was made."""


class Temporaries:
    """Thread-safe. `lacks(digest)` is called for a requested copy that is not there."""

    def __init__(self, cache: Cache, client: Client, lacks: Callable[[str], None]) -> None:
        self._cache = cache
        self._client = client
        self.lacks = lacks
        self._lock = threading.Lock()
        self._wanted: dict[str, None] = {}
        """Digests that will be sent."""
        self._jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._running = False
        self._closed = False

    def keep(self, run: Run, sandbox: Sandbox) -> list[Kept]:
        """Pin the temporary outputs of an attempt that has ended. Raises BadOutput, OSError; then none is pinned."""
        found: list[Kept] = []
        try:
            for name in run.temporary:
                found.append(self._keep(run.attempt, name, os.path.realpath(sandbox.path(name)), sandbox))
        except BaseException:
            self.drop([pin(run.attempt, one.digest) for one in found])
            raise
        return found

    def _keep(self, attempt: str, name: str, path: str, sandbox: Sandbox) -> Kept:
        if not sandbox.contains(path):
            raise BadOutput(m.OUTPUT_LINK_LEADS_OUT(name=name))
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadOutput(m.TEMPORARY_NOT_A_FILE(name=name))
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
            before = os.fstat(f.fileno())
            total = hashlib.sha256()
            while piece := f.read(CHUNK):
                total.update(piece)
        mode = before.st_mode & 0o777 | 0o400
        if before.st_mode & 0o7777 != mode:
            os.chmod(path, mode)
        digest = total.hexdigest()
        item = Input(name, digest, before.st_size, mode, mtime_ns=before.st_mtime_ns)
        fits = self._cache.pin(item, path, pin(attempt, digest))
        return Kept(name, digest, before.st_size, mode, before.st_mtime_ns, sparse(before), not fits)

    def not_fetched(self, sandbox: Sandbox | None, name: str, e: Exception) -> None:
        """An input of an attempt could not be fetched: if the claim should have it, the scheduler must know."""
        item = sandbox.inputs.get(name) if sandbox is not None else None
        if item is not None and item.temporary and isinstance(e, Refused):
            self.lacks(item.digest)

    def drop(self, pins: Iterable[str]) -> None:
        for one in pins:
            self._cache.unpin(one)

    def drop_others(self, pins: Container[str], attempts: Container[str]) -> None:
        """Drop all but these, and but those that these attempts made."""
        self.drop(one for one in self._cache.pins() if one not in pins and attempt_of(one) not in attempts)

    # --- copies for the scheduler ---
    def send(self, digest: str) -> None:
        """In a thread, one after the other."""
        with self._lock:
            if self._closed or digest in self._wanted:
                return
            self._wanted[digest] = None
            self._jobs.put(digest)
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="sender", daemon=True).start()

    def close(self) -> None:
        """The claim ends."""
        self._closed = True

    def _work(self) -> None:
        while not self._closed:
            digest = self._jobs.get()
            with self._lock:
                self._wanted.pop(digest, None)  # what is asked for from now on is sent again: this try may be in vain
            try:
                self._send(digest)
            except (Unreachable, Refused, Cancelled, OSError) as e:
                logger.warning("temporary=%s not sent: %s", digest[:12], e)
                self._not_sent(digest, e)

    def _not_sent(self, digest: str, e: Exception) -> None:
        """The scheduler waits for the copy, unless it has dropped it."""
        if isinstance(e, OSError) or (isinstance(e, Refused) and e.status == DAMAGED):
            self.lacks(digest)
        elif not (self._closed or (isinstance(e, Refused) and e.status == UNWANTED)):
            time.sleep(AGAIN_S)  # in its turn: what it waits for would keep the others from being sent, too
            self.send(digest)

    def _send(self, digest: str) -> None:
        entry = self._cache.pinned(digest)
        if entry is None:
            self.lacks(digest)
            return
        item = Input("", digest, entry.size)
        try:
            with open(entry.path, "rb") as f:
                def stream(sock: Any) -> None:
                    sock.sendfile(f, 0)

                self._client.put(f"temporary/{digest}", os.fstat(f.fileno()).st_size, stream, lambda: self._closed)
        finally:
            self._cache.leave(entry, item)
