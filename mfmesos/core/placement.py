"""How much a task is given where nothing was requested, and how large a claim has to be. Pure arithmetic."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mfmesos.core.model import Resources

LEAST_CORES = 0.01
"""Mesos's smallest share of a cpu, and what a claim asks for when all its tasks ask for none."""
AHEAD_S = 0.1
AHEAD_PACE_S = 0.5
AHEAD_MOST = 16.0


@dataclass(frozen=True)
class Defaults:
    """What a task gets when it requested nothing, as long as its fair share of the agent allows it (cores, MB)."""

    cores: float = 1.0
    memory_mb: float = 512.0
    disk_mb: float = 1024.0


class Wanted(Protocol):
    """What a task is to be given (a Need, or a Shape); None where that is open."""

    @property
    def cores(self) -> float | None: ...
    @property
    def memory_mb(self) -> float | None: ...
    @property
    def disk_mb(self) -> float | None: ...
    @property
    def gpus(self) -> float: ...
    @property
    def floor_memory_mb(self) -> float: ...
    @property
    def floor_disk_mb(self) -> float: ...


def allocation(need: Wanted, total: Resources, defaults: Defaults) -> Resources:
    """What a task is allocated where `total` is all there is (a claim or an agent).

    What was requested or estimated is given. Otherwise: one core, and as much memory and disk as the default says
    but no more than the share of `total` that goes with its cores, so that such tasks fill an agent by its cores.
    """
    cores = need.cores if need.cores is not None else min(defaults.cores, total.cores)
    share = cores / total.cores if total.cores > 0 else 1.0
    memory = need.memory_mb
    if memory is None:
        memory = max(need.floor_memory_mb, min(defaults.memory_mb, total.memory_mb * min(share, 1.0)))
    disk = need.disk_mb
    if disk is None:
        disk = max(need.floor_disk_mb, min(defaults.disk_mb, total.disk_mb * min(share, 1.0)))
    return Resources(cores, memory, disk, need.gpus)


def how_many_fit(need: Resources, room: Resources, at_most: int) -> int:
    """How many allocations of `need` go side by side into `room`, no more than `at_most`."""
    count = at_most
    for each, there in (
        (need.cores, room.cores), (need.memory_mb, room.memory_mb),
        (need.disk_mb, room.disk_mb), (need.gpus, room.gpus),
    ):
        if each > 0:
            count = min(count, int((there + 0.0005) / each))
    return max(count, 0)


def ahead(resources: Resources, pace_s: float | None) -> Resources:
    """How much may be queued in a claim beyond what runs, so that its executor need not wait for us between attempts
    of milliseconds: about `AHEAD_S` of work. Nothing for attempts that take longer: they could start elsewhere."""
    if pace_s is None or pace_s > AHEAD_PACE_S:
        return Resources()
    return resources * min(AHEAD_S / max(pace_s, 0.001), AHEAD_MOST)


def size_claim(
    wanted: Sequence[tuple[Wanted, int]], room: Resources, defaults: Defaults,
) -> tuple[Resources, list[int]]:
    """The smallest claim within `room` that holds as many of the wanted tasks as go in, and how many of each kind.

    Memory and disk are rounded up in proportion to the cores taken: what is left of an agent without cores is of
    no use to anybody, and undeclared tasks are safer with it.
    """
    left, taken = room, []
    for need, count in wanted:
        each = allocation(need, room, defaults)
        n = how_many_fit(each, left, count)
        taken.append(n)
        left = left - each * n
    used = room - left
    share = min(used.cores / room.cores, 1.0) if room.cores > 0 else 1.0
    return Resources(
        max(used.cores, min(LEAST_CORES, room.cores)),
        max(used.memory_mb, float(int(room.memory_mb * share))),
        max(used.disk_mb, float(int(room.disk_mb * share))),
        used.gpus,
    ), taken
