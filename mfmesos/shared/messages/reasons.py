"""Messages of mfmesos/core/reasons.py: why a claim ended, in plain words instead of Mesos's codes."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_PART = "Part of other messages: why Mesos ended or refused a claim."

CLAIM_OVER_MEMORY = Message(
    "claim-over-memory", "the container used more memory than the claim had and was killed",
    "The tasks of a claim and its executor together used more memory than the claim holds.", "request more memory")
CLAIM_OVER_DISK = Message(
    "claim-over-disk", "the container used more disk than the claim had and was killed",
    "The tasks of a claim together wrote more than the disk that the claim holds.", "request more disk")
CLAIM_OVER_LIMIT = Message(
    "claim-over-limit", "the container exceeded a limit and was killed", _PART)
CLAIM_LAUNCH_FAILED = Message(
    "claim-launch-failed", "the agent could not start the container",
    "The agent's containerizer failed; the agent's log has details.")
CLAIM_PREEMPTED = Message(
    "claim-preempted", "the agent gave the container's resources to another task", _PART)
CLAIM_UPDATE_FAILED = Message(
    "claim-update-failed", "the agent could not give the container its resources", _PART)
CLAIM_EXECUTOR_ENDED = Message(
    "claim-executor-ended", "the executor ended", _PART)
CLAIM_UNREGISTERED = Message(
    "claim-unregistered", "the executor never registered with its agent",
    "The executor could not be started or could not reach its agent; its stderr in the Mesos sandbox has details.")
CLAIM_SLOW_REGISTRATION = Message(
    "claim-slow-registration", "the executor took too long to register with its agent",
    "The agent was too busy to start the executor in the time that Mesos allows.")
CLAIM_NOT_BACK = Message(
    "claim-not-back", "the executor did not return after its agent was restarted", _PART)
CLAIM_DISCONNECTED = Message(
    "claim-disconnected", "the agent was not connected to the master", _PART)
CLAIM_AGENT_REMOVED = Message(
    "claim-agent-removed", "the agent was removed from the cluster", _PART)
CLAIM_OPERATOR_REMOVED = Message(
    "claim-operator-removed", "an operator removed the agent", _PART)
CLAIM_AGENT_RESTARTED = Message(
    "claim-agent-restarted", "the agent was restarted", _PART)
CLAIM_AGENT_UNKNOWN = Message(
    "claim-agent-unknown", "the master does not know the agent", _PART)
CLAIM_DRAINING = Message(
    "claim-draining", "an operator is draining the agent", _PART)
CLAIM_OFFER_GONE = Message(
    "claim-offer-gone", "the offer was no longer valid when it was accepted", _PART)
CLAIM_FRAMEWORK_UNKNOWN = Message(
    "claim-framework-unknown", "the agent does not know the framework", _PART)
CLAIM_RECONCILED = Message(
    "claim-reconciled", "reported by the master on request", _PART)
CLAIM_RESOURCES_GONE = Message(
    "claim-resources-gone", "the agent no longer has the resources", _PART)
CLAIM_TASK_REFUSED = Message(
    "claim-task-refused", "Mesos refused the task", _PART)
CLAIM_UNAUTHORIZED = Message(
    "claim-unauthorized", "Mesos does not allow this framework to run it",
    "The cluster's access rules forbid the launch, for example as that user.")
CLAIM_TASK_UNKNOWN = Message(
    "claim-task-unknown", "Mesos does not know the task", _PART)
CLAIM_KILLED_AT_LAUNCH = Message(
    "claim-killed-at-launch", "it was killed while it was being launched", _PART)

CLAIM_ENDED = Message(
    "claim-ended", "the claim ended", _PART)
CLAIM_FAILED = Message(
    "claim-failed", "the claim failed", _PART)
CLAIM_KILLED = Message(
    "claim-killed", "the claim was killed", _PART)
CLAIM_REFUSED = Message(
    "claim-refused", "Mesos refused the claim", _PART)
CLAIM_LOST = Message(
    "claim-lost", "the claim was lost", _PART)
CLAIM_DROPPED = Message(
    "claim-dropped", "the claim could not be launched", _PART)
CLAIM_GONE = Message(
    "claim-gone", "the claim was lost with its agent", _PART)
CLAIM_GONE_BY_OPERATOR = Message(
    "claim-gone-by-operator", "an operator marked the agent as gone", _PART)
CLAIM_UNKNOWN = Message(
    "claim-unknown", "Mesos does not know the claim", _PART)

EXECUTOR_BAD_ARCHIVE = Message(
    "executor-bad-archive", "the executor's archive arrived damaged",
    "The checksum of the executor on the agent is wrong: a proxy or a full disk may have changed it.")
EXECUTOR_NO_PYTHON = Message(
    "executor-no-python", "the agent has no python3; {cure}", "The executor is a Python program.",
    "install Python 3.8 or newer there")
EXECUTOR_OLD_PYTHON = Message(
    "executor-old-python", "the agent's python3 is older than 3.8; {cure}", "The executor needs Python 3.8 or newer.",
    "install a newer one there")
EXECUTOR_NO_WAY_BACK = Message(
    "executor-no-way-back", "the agent cannot reach this machine's staging server; {cure}",
    "Agents fetch the executor and inputs from the machine where mfmesos runs; a firewall or the address is wrong.",
    "see --listen and --advertise")
EXECUTOR_FOLDER_REMOVED = Message(
    "executor-folder-removed", "the executor's folder on the agent was removed",
    "A task, or somebody on the agent, deleted the folder in which the executor works.")
EXECUTOR_KILLED_BY_SIGNAL = Message(
    "executor-killed-by-signal", "killed by signal {number}", "How an executor's process ended.")
EXECUTOR_KILLED_BY_NAMED_SIGNAL = Message(
    "executor-killed-by-named-signal", "killed by signal {number} ({name})", "How an executor's process ended.")
