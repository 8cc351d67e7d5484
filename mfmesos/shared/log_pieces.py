"""What a running attempt has printed so far, piece by piece: part of the syncs (see wire), used on both sides.

An answer asks for a piece from an offset in each stream; the next sync brings it. Nothing is repeated: whoever wants
more, or has not got it, asks again.
"""
from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from mfmesos.shared.wire_checks import WireError, check, fields_of, is_id

PIECE_BYTES = 32 * 1024
"""Of one stream in one sync, at most."""
MOST_PIECES = 16
"""Attempts of one claim that are asked for at a time."""
STREAMS = ("stdout", "stderr")


@dataclass
class Wanted:
    """`offsets`: bytes that are known already, of stdout and stderr."""

    attempt: str
    offsets: list[int]


@dataclass
class Piece:
    """What an attempt has printed from `offsets` on; `sizes`: bytes of the whole streams so far, -1 while there are
    none, since the attempt has not started or is over. `data`: base64.
    """

    attempt: str
    offsets: list[int]
    sizes: list[int] = field(default_factory=lambda: [-1, -1])
    data: list[str] = field(default_factory=lambda: ["", ""])


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def load_wanted(data: Any) -> Wanted:
    """From an answer of the scheduler; raises WireError."""
    wanted: Wanted = fields_of(Wanted, data, "wanted")
    check(is_id(wanted.attempt) and _are_counts(wanted.offsets, 0), "wanted", "an attempt and two offsets")
    return wanted


def load_piece(data: Any) -> Piece:
    """From a sync of an executor; raises WireError."""
    piece: Piece = fields_of(Piece, data, "log")
    check(is_id(piece.attempt), "log", "attempt is not an id")
    check(_are_counts(piece.offsets, 0) and _are_counts(piece.sizes, -1), "log", "offsets and sizes are numbers")
    check(isinstance(piece.data, list) and len(piece.data) == 2, "log", "data of two streams")
    for text in piece.data:
        check(isinstance(text, str) and len(text) <= 2 * PIECE_BYTES, "log", "data is base64 of a bounded size")
        try:
            base64.b64decode(text, validate=True)
        except ValueError:
            raise WireError("log: data is not base64") from None
    return piece


def _are_counts(values: Any, least: int) -> bool:
    return isinstance(values, list) and len(values) == 2 and all(
        type(n) is int and least <= n < 1 << 62 for n in values)
