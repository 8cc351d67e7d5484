"""What follows from the end of an attempt: whose doing it was, and whether the task is tried again.

Causes are told apart: the task failed by itself, exhausted a resource, or the cluster failed it. Only the first
uses up the task's own retries; the last is bounded by a count of its own.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mfmesos import wire
from mfmesos.core.model import Resources
from mfmesos.core.records import TaskRecord

GROWTH = 2.0
"""An exhausted resource that was not requested grows by this factor for the next attempt."""


class Verdict(Enum):
    DONE = "done"
    RETRY = "retry"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    reason: str = ""
    blames_cluster: bool = False


def decide(
    record: TaskRecord, result: wire.Result, largest: Resources | None, retries: int, cluster_retries: int,
) -> Decision:
    """What to do after `result`; counts and floors of `record` are brought up to date here.

    `largest` is the most that any one agent could give to one task, None while unknown.
    """
    if result.outcome == wire.FINISHED:
        return Decision(Verdict.DONE)
    if result.outcome == wire.EXHAUSTED and result.resource in ("memory", "disk"):
        return _after_exhaustion(record, result, largest)
    if result.outcome in (wire.FAILED, wire.EXHAUSTED):
        record.own_failures += 1
        again = record.own_failures <= retries and result.outcome == wire.FAILED
        return Decision(Verdict.RETRY if again else Verdict.GIVE_UP, result.reason)
    return after_cluster_failure(record, result.reason, cluster_retries)


def after_cluster_failure(record: TaskRecord, reason: str, cluster_retries: int) -> Decision:
    """The agent, the executor or the network failed the attempt."""
    record.cluster_failures += 1
    if record.cluster_failures <= cluster_retries:
        return Decision(Verdict.RETRY, reason, blames_cluster=True)
    return Decision(
        Verdict.GIVE_UP, f"the cluster failed it {record.cluster_failures} times, the last time: {reason}",
        blames_cluster=True)


def _after_exhaustion(record: TaskRecord, result: wire.Result, largest: Resources | None) -> Decision:
    """Only the exhausted resource grows, and only when its size was our guess and an agent has more."""
    request, given = record.task.request, record.allocation
    if result.resource == "memory":
        declared, had, used = request.memory_mb, given.memory_mb, result.usage.memory_mb
        most = largest.memory_mb if largest else None
    else:
        declared, had, used = request.disk_mb, given.disk_mb, result.usage.disk_mb
        most = largest.disk_mb if largest else None
    if declared is not None:
        return Decision(Verdict.GIVE_UP, result.reason)
    if most is not None and had >= most - 1:
        return Decision(Verdict.GIVE_UP, f"{result.reason}; no agent has more")
    grown = max(had, used) * GROWTH
    if most is not None:
        grown = min(grown, most)
    if result.resource == "memory":
        record.floor_memory_mb = grown
    else:
        record.floor_disk_mb = grown
    return Decision(Verdict.RETRY, f"{result.reason}; tried again with {grown:.0f} MB")
