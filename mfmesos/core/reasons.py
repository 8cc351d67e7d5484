"""Mesos's states and reasons in plain words (source: include/mesos/v1/mesos.proto of Mesos 1.11)."""
from __future__ import annotations

import re

from mfmesos.shared.messages import reasons as m
from mfmesos.shared.phrases import shortened
from mfmesos.shared.wire import FOLDER_GONE

CONTAINER_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
CONTAINER_DISK = "REASON_CONTAINER_LIMITATION_DISK"
LIMITS = {CONTAINER_MEMORY: "memory", CONTAINER_DISK: "disk"}
"""The container as a whole was over that resource."""
EXECUTOR_ENDED = frozenset({"REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LIMITATION"})
"""The executor ended without being asked to, while its agent was well."""

_REASONS = {
    CONTAINER_MEMORY: m.OVER_MEMORY,
    CONTAINER_DISK: m.OVER_DISK,
    "REASON_CONTAINER_LIMITATION": m.OVER_LIMIT,
    "REASON_CONTAINER_LAUNCH_FAILED": m.LAUNCH_FAILED,
    "REASON_CONTAINER_PREEMPTED": m.PREEMPTED,
    "REASON_CONTAINER_UPDATE_FAILED": m.UPDATE_FAILED,
    "REASON_EXECUTOR_TERMINATED": m.EXECUTOR_ENDED,
    "REASON_EXECUTOR_UNREGISTERED": m.UNREGISTERED,
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT": m.SLOW_REGISTRATION,
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT": m.NOT_BACK,
    "REASON_AGENT_DISCONNECTED": m.DISCONNECTED,
    "REASON_SLAVE_DISCONNECTED": m.DISCONNECTED,
    "REASON_AGENT_REMOVED": m.AGENT_REMOVED,
    "REASON_SLAVE_REMOVED": m.AGENT_REMOVED,
    "REASON_AGENT_REMOVED_BY_OPERATOR": m.OPERATOR_REMOVED,
    "REASON_SLAVE_REMOVED_BY_OPERATOR": m.OPERATOR_REMOVED,
    "REASON_AGENT_RESTARTED": m.AGENT_RESTARTED,
    "REASON_SLAVE_RESTARTED": m.AGENT_RESTARTED,
    "REASON_AGENT_UNKNOWN": m.AGENT_UNKNOWN,
    "REASON_SLAVE_UNKNOWN": m.AGENT_UNKNOWN,
    "REASON_AGENT_DRAINING": m.DRAINING,
    "REASON_SLAVE_DRAINING": m.DRAINING,
    "REASON_INVALID_OFFERS": m.OFFER_GONE,
    "REASON_INVALID_FRAMEWORKID": m.FRAMEWORK_UNKNOWN,
    "REASON_MASTER_DISCONNECTED": m.DISCONNECTED,
    "REASON_RECONCILIATION": m.RECONCILED,
    "REASON_RESOURCES_UNKNOWN": m.RESOURCES_GONE,
    "REASON_TASK_INVALID": m.TASK_REFUSED,
    "REASON_TASK_UNAUTHORIZED": m.UNAUTHORIZED,
    "REASON_TASK_UNKNOWN": m.TASK_UNKNOWN,
    "REASON_TASK_KILLED_DURING_LAUNCH": m.KILLED_AT_LAUNCH,
}
_SELF_EVIDENT = frozenset({"REASON_TASK_CHECK_STATUS_UPDATED"})
_STATES = {
    "TASK_FINISHED": m.ENDED,
    "TASK_FAILED": m.FAILED,
    "TASK_KILLED": m.KILLED,
    "TASK_ERROR": m.REFUSED,
    "TASK_LOST": m.LOST,
    "TASK_DROPPED": m.DROPPED,
    "TASK_GONE": m.GONE,
    "TASK_GONE_BY_OPERATOR": m.GONE_BY_OPERATOR,
    "TASK_UNKNOWN": m.UNKNOWN,
}


def explain(state: str, reason: str, message: str) -> str:
    """One line for the user: what happened, why, and Mesos's own words."""
    text = _STATES[state]() if state in _STATES else state
    if reason in _REASONS:
        text += f": {_REASONS[reason]()}"
    elif reason and reason not in _SELF_EVIDENT:
        text += f": {reason}"
    own = " ".join(message.split())
    if own and own.lower() not in text.lower():
        text += f" ({shortened(own, 300)})"
    return text


_USER = re.compile(
    r"no such user|user information|switch(ing)? user|\b(as|to) user\b|chown [^:]* to '", re.IGNORECASE)


def about_user(text: str) -> bool:
    """Whether an executor did not start because of the user that it was to run as."""
    return _USER.search(text) is not None


_SIGNALS = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
_EXITS = {
    81: m.BAD_ARCHIVE,
    82: m.NO_PYTHON,
    83: m.OLD_PYTHON,
    84: m.NO_WAY_BACK,
    FOLDER_GONE: m.FOLDER_REMOVED,
}
"""What the claim's command exits with (mfmesos/staging/archive.py, executor/mfmesos_executor/main.py)."""


def explain_exit(status: int) -> str:
    """An executor's wait status, where it tells anything; else nothing."""
    number = status & 0x7F
    if number in _SIGNALS:
        return m.KILLED_BY_NAMED_SIGNAL(number=number, name=_SIGNALS[number])
    if number:
        return m.KILLED_BY_SIGNAL(number=number)
    code = status >> 8
    return _EXITS[code]() if code in _EXITS else ""
