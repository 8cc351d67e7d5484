"""How policies are chosen, as NAME or NAME=VALUE, and the names of placements: for command lines and task files, which
know them without the core.
"""
from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from typing import Callable

from mfmesos.shared.bounds import SECONDS
from mfmesos.shared.messages import core as m
from mfmesos.shared.phrases import printable


def named(known: Collection[str], text: str) -> tuple[str, str]:
    """Its name and its value; an unknown name raises ValueError."""
    name, _, value = text.partition("=")
    if name not in known:
        near = difflib.get_close_matches(name[:40], known, 3) or sorted(known)
        raise ValueError(m.POLICY_UNKNOWN(name=printable(name, 40), names=", ".join(near)))
    return name, value


def no_value(value: str) -> None:
    """Of a policy without a parameter; raises ValueError."""
    if value:
        raise ValueError(m.POLICY_TAKES_NO_VALUE(value=printable(value, 40)))


def some_value(value: str) -> None:
    """Of a policy with a parameter; raises ValueError."""
    if not value.strip("="):
        raise ValueError(m.POLICY_NEEDS_VALUE())


def any_value(value: str) -> None:
    """Of a policy whose parameter may be left out."""


PLACEMENTS: dict[str, Callable[[str], None]] = {
    "first": no_value, "pack": no_value, "spread": any_value, "best": no_value, "balanced": no_value,
    "attribute": some_value, "network": no_value, "data": no_value}


def seconds_value(value: str) -> None:
    """Of a policy whose parameter is a time; raises ValueError."""
    some_value(value)
    check_seconds(value)


def check_seconds(value: str) -> None:
    """Raises ValueError."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not SECONDS.holds(seconds):
        raise ValueError(m.POLICY_SECONDS(value=printable(value, 40), bounds=SECONDS))


OFFERS: dict[str, Callable[[str], None]] = {"polite": no_value, "hold": seconds_value, "refuse": seconds_value}


def check_offers(text: str) -> None:
    """Raises ValueError."""
    name, value = named(OFFERS, text)
    OFFERS[name](value)


def check_placement(text: str) -> None:
    """Raises ValueError."""
    name, value = named(PLACEMENTS, text)
    PLACEMENTS[name](value)
