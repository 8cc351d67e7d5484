"""Mesos's states and reasons in plain words (source: include/mesos/v1/mesos.proto of Mesos 1.11)."""
from __future__ import annotations

import re

from mfmesos.shared.messages import reasons as m
from mfmesos.shared.phrases import shortened
from mfmesos.shared.wire import FOLDER_GONE

CONTAINER_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
CONTAINER_DISK = "REASON_CONTAINER_LIMITATION_DISK"
LIMITS = {CONTAINER_MEMORY: "memory", CONTAINER_DISK: "disk"}
"""The whole container exceeded that resource."""
EXECUTOR_ENDED = frozenset({"REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LIMITATION"})
"""The executor ended by itself on a healthy agent."""

_REASONS = {
    CONTAINER_MEMORY: m.CLAIM_OVER_MEMORY(),
    CONTAINER_DISK: m.CLAIM_OVER_DISK(),
    "REASON_CONTAINER_LIMITATION": m.CLAIM_OVER_LIMIT(),
    "REASON_CONTAINER_LAUNCH_FAILED": m.CLAIM_LAUNCH_FAILED(),
    "REASON_CONTAINER_PREEMPTED": m.CLAIM_PREEMPTED(),
    "REASON_CONTAINER_UPDATE_FAILED": m.CLAIM_UPDATE_FAILED(),
    "REASON_EXECUTOR_TERMINATED": m.CLAIM_EXECUTOR_ENDED(),
    "REASON_EXECUTOR_UNREGISTERED": m.CLAIM_UNREGISTERED(),
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT": m.CLAIM_SLOW_REGISTRATION(),
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT": m.CLAIM_NOT_BACK(),
    "REASON_AGENT_DISCONNECTED": m.CLAIM_DISCONNECTED(),
    "REASON_SLAVE_DISCONNECTED": m.CLAIM_DISCONNECTED(),
    "REASON_AGENT_REMOVED": m.CLAIM_AGENT_REMOVED(),
    "REASON_SLAVE_REMOVED": m.CLAIM_AGENT_REMOVED(),
    "REASON_AGENT_REMOVED_BY_OPERATOR": m.CLAIM_OPERATOR_REMOVED(),
    "REASON_SLAVE_REMOVED_BY_OPERATOR": m.CLAIM_OPERATOR_REMOVED(),
    "REASON_AGENT_RESTARTED": m.CLAIM_AGENT_RESTARTED(),
    "REASON_SLAVE_RESTARTED": m.CLAIM_AGENT_RESTARTED(),
    "REASON_AGENT_UNKNOWN": m.CLAIM_AGENT_UNKNOWN(),
    "REASON_SLAVE_UNKNOWN": m.CLAIM_AGENT_UNKNOWN(),
    "REASON_AGENT_DRAINING": m.CLAIM_DRAINING(),
    "REASON_SLAVE_DRAINING": m.CLAIM_DRAINING(),
    "REASON_INVALID_OFFERS": m.CLAIM_OFFER_GONE(),
    "REASON_INVALID_FRAMEWORKID": m.CLAIM_FRAMEWORK_UNKNOWN(),
    "REASON_MASTER_DISCONNECTED": m.CLAIM_DISCONNECTED(),
    "REASON_RECONCILIATION": m.CLAIM_RECONCILED(),
    "REASON_RESOURCES_UNKNOWN": m.CLAIM_RESOURCES_GONE(),
    "REASON_TASK_INVALID": m.CLAIM_TASK_REFUSED(),
    "REASON_TASK_UNAUTHORIZED": m.CLAIM_UNAUTHORIZED(),
    "REASON_TASK_UNKNOWN": m.CLAIM_TASK_UNKNOWN(),
    "REASON_TASK_KILLED_DURING_LAUNCH": m.CLAIM_KILLED_AT_LAUNCH(),
    "REASON_TASK_CHECK_STATUS_UPDATED": "",
}
_STATES = {
    "TASK_FINISHED": m.CLAIM_ENDED(),
    "TASK_FAILED": m.CLAIM_FAILED(),
    "TASK_KILLED": m.CLAIM_KILLED(),
    "TASK_ERROR": m.CLAIM_REFUSED(),
    "TASK_LOST": m.CLAIM_LOST(),
    "TASK_DROPPED": m.CLAIM_DROPPED(),
    "TASK_GONE": m.CLAIM_GONE(),
    "TASK_GONE_BY_OPERATOR": m.CLAIM_GONE_BY_OPERATOR(),
    "TASK_UNKNOWN": m.CLAIM_UNKNOWN(),
}


def explain(state: str, reason: str, message: str) -> str:
    """One line for the user: what happened, why, and Mesos's own words."""
    text = _STATES.get(state, state)
    why = _REASONS.get(reason, reason)
    if why:
        text += f": {why}"
    own = " ".join(message.split())
    if own and own.lower() not in text.lower():
        text += f" ({shortened(own, 300)})"
    return text


_USER = re.compile(
    r"no such user|user information|switch(ing)? user|\b(as|to) user\b|chown [^:]* to '", re.IGNORECASE)


def about_user(text: str) -> bool:
    """Whether an executor could not start because of its user."""
    return _USER.search(text) is not None


_SIGNALS = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
_EXITS = {
    81: m.EXECUTOR_BAD_ARCHIVE(),
    82: m.EXECUTOR_NO_PYTHON(),
    83: m.EXECUTOR_OLD_PYTHON(),
    84: m.EXECUTOR_NO_WAY_BACK(),
    FOLDER_GONE: m.EXECUTOR_FOLDER_REMOVED(),
}
"""What the claim's command exits with (mfmesos/staging/archive.py, executor/mfmesos_executor/main.py)."""


def explain_exit(status: int) -> str:
    """Explains an executor's wait status if it is meaningful; otherwise empty."""
    number = status & 0x7F
    if number in _SIGNALS:
        return m.EXECUTOR_KILLED_BY_NAMED_SIGNAL(number=number, name=_SIGNALS[number])
    if number:
        return m.EXECUTOR_KILLED_BY_SIGNAL(number=number)
    return _EXITS.get(status >> 8, "")
