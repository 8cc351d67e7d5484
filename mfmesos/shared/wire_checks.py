"""Checks of what arrives over the wire, on both sides: standard library only, Python 3.8 or newer."""
from __future__ import annotations

import json
import re
from typing import Any

MOST_PARTS = 1_000_000
"""Values in one message; a result counts as 20: an empty list takes 3 bytes in a sync and 20 times as much in memory.
"""
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class WireError(ValueError):
    """An invalid message of this protocol; the text names the problem."""


def fields_of(cls: Any, data: Any, where: str) -> Any:
    """A message of that class from decoded JSON; unknown fields are ignored. Raises WireError."""
    if not isinstance(data, dict):
        raise WireError(f"{where}: a JSON object is expected, not {type(data).__name__}")
    try:
        if data.keys() <= cls.__dataclass_fields__.keys():
            return cls(**data)
        return cls(**{k: v for k, v in data.items() if k in cls.__dataclass_fields__})
    except TypeError as e:
        raise WireError(f"{where}: {e}") from None


def _parts(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def parsed(raw: bytes, where: str, bounded: bool = False) -> Any:
    """Decoded JSON; raises WireError, also for more than MOST_PARTS values if `bounded`."""
    if bounded and len(raw) > MOST_PARTS and _parts(raw) > MOST_PARTS and _parts(_STRINGS.sub(b"", raw)) > MOST_PARTS:
        raise WireError(f"{where}: more than {MOST_PARTS} values")
    try:
        return json.loads(raw)
    except ValueError as e:
        raise WireError(f"{where}: not JSON: {e}") from None


def check(condition: bool, where: str, what: str) -> None:
    if not condition:
        raise WireError(f"{where}: {what}")


def is_number(value: Any) -> bool:
    """Whether the value is a finite number: Python's JSON also accepts NaN and Infinity."""
    return type(value) in (int, float) and -1e18 < value < 1e18


def is_code(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 1 << 31


def is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) < 200 and value.isprintable()


def plain_text(value: str) -> str:
    """The text without lone surrogates, which JSON can hold but no file or terminal."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
