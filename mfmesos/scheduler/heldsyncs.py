"""Syncs of executors that wait for an answer (long polls), answered when the core has something for the claim."""
from __future__ import annotations

import asyncio
from typing import Callable

from mfmesos.core.actions import AnswerSync
from mfmesos.core.events import ClaimSynced
from mfmesos.shared import wire


class HeldSyncs:
    """Held syncs by claim and number. All methods belong to the loop's thread."""

    def __init__(self, post: Callable[[ClaimSynced], None]) -> None:
        self._post = post
        self._held: dict[tuple[str, int], asyncio.Future[wire.SyncAnswer]] = {}

    def on_sync(self, claim_id: str, request: wire.SyncRequest) -> asyncio.Future[wire.SyncAnswer]:
        """Hold the sync until `answer`. The same sync over a new connection supersedes the earlier one."""
        future: asyncio.Future[wire.SyncAnswer] = asyncio.get_running_loop().create_future()
        key = (claim_id, request.seq)
        older = self._held.pop(key, None)
        if older is not None and not older.done():
            older.set_result(wire.SyncAnswer(superseded=True))
        self._held[key] = future
        self._post(ClaimSynced(
            claim_id, request.seq, request.got, tuple(request.running), tuple(request.results), request.closing,
            request.memory_mb, tuple(request.lacking), request.protocol, tuple(request.slices)))
        return future

    def answer(self, action: AnswerSync) -> None:
        future = self._held.pop((action.claim_id, action.seq), None)
        if future is not None and not future.done():
            future.set_result(action.answer)
