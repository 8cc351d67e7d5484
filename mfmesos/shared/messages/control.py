"""Messages of mfmesos/control: the socket over which other commands ask a run."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

RUNTIME_FOLDER_FOREIGN = Message(
    "runtime-folder-foreign", "{folder}: others may write here or own this folder; {cure}",
    "The control socket of a run lies in a folder of the user's own, of mode 0700.",
    "remove it, or set XDG_RUNTIME_DIR to a folder of mode 0700")
RUNTIME_FOLDER_LONG = Message(
    "runtime-folder-long", "{folder}: the name is too long for a socket; {cure}",
    "The path of a socket has at most 107 bytes.", "set XDG_RUNTIME_DIR to a folder with a short name")
NO_CONTROL = Message(
    "no-control", "`mfmesos status`, `why` and `logs` cannot ask this run: {why}",
    "The control socket could not be created. The run itself is not affected.")
UNKNOWN_QUESTION = Message(
    "unknown-question", "the scheduler does not know that question; {cure}",
    "The run was started by another version of mfmesos.", "use the version that started it")
QUESTION_FAILED = Message(
    "question-failed", "the scheduler could not answer; {cure}", "An error in mfmesos; the run is not affected.",
    "report it with the end of .mfmesos/scheduler.log")
NOBODY_LISTENS = Message(
    "nobody-listens", "{folder}: no run is active in this folder", "No scheduler answers for the folder.")
RUNS_ELSEWHERE = Message(
    "runs-elsewhere", "{folder}: the run is on {host} (process {process}); {cure}",
    "A run can be asked only on the machine of its scheduler.", "give the command there")
CONTROL_SILENT = Message(
    "control-silent", "the scheduler does not answer ({why})", "It is very busy, was stopped, or has just ended.")
CONNECTION_ENDED = Message(
    "connection-ended", "the scheduler closed the connection", "It has ended, or too many programs ask it.")
