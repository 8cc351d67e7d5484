"""The allocation of a task without requests, and the size of a claim. Pure arithmetic."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mfmesos.core.model import Named, Resources
from mfmesos.shared.resources import SLACK
from mfmesos.shared.values import value

LEAST_CORES = 0.01
"""Mesos's smallest share of a cpu, and a claim's request if none of its tasks requests cores."""
AHEAD_S = 0.1
AHEAD_PACE_S = 0.5
AHEAD_MOST = 16.0
LEAST_MEMORY_MB = 64.0
"""For a task without requests, if an agent has that much: enough for a small interpreter."""
USEFUL_MEMORY_MB = 16.0
"""An agent with less is useless for such tasks."""
SHARE_SLACK = 0.875
"""A fair share may be an eighth smaller, for the executors of several claims on one agent."""


@value(frozen=True)
class Defaults:
    """The allocation of a task without requests, as far as its fair share of the agent allows (cores, MB)."""

    cores: float = 1.0
    memory_mb: float = 512.0
    disk_mb: float = 1024.0


class Bound(NamedTuple):
    """What claims may have at most; other resources have no bound."""

    cores: float = math.inf
    memory_mb: float = math.inf


NO_BOUND = Bound()


class Wanted(Protocol):
    """What a task is to be given (a Need, or a Shape); None where open."""

    @property
    def cores(self) -> float | None: ...
    @property
    def memory_mb(self) -> float | None: ...
    @property
    def disk_mb(self) -> float | None: ...
    @property
    def gpus(self) -> float: ...
    @property
    def others(self) -> Named: ...
    @property
    def floor_memory_mb(self) -> float: ...
    @property
    def floor_disk_mb(self) -> float: ...


def allocation(need: Wanted, total: Resources, whole: Resources, defaults: Defaults) -> Resources:
    """A task's allocation when `total` is available (a claim or an offer) of an agent that has `whole`.

    Requested and estimated amounts are given. Otherwise: one core, and the default memory and disk, but no more than
    the share of the agent that goes with its cores, so that such tasks fill an agent by its cores. The result may
    exceed `total`: the remainder of an agent can be too small for such a task.
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
    return Resources(cores, memory, disk, need.gpus, need.others)


def _fair(whole: float, whole_cores: float, free: float, cores_free: float, cores: float, default: float) -> float:
    """The part of memory or disk that goes with `cores`, at most the default."""
    share = whole * min(cores / whole_cores, 1.0) if whole_cores > 0 else whole
    left = free * min(cores / cores_free, 1.0) if cores_free > 0 else free
    return max(min(default, share, left), min(default, share * SHARE_SLACK))


def is_crumb(room: Resources, defaults: Defaults) -> bool:
    """Whether a task without requests gets less than the defaults there, if `room` is all that the agent has."""
    if room.cores < defaults.cores:
        return True
    part = defaults.cores / room.cores
    return room.memory_mb * part < defaults.memory_mb or room.disk_mb * part < defaults.disk_mb


def how_many_fit(need: Resources, room: Resources, at_most: int) -> int:
    """The number of allocations of `need` that fit into `room` at once, at most `at_most`."""
    count = at_most
    for each, there in (
        (need.cores, room.cores), (need.memory_mb, room.memory_mb),
        (need.disk_mb, room.disk_mb), (need.gpus, room.gpus),
    ):
        if each > 0:
            count = min(count, int((there + SLACK) / each))
    if need.others:
        has = dict(room.others)
        count = min(count, *(int((has.get(name, 0.0) + SLACK) / each) for name, each in need.others))
    return max(count, 0)


def ahead(resources: Resources, pace_s: float | None) -> Resources:
    """The amount that may be queued in a claim beyond its running attempts, so that its executor need not wait for the
    scheduler between short attempts: about `AHEAD_S` of work, and at least the next attempt of each that runs. Nothing
    for longer attempts: they could start elsewhere. Cores, memory and disk only: an executor may share these for a
    moment, not a GPU or a licence.
    """
    if pace_s is None or pace_s > AHEAD_PACE_S:
        return Resources()
    factor = min(max(AHEAD_S / max(pace_s, 0.001), 1.0), AHEAD_MOST)
    return Resources(resources.cores * factor, resources.memory_mb * factor, resources.disk_mb * factor)


class PerCore(NamedTuple):
    """The MB that may be needed with each core of a claim."""

    memory_mb: float = 0.0
    disk_mb: float = 0.0

    def at_least(self, other: PerCore) -> PerCore:
        """The larger amount of each."""
        return PerCore(max(self.memory_mb, other.memory_mb), max(self.disk_mb, other.disk_mb))


ALL = PerCore(math.inf, math.inf)
NO_SPARE = PerCore(-math.inf, -math.inf)
MARGIN_MB, MARGIN_DISK_MB = 256.0, 1024.0
"""Beyond that: a task that grows fast has more than its limit before the executor ends it, and Mesos would end the
whole container; and somewhat larger tasks need no new claim.
"""


def size_claim(
    wanted: Sequence[tuple[Wanted, int]], room: Resources, whole: Resources, defaults: Defaults, spare: PerCore = ALL,
) -> tuple[Resources, list[int]]:
    """The smallest claim within `room`, on an agent that has `whole`, that holds as many of the wanted tasks as fit,
    and the number of each kind.

    Memory and disk are rounded up to what other tasks in its place may need, `spare`, but to no more than goes with the
    cores in proportion to the room.
    """
    left, taken = room, []
    for need, count in wanted:
        each = allocation(need, room, whole, defaults)
        n = how_many_fit(each, left, count)
        taken.append(n)
        left = left - each * n
    used = room - left
    share = min(used.cores / room.cores, 1.0) if room.cores > 0 else 1.0
    cores = max(used.cores, LEAST_CORES)
    return Resources(
        max(used.cores, min(LEAST_CORES, room.cores)),
        max(used.memory_mb, min(float(int(room.memory_mb * share)), cores * spare.memory_mb + MARGIN_MB)),
        max(used.disk_mb, min(float(int(room.disk_mb * share)), cores * spare.disk_mb + MARGIN_DISK_MB)),
        used.gpus, used.others,
    ), taken
