"""Mesos's states and reasons in plain words (source: include/mesos/v1/mesos.proto of Mesos 1.11)."""
from __future__ import annotations

import re

from mfmesos.shared.phrases import shortened
from mfmesos.shared.wire import FOLDER_GONE

CONTAINER_MEMORY = "REASON_CONTAINER_LIMITATION_MEMORY"
CONTAINER_DISK = "REASON_CONTAINER_LIMITATION_DISK"
LIMITS = {CONTAINER_MEMORY: "memory", CONTAINER_DISK: "disk"}
"""The container as a whole was over that resource."""
EXECUTOR_ENDED = frozenset({"REASON_EXECUTOR_TERMINATED", "REASON_CONTAINER_LIMITATION"})
"""The executor ended without being asked to, while its agent was well."""

_REASONS = {
    CONTAINER_MEMORY: "the container used more memory than the claim had and was killed",
    CONTAINER_DISK: "the container used more disk than the claim had and was killed",
    "REASON_CONTAINER_LIMITATION": "the container was over a limit and was killed",
    "REASON_CONTAINER_LAUNCH_FAILED": "the agent could not start the container",
    "REASON_CONTAINER_PREEMPTED": "the agent gave the container's resources to somebody else",
    "REASON_CONTAINER_UPDATE_FAILED": "the agent could not give the container its resources",
    "REASON_EXECUTOR_TERMINATED": "the executor ended",
    "REASON_EXECUTOR_UNREGISTERED": "the executor never registered with its agent",
    "REASON_EXECUTOR_REGISTRATION_TIMEOUT": "the executor took too long to register with its agent",
    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT": "the executor did not come back after its agent was restarted",
    "REASON_AGENT_DISCONNECTED": "the agent was not connected to the master",
    "REASON_SLAVE_DISCONNECTED": "the agent was not connected to the master",
    "REASON_AGENT_REMOVED": "the agent was removed from the cluster",
    "REASON_SLAVE_REMOVED": "the agent was removed from the cluster",
    "REASON_AGENT_REMOVED_BY_OPERATOR": "an operator removed the agent",
    "REASON_SLAVE_REMOVED_BY_OPERATOR": "an operator removed the agent",
    "REASON_AGENT_RESTARTED": "the agent was restarted",
    "REASON_SLAVE_RESTARTED": "the agent was restarted",
    "REASON_AGENT_UNKNOWN": "the master does not know the agent",
    "REASON_SLAVE_UNKNOWN": "the master does not know the agent",
    "REASON_AGENT_DRAINING": "an operator is draining the agent",
    "REASON_SLAVE_DRAINING": "an operator is draining the agent",
    "REASON_INVALID_OFFERS": "the offer was gone when it was accepted",
    "REASON_INVALID_FRAMEWORKID": "the framework is not known to the agent",
    "REASON_MASTER_DISCONNECTED": "the agent was not connected to the master",
    "REASON_RECONCILIATION": "the master says so when asked",
    "REASON_RESOURCES_UNKNOWN": "the agent does not have the resources any more",
    "REASON_TASK_INVALID": "Mesos refused the task",
    "REASON_TASK_UNAUTHORIZED": "Mesos does not allow this framework to run it",
    "REASON_TASK_UNKNOWN": "Mesos does not know the task",
    "REASON_TASK_KILLED_DURING_LAUNCH": "it was killed while it was being launched",
    "REASON_TASK_CHECK_STATUS_UPDATED": "",
}
_STATES = {
    "TASK_FINISHED": "the claim ended",
    "TASK_FAILED": "the claim failed",
    "TASK_KILLED": "the claim was killed",
    "TASK_ERROR": "Mesos refused the claim",
    "TASK_LOST": "the claim was lost",
    "TASK_DROPPED": "the claim could not be launched",
    "TASK_GONE": "the claim is gone with its agent",
    "TASK_GONE_BY_OPERATOR": "an operator marked the agent as gone",
    "TASK_UNKNOWN": "Mesos does not know the claim",
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
    """Whether an executor did not start because of the user that it was to run as."""
    return _USER.search(text) is not None


_SIGNALS = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
_EXITS = {
    81: "the executor's archive arrived damaged",
    82: "the agent has no python3; install Python 3.8 or newer there",
    83: "the agent's python3 is older than 3.8; install a newer one there",
    84: "the agent does not reach this machine's staging server; see --listen and --advertise",
    FOLDER_GONE: "the executor's folder on the agent was removed",
}
"""What the claim's command exits with (mfmesos/staging/archive.py, executor/mfmesos_executor/main.py)."""


def explain_exit(status: int) -> str:
    """An executor's wait status, where it tells anything; else nothing."""
    number = status & 0x7F
    if number:
        return f"killed by signal {number}" + (f" ({_SIGNALS[number]})" if number in _SIGNALS else "")
    return _EXITS.get(status >> 8, "")
