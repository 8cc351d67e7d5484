"""Syncs of executors that wait for an answer (long polls), answered when the core has something for the claim."""
from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Callable

from mfmesos.core.actions import AnswerSync
from mfmesos.core.events import ClaimSynced
from mfmesos.scheduler.log_pieces_asked import LogPiecesAsked
from mfmesos.shared import wire


class HeldSyncs:
    """Held syncs by claim and number. All methods belong to the loop's thread."""

    def __init__(
        self, post: Callable[[ClaimSynced], None], asked: LogPiecesAsked, killed: Callable[[wire.Result], None],
    ) -> None:
        """`killed` gets what killed attempts have printed: the core expects no results of theirs."""
        self._post = post
        self._killed = killed
        self._asked = asked
        asked.wake = self._wake
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
            request.memory_mb, tuple(request.lacking), request.protocol, tuple(request.slices),
            tuple(request.devices)))
        self._asked.arrived(claim_id, request.printed)
        for result in request.results:
            if result.outcome == wire.KILLED and (result.stdout or result.stderr):
                self._killed(result)
        if self._asked.is_asked(claim_id):
            self._wake(claim_id)
        return future

    def answer(self, action: AnswerSync) -> None:
        future = self._held.pop((action.claim_id, action.seq), None)
        if future is not None and not future.done():
            answer = action.answer
            if self._asked.is_asked(action.claim_id) and not (answer.superseded or answer.release):
                answer = replace(answer, show=self._asked.take(action.claim_id))
            future.set_result(answer)

    def _wake(self, claim_id: str) -> None:
        """After what the core has to say: an answer that only asks something counts as lost for the core."""
        asyncio.get_running_loop().call_soon(self._ask, claim_id)

    def _ask(self, claim_id: str) -> None:
        held = [key for key in self._held if key[0] == claim_id]
        if held and self._asked.is_asked(claim_id):
            future = self._held.pop(max(held))
            if not future.done():
                future.set_result(wire.SyncAnswer(show=self._asked.take(claim_id)))
