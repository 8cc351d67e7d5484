"""What a task asks for by name: of its own request, of the settings for its category, and of the run's counters.

A counter is an amount that the whole run has, whichever agents its tasks run on: licences, mostly. A task that asks for
some of one is constrained by it (model.OF_RUN), and asks no agent for that.
"""
from __future__ import annotations

from mfmesos.core.model import GPU_TYPE, OF_RUN, Constraint
from mfmesos.core.policy import Policy
from mfmesos.core.records import TaskRecord
from mfmesos.shared.messages import resources as m
from mfmesos.shared.resources import SLACK, named


def complete(policy: Policy, record: TaskRecord) -> None:
    """Set what follows from the task's request. What the task itself states counts more than its category."""
    asked = record.task.request
    record.gpus, record.others, record.where = asked.gpus or 0.0, asked.others, record.task.where
    if policy.by_category:
        _as_category(policy, record)
    if policy.counters and record.others:
        counters = dict(policy.counters)
        counted = tuple(Constraint(name, OF_RUN, f"{amount:.12g}")
                        for name, amount in record.others if name in counters)
        if counted:
            record.others = tuple(one for one in record.others if one[0] not in counters)
            record.where = (*record.where, *counted)


def _as_category(policy: Policy, record: TaskRecord) -> None:
    for category, gpus, kind, others in policy.by_category:
        if category != record.kind.category:
            continue
        if gpus and not record.gpus:
            record.gpus = gpus
            if kind:
                record.where = (*record.where, Constraint(GPU_TYPE, "equals", kind))
        record.others = named({**dict(others), **dict(record.others)})


def beyond_counters(policy: Policy, record: TaskRecord) -> str:
    """Why it could never start, or empty."""
    totals = dict(policy.counters)
    for one in record.where:
        if one.op == OF_RUN and float(one.value) > totals[one.attribute] + SLACK:
            return m.BEYOND_COUNTER(name=one.attribute, need=float(one.value), total=totals[one.attribute])
    return ""
