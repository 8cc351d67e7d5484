"""What mfmesos adds to tar streams, on both sides: see the docstring of wire.py.

This module travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import re
import zlib

TAR_HOLES = "MFMESOS.holes"
TAR_SPARSE = "sparse"
"""The group's name of a sparse file in an input folder's stream."""


def tar_owner(nanoseconds: int) -> str:
    """The owner's name of a tar member with that modification time."""
    return f"ns{nanoseconds:09d}"


def tar_mtime_ns(seconds: int, owner: str) -> int | None:
    """A member's modification time in nanoseconds; None if unknown."""
    return seconds * 1_000_000_000 + int(owner[2:]) if re.fullmatch(r"ns[0-9]{9}", owner) else None


def byte_sum(data: bytes) -> int:
    """The sum of the bytes, for a header's checksum: a fifth of the time of sum()."""
    total = 0
    for start in range(0, len(data), 256):  # the sum of so few is below adler32's modulus
        total += (zlib.adler32(data[start:start + 256]) & 0xFFFF) - 1
    return total
