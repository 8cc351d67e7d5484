"""Slices: the parts of a claim that can be given back alone, each a Mesos task of its own under the claim's executor.

Standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

from mfmesos.shared.resources import SLACK, Resources

LARGEST = 4
"""A slice is less than this part of what is left: so any amount can be given back in few slices, and a claim of 64
cores has 19 of them, one of 8 cores 7."""
MOST_UNITS = 64
"""A claim for smaller tasks is not cut any finer."""


def cut(size: Resources, unit_cores: float) -> tuple[Resources, ...]:
    """The slices of a claim of that size for tasks of `unit_cores`: all of it but one unit and the rest, which stay to
    its end. GPUs and other resources stay as well.
    """
    unit = max(unit_cores, size.cores / MOST_UNITS)
    units = int((size.cores + SLACK) / unit) if unit > 0 else 0
    found, left = [], units - 1
    while left > 0:
        count = max(1, left // LARGEST - 1)
        left -= count
        cores = round(count * unit, 3)
        found.append(Resources(cores, float(int(size.memory_mb * cores / size.cores)),
                               float(int(size.disk_mb * cores / size.cores))))
    return tuple(found)


def slice_id(claim_id: str, number: int) -> str:
    """The id of the Mesos task that holds the slice."""
    return f"{claim_id}.{number}"


def of_slice(task_id: str) -> tuple[str, int] | None:
    """The claim and the number of the slice that this Mesos task holds; None: it holds none."""
    claim_id, _, number = task_id.rpartition(".")
    return (claim_id, int(number)) if claim_id and number.isdecimal() else None
