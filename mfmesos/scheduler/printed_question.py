"""What a running task has printed so far: its executor is asked, with the next answer to its sync."""
from __future__ import annotations

from typing import Any

from mfmesos.control.control_server import BadQuestion, Question
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.scheduler.log_pieces_asked import LogPiecesAsked
from mfmesos.shared.log_pieces import Wanted
from mfmesos.shared.messages import control

WITHIN_S = 5.0


class PrintedQuestion:
    """For the loop's thread."""

    def __init__(self, views: CoreViews, asked: LogPiecesAsked) -> None:
        self._views = views
        self._asked = asked

    async def answer(self, question: Question) -> dict[str, Any] | None:
        """{"task": NUMBER, "attempt": NUMBER, "offsets": [BYTES, BYTES]}: of stdout and stderr, from these offsets if
        it is that attempt, otherwise from the beginning. null: no such task waits or runs. Without `sizes` nothing is
        known at the moment.
        """
        number, offsets, attempt = question.get("task"), question.get("offsets"), question.get("attempt")
        if type(number) is not int or not isinstance(offsets, list) or len(offsets) != 2 or not all(
                type(one) is int and 0 <= one < 1 << 62 for one in offsets):
            raise BadQuestion(control.UNKNOWN_QUESTION())
        view = self._views.task(number)
        if view is None:
            return None
        found = {"task": number, "state": view.state.value, "attempt": view.attempts, "host": view.hostname}
        if not view.claim_id or not view.attempt_id:
            return found
        wanted = Wanted(view.attempt_id, offsets if attempt == view.attempts else [0, 0])
        piece = await self._asked.ask(view.claim_id, wanted, WITHIN_S)
        if piece is None:
            return found
        return {**found, "offsets": piece.offsets, "sizes": piece.sizes, "data": piece.data}
