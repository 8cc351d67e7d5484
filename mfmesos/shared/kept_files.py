"""Outputs that stay in a claim's cache after their attempt, as executor and scheduler name them (see wire).

Standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass
class Kept:
    """An output that stays in the claim's cache, as a later attempt's input of that digest."""

    name: str
    digest: str
    size: int
    mode: int = 0o644
    mtime_ns: int = 0
    sparse: bool = False
    crowded: bool = False
    """A temporary output for which the claim's cache has no room: the scheduler should take it over."""


def is_digest(value: Any) -> bool:
    """Whether it is a sha256 in hex."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def is_kept(data: Any) -> bool:
    """Whether decoded JSON is a Kept, every field of it."""
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not is_digest(data.get("digest")):
        return False
    numbers = (data.get("size"), data.get("mode", 0), data.get("mtime_ns", 0))
    flags = (data.get("sparse", False), data.get("crowded", False))
    return all(type(n) is int and 0 <= n < 1 << 63 for n in numbers) and all(type(flag) is bool for flag in flags)


def pin(attempt: str, digest: str) -> str:
    """What keeps a temporary output in the cache: the attempt that made it."""
    return f"{attempt} {digest}"


def attempt_of(pin: str) -> str:
    """The attempt in a pin."""
    return pin.rpartition(" ")[0]
