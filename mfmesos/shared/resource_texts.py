"""How people write requests for resources in options, settings and task files."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mfmesos.shared.bounds import AMOUNT
from mfmesos.shared.messages import resources as m
from mfmesos.shared.resources import Named, is_name, named

MOST_GPUS = 1000
_TYPED = re.compile(r"(?:([A-Za-z0-9][\w.-]{0,59}):)?(\d{1,4})", re.ASCII)
Wanted = tuple[float, str, Named]
"""GPUs, their type (empty: any), and other resources by name."""


def read_gpus(stated: Any) -> tuple[float, str] | None:
    """Number and type of "a100:2", "2" and 2; None for anything else. Null and -1 are no GPUs."""
    if stated is None or (stated == -1 and type(stated) in (int, float)):
        return 0.0, ""
    if type(stated) in (int, float):
        return (float(stated), "") if 0 <= stated <= MOST_GPUS and stated == int(stated) else None
    found = _TYPED.fullmatch(stated) if isinstance(stated, str) else None
    if found is None or int(found[2]) > MOST_GPUS:
        return None
    return float(found[2]), found[1] or "" if int(found[2]) else ""


def read_counter(text: str) -> tuple[str, float]:
    """Name and amount of "licences=3"; ValueError says what is wrong."""
    name, equals, amount = text.partition("=")
    if not equals or not is_name(name) or name in _OWN or not _is_amount(amount):
        raise ValueError(m.COUNTER_INVALID(value=text))
    return name, float(amount)


def read_of_category(text: str) -> tuple[str, Wanted]:
    """Of "align=gpus=a100:1,licences=1"; ValueError says what is wrong."""
    category, _, rest = text.partition("=")
    gpus: tuple[float, str] | None = (0.0, "")
    others: dict[str, float] = {}
    for part in rest.split(","):
        name, _, amount = part.partition("=")
        why = ""
        if not category or not rest or name in others or not is_name(name) or (name in _OWN and name != "gpus"):
            why = m.RESOURCE_BAD_PART(part=part)
        elif name == "gpus":
            gpus = read_gpus(amount)
            why = "" if gpus else m.GPUS_INVALID(value=amount)
        elif _is_amount(amount):
            others[name] = float(amount)
        else:
            why = m.RESOURCE_BAD_PART(part=part)
        if why or gpus is None:
            raise ValueError(m.CATEGORY_RESOURCES_INVALID(value=text, why=why))
    count, kind = gpus or (0.0, "")
    return category, (count, kind, named(others))


_OWN = ("cores", "cpus", "memory", "mem", "disk", "gpus", "wall_time")
"""These are requested in other ways."""


def _is_amount(text: str) -> bool:
    try:
        return AMOUNT.holds(float(text))
    except ValueError:
        return False


def counters(texts: Sequence[str]) -> dict[str, float]:
    """Raises ValueError."""
    return dict(map(read_counter, texts))


def table(wanted: Mapping[str, Sequence[Any]]) -> tuple[tuple[str, float, str, Named], ...]:
    """As the core's policy has it; what the settings hold may have been JSON on its way."""
    return tuple((category, gpus, kind, named(dict(others)))
                 for category, (gpus, kind, others) in sorted(wanted.items()))


def of_categories(texts: Sequence[str]) -> dict[str, Wanted]:
    """Raises ValueError."""
    return dict(map(read_of_category, texts))
