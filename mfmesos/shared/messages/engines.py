"""Messages of mfmesos/engines for task files: the end of tasks, and outputs of earlier runs. The pool's are in
pool.py."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- the end of a task ---
TASK_FAILED = Message(
    "task-failed", "task {task} failed: {why} [{command}]{more}",
    "The task has failed for good: its command, its limits or its outputs. The end of the line names its log file.",
    "correct the reason, then run the same command again")
TASK_FAILED_ON = Message(
    "task-failed-on", "task {task} failed on {host}: {why} [{command}]{more}",
    "The task has failed for good: its command, its limits or its outputs. The end of the line names its log file.",
    "correct the reason, then run the same command again")
TASK_BLOCKED = Message(
    "task-blocked", "task {task} cannot run: it {why} [{command}]",
    "Another task that should make one of its inputs has failed.",
    "correct the task that failed, then run the same command again")
NOT_MADE_NOT_RUN = Message(
    "not-made-not-run", "did not make because it was not run", "Part of task-blocked: why an input will not be made.")
STOPPING_AFTER_FAILURE = Message(
    "stopping-after-failure", "no new task starts; running tasks may finish ({cure})",
    "A task has failed, and without --keep-going the run ends then.", "use --keep-going to continue after a failure")
STOPPING_FOLLOW_AFTER_FAILURE = Message(
    "stopping-follow-after-failure",
    "no new task starts; running tasks may finish; later tasks are recorded as aborted until {done} exists ({cure})",
    "A task has failed, and without --keep-going the run ends then. With --follow tasks that come later are not run.",
    "use --keep-going to continue after a failure")
NOTHING_NEW = Message("nothing-new", "task {task} failed", "Why the remaining tasks are not run.")
OUTPUTS_NOT_FLUSHED = Message(
    "outputs-not-flushed", "outputs could not be flushed to disk ({why}); {cure}",
    "With --fsync, outputs are written to the disk before a task counts as finished. The disk reported an error.",
    "check the disk of the workflow's folder")
INPUT_NOT_READ = Message(
    "input-not-read", "an input cannot be read: {why}", "Why a task failed before it was started.",
    "make it readable for you")

# --- the engine ---
ENGINE_ENDED = Message(
    "engine-ended", "the workflow engine ended: {word}", "Why the scheduler ends: the engine has written mesos_done.")
ENGINE_DONE = Message(
    "engine-done", "the workflow engine ended: done", "Why the scheduler ends: the engine has written mesos_done.")
ORPHANED = Message(
    "orphaned", "the process that started the scheduler has ended",
    "Why the scheduler ends: its launcher was killed.")
DEBUG_LOG_UNREADABLE = Message(
    "debug-log-unreadable", "makeflow's debug log cannot be read: {why}",
    "mfmesos reads each rule's environment from the debug log that it has makeflow write.")
NO_ENVIRONMENT = Message(
    "no-environment", "task {task}: its environment is not in makeflow's debug log",
    "makeflow did not log the rule's environment, so the task might run with wrong variables.",
    "use --ignore-environment to run it without")
LARGE_VARIABLE = Message(
    "large-variable", "task {task}: makeflow does not log a variable larger than 64 KB",
    "The rule exports a variable whose value is cut off in makeflow's debug log.",
    "use --ignore-environment to run it without")
OUTPUT_PROBLEM = Message(
    "output-problem", "task {task}: {problem}", "An output of the task can never be published under its name.")
OUTPUT_TAKEN = Message(
    "output-taken", "{problem}", "Two tasks make the same file, or one makes a file where another makes a folder.",
    "give each output a name of its own")

# --- outputs of earlier runs ---
OUTPUT_KEPT = Message(
    "output-kept", "{name} has changed since a task made it; it is kept as {final}, and the task runs again",
    "Somebody edited an output. mfmesos does not overwrite it, but moves it aside before the task makes it again.")
OUTPUT_NOT_KEPT = Message(
    "output-not-kept", "output {name} has changed since a task made it and cannot be kept as {final} ({why}); {cure}",
    "Somebody edited an output, and mfmesos could not move it aside; the task is not run.", "move it away or delete it")
RERUN_NOT_CHECKED = Message(
    "rerun-not-checked", "input {name} was not compared with its web server ({why}); its finished tasks stay done",
    "The server cannot be asked whether the file is still the same as when the tasks ran.",
    "run again when the server answers, or give the input's sha256")
RERUN_MADE_AGAIN = Message("rerun-made-again", "{name} is made again", "Why a task runs again: an input will be new.")
RERUN_ASKED = Message("rerun-asked", "--rerun", "Why a task runs again: the user wants it.")
RERUN_UNKNOWN = Message(
    "rerun-unknown", "--rerun: no task {text!r}; {cure}", "No task has this number, output or text in its command.",
    "name a task by its number, the name of an output or a part of its command, or all of them with all")
RERUN_COMMAND_CHANGED = Message("rerun-command-changed", "command changed", "Why a task runs again.")
RERUN_ENV_CHANGED = Message("rerun-env-changed", "env changed", "Why a task runs again.")
RERUN_INPUTS_CHANGED = Message(
    "rerun-inputs-changed", "inputs listed changed", "Why a task runs again: its list of inputs differs.")
RERUN_OUTPUTS_CHANGED = Message(
    "rerun-outputs-changed", "outputs listed changed", "Why a task runs again: its list of outputs differs.")
RERUN_MISSING = Message("rerun-missing", "{what} is missing", "Why a task runs again: an input or output is gone.")
RERUN_EMPTY = Message(
    "rerun-empty", "{what} is empty", "Why a task runs again: an input or output has lost its contents.")
RERUN_CHANGED = Message(
    "rerun-changed", "{what} changed", "Why a task runs again: an input or output is not what it was.")
