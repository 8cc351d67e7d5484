"""Who is over which limit: pure decisions over numbers in MB and seconds."""
from __future__ import annotations

from typing import NamedTuple

from mfmesos.wire import ClaimData, Run


class Exceeded(NamedTuple):
    resource: str
    reason: str


class Load(NamedTuple):
    """What an attempt uses now."""

    run: Run
    memory_mb: float
    disk_mb: float


def over_own_limit(load: Load, wall_s: float) -> Exceeded | None:
    """The first limit of its own that an attempt is over."""
    run = load.run
    if run.limit_memory_mb is not None and load.memory_mb > run.limit_memory_mb:
        return Exceeded("memory", f"memory: used {_mb(load.memory_mb)} of the {_mb(run.limit_memory_mb)} it was given")
    if run.limit_disk_mb is not None and load.disk_mb > run.limit_disk_mb:
        return Exceeded("disk", f"disk: used {_mb(load.disk_mb)} of the {_mb(run.limit_disk_mb)} it was given")
    if run.limit_wall_s is not None and wall_s > run.limit_wall_s:
        return Exceeded("wall", f"wall time: ran for {wall_s:.1f} s of the {run.limit_wall_s:g} s it was given")
    return None


def victim_of_memory(claim: ClaimData, loads: list[Load]) -> int | None:
    """Whom to kill so that the container as a whole is not; an index, None when all is well.

    The executor's own share of the container is not in the claim's memory, so only attempts count.
    """
    if claim.memory_mb <= 0 or sum(x.memory_mb for x in loads) <= claim.memory_mb:
        return None
    return _most_over([x.memory_mb - x.run.memory_mb for x in loads])


def victim_of_disk(claim: ClaimData, loads: list[Load], cache_mb: float) -> int | None:
    """As with memory; the cache was shrunk before."""
    if claim.disk_mb <= 0 or sum(x.disk_mb for x in loads) + cache_mb <= claim.disk_mb:
        return None
    return _most_over([x.disk_mb - x.run.disk_mb for x in loads])


def _most_over(over: list[float]) -> int | None:
    worst = max(range(len(over)), key=over.__getitem__, default=None)
    return worst if worst is not None and over[worst] > 0 else None


def guard_reason(resource: str, claim: ClaimData, load: Load) -> Exceeded:
    used, given, whole = ((load.memory_mb, load.run.memory_mb, claim.memory_mb) if resource == "memory"
                          else (load.disk_mb, load.run.disk_mb, claim.disk_mb))
    return Exceeded(resource, f"{resource}: used {_mb(used)} of the {_mb(given)} it was given, "
                              f"when the claim's {_mb(whole)} were used up")


def _mb(value: float) -> str:
    return f"{value:.0f} MB" if value >= 10 or value == int(value) else f"{value:.1f} MB"
