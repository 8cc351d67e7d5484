"""What an agent has, as the options --resources and --attributes of Mesos's agent name it."""
from __future__ import annotations

import re
from typing import NamedTuple

from mfmesos.allocation.amounts import Amounts
from mfmesos.shared.bounds import AMOUNT
from mfmesos.shared.devices import is_device_id
from mfmesos.shared.resources import is_name

_RANGE = re.compile(r"\s*(\d{1,9})\s*-\s*(\d{1,9})\s*")
SCALARS = ("cpus", "mem", "disk", "gpus")
"""Never a set or a range."""


class Listed(NamedTuple):
    scalars: dict[str, float]
    """By Mesos's names."""
    by_id: Amounts
    """Sets and ranges."""


def resources(text: str) -> Listed:
    """From 'cpus:2;licences:3;ports:[31000-31009];fpgas:{f0,f1}'; ValueError names the part that is invalid."""
    scalars: dict[str, float] = {}
    ranges: dict[str, tuple[tuple[int, int], ...]] = {}
    sets: dict[str, list[str]] = {}
    for part in text.split(";"):
        name, colon, value = part.strip().partition(":")
        value = value.strip()
        if not colon or not is_name(name) or name in {*scalars, *ranges, *sets}:
            raise ValueError(part)
        if value.startswith("[") and value.endswith("]") and name not in SCALARS:
            ranges[name] = tuple(_range(one, part) for one in value[1:-1].split(","))
        elif value.startswith("{") and value.endswith("}") and name not in SCALARS:
            sets[name] = [one.strip() for one in value[1:-1].split(",")]
            if not all(map(is_device_id, sets[name])) or len(set(sets[name])) < len(sets[name]):
                raise ValueError(part)
        elif name != "ports" and AMOUNT.holds(float(value)):
            scalars[name] = float(value)
        else:
            raise ValueError(part)
    return Listed(scalars, Amounts.of(ranges, sets))


def _range(text: str, part: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError(part)
    return int(found[1]), int(found[2])


def attributes(text: str) -> dict[str, str]:
    """From 'rack:r1;gpu_type:a100'; ValueError names the part that is invalid."""
    found: dict[str, str] = {}
    for part in text.split(";") if text else ():
        name, colon, value = part.strip().partition(":")
        if not colon or not is_name(name) or name in found or not value.strip():
            raise ValueError(part)
        found[name] = value.strip()
    return found
