"""What running attempts have printed: the question travels with an answer, the piece with the next sync."""
from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mfmesos_executor.sync_state import SyncState

from mfmesos.core.actions import AnswerSync
from mfmesos.scheduler.heldsyncs import HeldSyncs
from mfmesos.scheduler.log_pieces_asked import LogPiecesAsked
from mfmesos.shared import wire
from mfmesos.shared.log_pieces import PIECE_BYTES, Piece, Wanted, encoded

WANTED = Wanted("1.n.1", [3, 0])


def as_sent(message: Any) -> bytes:
    return wire.dumps(message)


def test_a_held_sync_is_answered_and_the_next_one_brings_the_piece():
    """An executor's own state machine on the other side; another claim cannot answer for it."""
    async def main() -> None:
        asked, posted = LogPiecesAsked(), []
        held = HeldSyncs(posted.append, asked, lambda result: None)
        state = SyncState(900.0, 60.0, 0.0, lambda: 1.0)
        first = held.on_sync("c", wire.load_sync_request(as_sent(state.next_sync(["1.n.1"], 0.0))))
        answer = asyncio.ensure_future(asked.ask("c", WANTED, 20.0))
        orders = state.answered(1, wire.load_sync_answer(as_sent(await asyncio.wait_for(first, 20))), 1.0)
        assert orders.show == [WANTED]
        assert orders.run == orders.forget == orders.kill == []
        assert state.due_at(True, 1, 0) <= 1.0
        state.shows(Piece("1.n.1", [3, 0], [8, 0], [encoded(b"hello"), ""]))
        other = wire.SyncRequest(seq=1, printed=[Piece("1.n.1", [3, 0], [1, 1], [encoded(b"x"), ""])])
        held.on_sync("d", wire.load_sync_request(as_sent(other)))
        assert not answer.done()
        held.on_sync("c", wire.load_sync_request(as_sent(state.next_sync(["1.n.1"], 1.0))))
        found = await asyncio.wait_for(answer, 20)
        assert found == Piece("1.n.1", [3, 0], [8, 0], [encoded(b"hello"), ""])
        assert [event.seq for event in posted] == [1, 1, 2]
        assert not state.next_sync([], 2.0).printed

    asyncio.run(main())


def test_a_question_goes_with_what_the_core_answers():
    """If no sync is held at the moment; nobody waits for ever."""
    async def main() -> None:
        asked = LogPiecesAsked()
        held = HeldSyncs(lambda event: None, asked, lambda result: None)
        assert await asked.ask("c", WANTED, 0.0) is None
        future = held.on_sync("c", wire.SyncRequest(seq=1))
        held.answer(AnswerSync("c", 1, wire.SyncAnswer(number=1, acked=["9.n.1"])))
        found = await asyncio.wait_for(future, 20)
        assert (found.acked, found.show) == (["9.n.1"], [WANTED])

    asyncio.run(main())


def test_what_a_killed_attempt_has_printed_is_kept():
    """The core expects no result of it."""
    async def main() -> list[wire.Result]:
        found: list[wire.Result] = []
        held = HeldSyncs(lambda event: None, LogPiecesAsked(), found.append)
        held.on_sync("c", wire.SyncRequest(seq=1, results=[
            wire.Result("1.n.1", wire.KILLED, stdout="x"), wire.Result("2.n.1", wire.KILLED),
            wire.Result("3.n.1", wire.FAILED, stdout="x")]))
        return found

    assert [result.attempt for result in asyncio.run(main())] == ["1.n.1"]


@pytest.mark.parametrize("piece", [
    {"attempt": "", "offsets": [0, 0]}, {"attempt": "1.n.1", "offsets": [0]}, {"attempt": "1.n.1", "offsets": [-1, 0]},
    {"attempt": "1.n.1", "offsets": [0, 0], "sizes": [True, 0]},
    {"attempt": "1.n.1", "offsets": [0, 0], "data": ["!", ""]},
    {"attempt": "1.n.1", "offsets": [0, 0], "data": ["A" * (3 * PIECE_BYTES), ""]}, 7])
def test_nonsense_is_refused(piece):
    """Everyone with a claim's token may send it."""
    with pytest.raises(wire.WireError):
        wire.load_sync_request(json.dumps({"seq": 1, "protocol": wire.PROTOCOL, "printed": [piece]}).encode())
