"""How much a task is given where nothing was requested, and how large a claim has to be. Pure arithmetic."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mfmesos.core.model import Resources

LEAST_CORES = 0.01
"""Mesos's smallest share of a cpu, and what a claim asks for when all its tasks ask for none."""
AHEAD_S = 0.1
AHEAD_PACE_S = 0.5
AHEAD_MOST = 16.0
LEAST_MEMORY_MB = 64.0
"""Of a task that requested nothing, where an agent has it: a small interpreter runs in that."""
USEFUL_MEMORY_MB = 16.0
"""An agent that has less is of no use to such tasks."""
SHARE_SLACK = 0.875
"""A fair share may be smaller by an eighth, which the executors of several claims on one agent may take."""


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


def allocation(need: Wanted, total: Resources, whole: Resources, defaults: Defaults) -> Resources:
    """What a task is allocated where `total` is available (a claim or an offer) of an agent that has `whole`.

    What was requested or estimated is given. Otherwise: one core, and as much memory and disk as the default says
    but no more than the share of the agent that goes with its cores, so that such tasks fill an agent by its cores.
    It may be more than `total` has: what others left of an agent can be too little for such a task.
    """
    cores = need.cores if need.cores is not None else min(defaults.cores, whole.cores)
    memory = need.memory_mb
    if memory is None:
        fair = _fair(whole.memory_mb, whole.cores, total.memory_mb, total.cores, cores, defaults.memory_mb)
        memory = max(need.floor_memory_mb, fair, min(LEAST_MEMORY_MB, whole.memory_mb), USEFUL_MEMORY_MB)
    disk = need.disk_mb
    if disk is None:
        fair = _fair(whole.disk_mb, whole.cores, total.disk_mb, total.cores, cores, defaults.disk_mb)
        disk = max(need.floor_disk_mb, fair)
    return Resources(cores, memory, disk, need.gpus)


def _fair(whole: float, whole_cores: float, there: float, cores_there: float, cores: float, default: float) -> float:
    """Of memory or disk: what goes with `cores`, at most the default."""
    share = whole * min(cores / whole_cores, 1.0) if whole_cores > 0 else whole
    left = there * min(cores / cores_there, 1.0) if cores_there > 0 else there
    return max(min(default, share, left), min(default, share * SHARE_SLACK))


def is_crumb(room: Resources, defaults: Defaults) -> bool:
    """Whether a task that requested nothing gets less there than the defaults, if room is all that the agent has."""
    if room.cores < defaults.cores:
        return True
    part = defaults.cores / room.cores
    return room.memory_mb * part < defaults.memory_mb or room.disk_mb * part < defaults.disk_mb


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
    of milliseconds: about `AHEAD_S` of work. Nothing for attempts that take longer: they could start elsewhere. Never
    of GPUs."""
    if pace_s is None or pace_s > AHEAD_PACE_S:
        return Resources()
    return replace(resources * min(AHEAD_S / max(pace_s, 0.001), AHEAD_MOST), gpus=0.0)


def size_claim(
    wanted: Sequence[tuple[Wanted, int]], room: Resources, whole: Resources, defaults: Defaults,
) -> tuple[Resources, list[int]]:
    """The smallest claim within `room`, on an agent that has `whole`, that holds as many of the wanted tasks as go in,
    and how many of each kind.

    Memory and disk are rounded up in proportion to the cores taken: what is left of an agent without cores is of
    no use to anybody, and undeclared tasks are safer with it.
    """
    left, taken = room, []
    for need, count in wanted:
        each = allocation(need, room, whole, defaults)
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
