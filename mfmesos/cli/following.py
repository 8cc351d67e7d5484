"""`mfmesos logs -f`: what a task prints while it runs, and the rest of it when its attempt has ended."""
from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any, Callable

from mfmesos.cli.run_sources import Kept
from mfmesos.shared.log_pieces import PIECE_BYTES, STREAMS
from mfmesos.shared.wire import TAIL_BYTES

EVERY_S = 0.5
OVERLAP_BYTES = 256
"""Of what was printed last: enough to find the place in a kept tail."""


class Follower:
    """`ask(task, attempt, offsets)`: the scheduler's answer (see printed_question), None when the task has ended;
    `kept(attempt)`: what is kept of an ended attempt's output, None if there is no such attempt;
    `write(data, stream)`: to the user.
    """

    def __init__(
        self, ask: Callable[[int, list[int]], dict[str, Any] | None], kept: Callable[[int], Sequence[Kept] | None],
        write: Callable[[bytes, str], None], sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ask, self._kept, self._write, self._sleep = ask, kept, write, sleep
        self._attempt = 0
        self._sizes = [0, 0]
        """What was written of each stream of that attempt."""
        self._last = [b"", b""]

    def follow(self, to_the_end: bool = True) -> bool:
        """Until the task has ended, or until all is written that it has printed by now; returns whether anything
        was.
        """
        wrote = False
        while True:
            found = self._ask(self._attempt, self._sizes)
            if found is None:
                return self._before(None) or wrote
            if found["attempt"] != self._attempt:
                wrote = self._before(found["attempt"]) or wrote
                self._begin(found["attempt"])
            more = self._take(found) if "data" in found and found["offsets"] == self._sizes else 0
            wrote = wrote or more > 0
            if more < PIECE_BYTES:
                if not to_the_end:
                    return wrote
                self._sleep(EVERY_S)

    def _take(self, found: dict[str, Any]) -> int:
        """Write what is new; the bytes of the longer piece."""
        pieces = [base64.b64decode(text) for text in found["data"]]
        for n, piece in enumerate(pieces):
            self._put(n, piece)
        return max(map(len, pieces))

    def _put(self, n: int, piece: bytes) -> None:
        if piece:
            self._write(piece, STREAMS[n])
            self._sizes[n] += len(piece)
            self._last[n] = (self._last[n] + piece)[-TAIL_BYTES:]

    def _begin(self, attempt: int) -> None:
        self._attempt, self._sizes, self._last = attempt, [0, 0], [b"", b""]

    def _before(self, attempt: int | None) -> bool:
        """The attempt that was followed has ended, and maybe others since: their output up to that attempt, or to the
        last one.
        """
        wrote, number = False, self._attempt or attempt or 1
        while attempt is None or number < attempt:
            kept = self._kept(number)
            if kept is None:
                break
            if number != self._attempt:
                self._begin(number)
            wrote = self._rest(kept) or wrote
            number += 1
        return wrote

    def _rest(self, kept: Sequence[Kept]) -> bool:
        """What the last answer did not have, as far as it was kept."""
        wrote = False
        for one in kept:
            n = STREAMS.index(one.stream)
            rest = rest_of(one.data, self._sizes[n], self._last[n])
            wrote = wrote or bool(rest)
            self._put(n, rest)
        return wrote


def rest_of(kept: bytes, written: int, last: bytes) -> bytes:
    """What follows the first `written` bytes of a stream, of which `last` are the last ones, in its kept tail."""
    if not written:
        return kept
    if len(kept) < TAIL_BYTES:  # it is all that was printed
        return kept[written:]
    known = last[-OVERLAP_BYTES:]
    at = kept.rfind(known)
    return kept[at + len(known):] if at >= 0 else kept
