"""`mfmesos logs -f`: every byte once, in order, through pieces, attempts and the tail that is kept."""
from __future__ import annotations

import base64
from typing import Any

import pytest

from mfmesos.cli.following import Follower, rest_of
from mfmesos.cli.run_sources import Kept
from mfmesos.shared.log_pieces import PIECE_BYTES
from mfmesos.shared.wire import TAIL_BYTES


def answer(attempt: int, out: bytes, offsets: list[int], err: bytes = b"") -> dict[str, Any]:
    """Of a task that has printed that by now."""
    data = [base64.b64encode(one[at:at + PIECE_BYTES]).decode() for one, at in zip((out, err), offsets)]
    return {"attempt": attempt, "offsets": list(offsets), "sizes": [len(out), len(err)], "data": data}


class Scene:
    """A task whose answers are made by `steps`, one for each question; None: it has ended."""

    def __init__(self, *steps: tuple[int, bytes] | None) -> None:
        self.steps, self.out, self.slept = list(steps), b"", 0

    def ask(self, attempt: int, offsets: list[int]) -> dict[str, Any] | None:
        step = self.steps.pop(0)
        if step is None:
            return None
        return answer(step[0], step[1], offsets if step[0] == attempt else [0, 0])

    def write(self, data: bytes, stream: str) -> None:
        assert stream == "stdout"
        self.out += data

    def sleep(self, seconds: float) -> None:
        self.slept += 1

    def run(self, **kept: bytes) -> bytes:
        """`kept`: what is kept of each attempt in the end, as a1, a2."""
        def kept_of(attempt: int) -> list[Kept] | None:
            data = kept.get(f"a{attempt}")
            return None if data is None else [Kept("", "stdout", data[-TAIL_BYTES:])]

        Follower(self.ask, kept_of, self.write, self.sleep).follow()
        return self.out


def test_every_byte_once():
    """It grows between the questions, and its end comes from what is kept; a full piece is followed by another question
    at once."""
    whole = b"".join(b"line %d\n" % n for n in range(9000))
    most = whole[:-5000]
    assert PIECE_BYTES < len(most) < 3 * PIECE_BYTES
    scene = Scene((1, whole[:10]), *[(1, most)] * 4, None)
    assert scene.run(a1=whole) == whole
    assert scene.slept == 3


@pytest.mark.parametrize("length", [100, TAIL_BYTES - 1, TAIL_BYTES, 3 * TAIL_BYTES])
@pytest.mark.parametrize("left", [0, 1, 90])
def test_the_rest_of_an_attempt(length, left):
    """What the kept tail has more than was written."""
    whole = b"".join(b"%d," % n for n in range(length))[:length]
    written = whole[:length - left]
    assert rest_of(whole[-TAIL_BYTES:], len(written), written[-TAIL_BYTES:]) == whole[length - left:]


def test_what_nobody_has_read_is_left_out():
    """More than the tail was printed since: what is kept follows."""
    assert rest_of(b"x" * TAIL_BYTES, 5, b"abcde") == b"x" * TAIL_BYTES
    assert rest_of(b"all", 0, b"") == b"all"


def test_the_next_attempt_begins_from_its_beginning():
    """The end of the first is written before it."""
    scene = Scene((1, b"one "), (2, b"tw"), None)
    assert scene.run(a1=b"one and more ", a2=b"two") == b"one and more two"


def test_attempts_that_nobody_saw_running_are_written():
    """They began and ended between two questions."""
    scene = Scene((1, b"one "), (3, b"three "), None)
    assert scene.run(a1=b"one ", a2=b"two ", a3=b"three ", a4=b"four") == b"one two three four"
