"""Who waits for what running attempts have printed, and what their executors are to be asked for."""
from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Callable

from mfmesos.shared.log_pieces import MOST_PIECES, Piece, Wanted


class LogPiecesAsked:
    """For the loop's thread. It changes nothing in the core: an answer that carries a question and nothing else counts
    as lost there.
    """

    def __init__(self) -> None:
        self.wake: Callable[[str], None] = lambda claim_id: None
        """Called when there is a question for that claim."""
        self._asked: dict[str, list[Wanted]] = {}
        self._waiting: dict[tuple[str, str], list[asyncio.Future[Piece]]] = {}

    async def ask(self, claim_id: str, wanted: Wanted, timeout_s: float) -> Piece | None:
        """None: no answer in time."""
        future: asyncio.Future[Piece] = asyncio.get_running_loop().create_future()
        key = claim_id, wanted.attempt
        self._waiting.setdefault(key, []).append(future)
        self._asked.setdefault(claim_id, []).append(wanted)
        self.wake(claim_id)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except asyncio.TimeoutError:
            return None
        finally:
            left = [one for one in self._waiting.get(key, ()) if one is not future]
            if left:
                self._waiting[key] = left
            else:
                self._waiting.pop(key, None)

    def is_asked(self, claim_id: str) -> bool:
        return claim_id in self._asked

    def take(self, claim_id: str) -> list[Wanted]:
        """The questions for that claim, for its next answer."""
        asked = self._asked.pop(claim_id, [])
        now, later = asked[:MOST_PIECES], asked[MOST_PIECES:]
        if later:
            self._asked[claim_id] = later
        return now

    def arrived(self, claim_id: str, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            for future in self._waiting.get((claim_id, piece.attempt), ()):
                if not future.done():
                    future.set_result(piece)
