"""The consequences of an attempt's end: who is to blame, and whether the task is retried.

Three causes: the task failed by itself, exhausted a resource, or the cluster failed it. Only the first uses up the
task's own retries; the last has its own bound.
"""
from __future__ import annotations

import math
from dataclasses import replace
from enum import Enum
from typing import Callable

from mfmesos.core.model import Resources
from mfmesos.core.needs import OVERRIDE, Needs
from mfmesos.core.policy import Policy
from mfmesos.core.records import AgentRecord, TaskRecord
from mfmesos.shared import wire
from mfmesos.shared.messages import core as m
from mfmesos.shared.values import value

GROWTH = 2.0
"""An exhausted resource that was not requested grows by this factor for the next attempt."""

OUTSIDE_RETRIES = 3
"""After failures whose cause lies outside of the cluster."""

DECLARE_MORE = 1.25
"""The recommended amount relative to the usage when the attempt was killed, which was before its peak."""


class Verdict(Enum):
    DONE = "done"
    RETRY = "retry"
    GIVE_UP = "give up"


@value(frozen=True)
class Decision:
    verdict: Verdict
    reason: str = ""
    blames_cluster: bool = False


def decide(
    record: TaskRecord, result: wire.Result, largest: Resources | None, policy: Policy, needs: Needs,
    agent: AgentRecord, reserved: Callable[[tuple[str, ...]], str] = lambda _: "",
) -> Decision:
    """What to do after `result`; updates counts and floors of `record`.

    `largest` is the most that a single agent could offer to one task, None while unknown; `agent` ran the attempt;
    `reserved` describes what other roles reserve of it (see KnownAgents).
    """
    if result.outcome == wire.FINISHED:
        return Decision(Verdict.DONE)
    if result.outcome == wire.BROKEN and result.wrote_input and not record.copies:
        return Decision(Verdict.RETRY, result.reason)
    if result.final:
        return Decision(Verdict.GIVE_UP, result.reason)
    if result.outcome == wire.EXHAUSTED and result.resource in ("memory", "disk"):
        return _after_exhaustion(record, result, largest, needs, reserved)
    if result.outcome in (wire.FAILED, wire.EXHAUSTED):
        record.own_failures += 1
        again = record.own_failures <= record.task.retried(policy.retries) and result.outcome == wire.FAILED
        reason = m.WALL_TIME_EXCEEDED(why=result.reason) if result.resource == "wall" else result.reason
        return Decision(Verdict.RETRY if again else Verdict.GIVE_UP, reason)
    if result.outside:  # the executor has been patient: other agents may have other ways to the web
        retries = min(OUTSIDE_RETRIES, policy.cluster_retries)
        return replace(after_cluster_failure(record, result.reason, retries, agent), blames_cluster=False)
    return after_cluster_failure(record, result.reason, policy.cluster_retries, agent, once_a_spell=True)


def after_cluster_failure(
    record: TaskRecord, reason: str, cluster_retries: int, agent: AgentRecord, *, once_a_spell: bool = False,
) -> Decision:
    """The agent, the executor or the network failed the attempt, which uses up one of the task's tries. `once_a_spell`:
    the agent is to blame, so its failures count once until it is avoided or finishes an attempt.
    """
    again = record.failed_at.get(agent.id) == agent.spell
    record.failed_on(agent)
    if not (once_a_spell and again):
        record.cluster_failures += 1
    if record.cluster_failures <= cluster_retries:
        return Decision(Verdict.RETRY, reason, blames_cluster=True)
    return Decision(
        Verdict.GIVE_UP, m.CLUSTER_FAILURES(failures=record.cluster_failures, why=reason),
        blames_cluster=True)


def _too_small(declared: float, used: float, reason: str) -> str:
    """No attempt gets more than the declared amount, so retries cannot help: only a larger declaration can."""
    more = math.ceil(max(used, declared) * DECLARE_MORE / 10.0) * 10
    return m.DECLARED_TOO_SMALL(why=reason, declared=declared, used=used, more=more)


def _after_exhaustion(
    record: TaskRecord, result: wire.Result, largest: Resources | None, needs: Needs,
    reserved: Callable[[tuple[str, ...]], str],
) -> Decision:
    """Only the exhausted resource grows, and only if its size was an estimate or a default and an agent has more."""
    resource = result.resource or ""
    declared = getattr(record.task.request, f"{resource}_mb")
    had = getattr(record.allocation, f"{resource}_mb")
    used = max(had, getattr(result.usage, f"{resource}_mb"))
    most = getattr(largest, f"{resource}_mb") if largest else None
    if declared is not None and (needs.mode != OVERRIDE or used > declared or had >= declared):
        return Decision(Verdict.GIVE_UP, _too_small(declared, used, result.reason))
    if most is not None and had >= most - 1:
        return Decision(Verdict.GIVE_UP, m.NO_AGENT_HAS_MORE(
            why=result.reason, reserved=reserved((f"{resource}_mb",))))
    grown = needs.retry(record.kind, resource, used, declared, most) if record.estimated else used * GROWTH
    if most is not None:
        grown = min(grown, most)
    setattr(record, f"floor_{resource}_mb", grown)
    return Decision(Verdict.RETRY, m.MORE_NEXT_TIME(why=result.reason, grown=grown))
