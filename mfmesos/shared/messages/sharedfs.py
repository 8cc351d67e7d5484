"""Messages about shared folders (--shared-fs). This module travels to the agents: Python 3.8 or newer."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_CHANGED = "The file was changed since its task was submitted, or the agent has another file of that name."

SHARED_NOT_A_FOLDER = Message(
    "shared-not-a-folder", "{folder} is not a folder", "--shared-fs names a folder of this machine.",
    "correct the name")
SHARED_WHOLE_MACHINE = Message(
    "shared-whole-machine", "{folder} cannot be shared as a whole", "Each machine has a root folder of its own.",
    "name the folder that all agents mount")
SHARED_NO_MARKER = Message(
    "shared-no-marker",
    "no marker can be written in the shared folder {folder} ({why}): agents are checked by their inputs alone",
    "The folder is read-only here. An agent with an empty folder of that name is noticed only by missing inputs.")
SHARED_AGENT_LACKS = Message(
    "shared-agent-lacks",
    "agent {agent} does not have the shared folder {folder}: tasks that use it run elsewhere",
    "The folder is not mounted there, or another folder has its name. Noted once per agent.",
    "mount the folder on that agent, or keep the run away from it")
SHARED_NOT_HERE = Message(
    "shared-not-here", "the agent does not have the shared folder {folder}",
    "Part of log lines: the task runs again at another agent, at no cost.")
SHARED_NOT_IN_TIME = Message(
    "shared-not-in-time", "the shared folder {folder} did not answer within {seconds:.0f} s",
    "Part of log lines: a file server hangs. The task runs again at another agent.")
SHARED_NO_AGENT_HAS = Message(
    "shared-no-agent-has", "no agent has the shared folder {folder} ({agents})",
    "All agents that could run the task were tried, or have no room for it.",
    "mount the folder on the agents, or run without --shared-fs: then its files are staged")
SHARED_AND_MORE = Message("shared-and-more", "{others} more", "Part of shared-no-agent-has.")
SHARED_INPUT_ELSEWHERE = Message(
    "shared-input-elsewhere", "input {name}: {path} is a symbolic link that leads out of the shared folder {folder}",
    "Agents may not have what the link leads to.", "name the file itself, or copy it into the shared folder")
SHARED_INPUT_DIFFERS = Message(
    "shared-input-differs", "input {name}: {path} on the agent is not what the scheduler saw ({found}, not {wanted})",
    _CHANGED, "run again")
SHARED_INPUT_LACKS = Message(
    "shared-input-lacks", "input {name}: {path} cannot be used on the agent: {why}", _CHANGED, "run again")
SHARED_FILE_OF = Message("shared-file-of", "{size} bytes of {mtime_ns} ns", "Part of shared-input-differs.")
SHARED_A_FOLDER = Message("shared-a-folder", "a folder", "Part of shared-input-differs.")
SHARED_OUTPUT_ELSEWHERE = Message(
    "shared-output-elsewhere", "output {name}: {path} is a symbolic link that leads out of the shared folder {folder}",
    "Agents may not have what the link leads to.", "name an output inside the shared folder")
SHARED_PLACED_BAD = Message(
    "shared-placed-bad", "its outputs in the shared folder are not as announced: {why}",
    "The executor, or somebody with access to the shared folder, changed them. The task runs again.")
