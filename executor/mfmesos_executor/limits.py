"""Decides which attempt exceeds which limit: pure, numbers in MB and seconds."""
from __future__ import annotations

from typing import NamedTuple

from mfmesos.shared.devices import GPUS
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import EXHAUSTED, FAILED, ClaimData, Result, Run

MARGIN, MOST_MARGIN_MB = 0.1, 100.0
"""The part of a claim that usage beyond an estimate must leave free."""


class Exceeded(NamedTuple):
    resource: str
    reason: str

    def judge(self, result: Result) -> None:
        """How the attempt ends. Who uses what it was not given has failed: more of it does not help."""
        result.reason = self.reason
        if self.resource == GPUS:
            result.outcome = FAILED
        else:
            result.outcome, result.resource = EXHAUSTED, self.resource


class Load(NamedTuple):
    """An attempt's present usage."""

    run: Run
    memory_mb: float
    disk_mb: float
    growth_mb: float = 0.0
    """Growth of memory between the last two measurements."""


def hard_limit(limit_mb: float | None, most_mb: float | None) -> float | None:
    """What an attempt must not exceed, however much of its claim is free: an estimate may be exceeded."""
    return limit_mb if limit_mb is None or most_mb is None else max(limit_mb, most_mb)


def over_own_limit(load: Load, wall_s: float) -> Exceeded | None:
    """The first limit of its own that an attempt exceeds."""
    run = load.run
    memory = hard_limit(run.limit_memory_mb, run.most_memory_mb)
    if memory is not None and load.memory_mb > memory:
        return Exceeded("memory", m.OVER_MEMORY_LIMIT(used=_mb(load.memory_mb), limit=_mb(memory)))
    disk = hard_limit(run.limit_disk_mb, run.most_disk_mb)
    if disk is not None and load.disk_mb > disk:
        return Exceeded("disk", m.OVER_DISK_LIMIT(used=_mb(load.disk_mb), limit=_mb(disk)))
    if run.limit_wall_s is not None and wall_s > run.limit_wall_s:
        return Exceeded("wall", m.OVER_WALL_LIMIT(ran=wall_s, limit=run.limit_wall_s))
    return None


def victim_of_memory(claim: ClaimData, loads: list[Load]) -> int | None:
    """The attempt to kill so that the container as a whole is not killed; an index, None if none.

    The claim's memory excludes the executor's own, so only attempts count.
    """
    over = [x.memory_mb - x.run.memory_mb for x in loads]
    soft = [x.run.most_memory_mb is not None for x in loads]
    growth = sum(x.growth_mb for x, much, guess in zip(loads, over, soft) if guess and much > 0)
    return _victim(claim.memory_mb, sum(x.memory_mb for x in loads), growth, over, soft)


def victim_of_disk(claim: ClaimData, loads: list[Load], cache_mb: float) -> int | None:
    """The same for disk; the cache was shrunk before. What attempts link of it counts in their loads, so it is no part
    of `cache_mb`, which may be negative then.
    """
    over = [x.disk_mb - x.run.disk_mb for x in loads]
    soft = [x.run.most_disk_mb is not None for x in loads]
    return _victim(claim.disk_mb, sum(x.disk_mb for x in loads) + cache_mb, 0.0, over, soft)


def _victim(whole: float, used: float, growth: float, over: list[float], soft: list[bool]) -> int | None:
    """When everything is used up: the attempt that exceeds its share most. A little earlier, before it has grown into
    the rest: the attempt that exceeds its estimate most, since the others must get what they may still use.
    """
    if whole <= 0:
        return None
    if used > whole:
        return _most_over(over)
    if used + growth > whole - min(MARGIN * whole, MOST_MARGIN_MB):
        return _most_over([much if guess else 0.0 for much, guess in zip(over, soft)])
    return None


def _most_over(over: list[float]) -> int | None:
    worst = max(range(len(over)), key=over.__getitem__, default=None)
    return worst if worst is not None and over[worst] > 0 else None


def guard_reason(resource: str, claim: ClaimData, load: Load) -> Exceeded:
    used, given, whole = ((load.memory_mb, load.run.memory_mb, claim.memory_mb) if resource == "memory"
                          else (load.disk_mb, load.run.disk_mb, claim.disk_mb))
    return Exceeded(resource, m.CLAIM_USED_UP(
        resource=resource, used=_mb(used), given=_mb(given), whole=_mb(whole)))


def _mb(value: float) -> str:
    return f"{value:.0f} MB" if value >= 10 or value == int(value) else f"{value:.1f} MB"
