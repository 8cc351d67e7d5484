"""Messages of `mfmesos cancel`, `retry`, `hold`, `release` and `set`."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

CANCELLED = Message("cancelled", "task {task} is cancelled", "The task does not run in this run any more.")
CANCELLED_RUNNING = Message(
    "cancelled-running", "task {task} is cancelled; its attempt on {host} is being ended",
    "The task does not run in this run any more.")
CANCELLED_LATE = Message(
    "cancelled-late", "task {task} has ended on {host}; its outputs are being published",
    "The task could not be cancelled any more.")
CANCELLED_FOR_MAKEFLOW = Message(
    "cancelled-for-makeflow", "makeflow sees task {task} as failed",
    "makeflow knows no cancelled rules: it ends, or continues with rules that do not need the outputs of this one.")
HELD = Message("held", "task {task} is held until mfmesos release {task}", "The task does not start.")
HELD_RUNNING = Message(
    "held-running", "task {task} is running, and continues; it is held if it has to run again",
    "Only a task that waits can be held.")
RELEASED = Message("released", "task {task} is released", "The task may start.")
SET = Message("set", "task {task} now has {what}", "The task gets these amounts or this priority when it starts.")
SET_RUNNING = Message(
    "set-running", "task {task} is running; if it has to run again, it has {what}",
    "The limits of an attempt do not change.")
SET_NOTHING = Message(
    "set-nothing", "nothing to set; {cure}", "The command needs at least one option.",
    "name an amount or a priority, see mfmesos set --help")
PRIORITY_NOT_USED = Message(
    "priority-not-used", "this run does not order its tasks by priority; {cure}",
    "Only --order priority looks at priorities.", "start the run with --order priority")
RETRIED = Message("retried", "task {task} runs again{more}", "The failure is forgotten.")
RETRIED_MORE = Message(
    "retried-more", ", and {count} that could not run without it", "Part of retried: tasks that need its outputs.")
RETRIED_RUNNING = Message(
    "retried-running", "the attempt of task {task} on {host} is being ended; the task waits to run again",
    "A running task runs again from its start.")
RETRIED_WAITING = Message(
    "retried-waiting", "task {task} waits; where and how often it failed is forgotten", "The task has not ended.")

# --- what cannot be done ---
WORKERS_NOT_STEERED = Message(
    "workers-not-steered", "the tasks of this run are workers, which their managers and limits decide about",
    "mfmesos cancel, retry, hold, release and set are for runs of mfmesos run and mfmesos makeflow.")
TASK_NOT_THERE = Message(
    "task-not-there", "task {task} has ended, or makeflow has not submitted it yet",
    "Only tasks that wait or run can be changed.")
NO_SUCH_TASK = Message("no-such-task", "this run has no task {task}", "The number is not in the task file.")
ENDED_FINISHED = Message(
    "ended-finished", "task {task} has finished; {cure}", "Nothing is left to decide about it in this run.",
    "mfmesos run --rerun {task} runs it again")
ENDED_FAILED = Message(
    "ended-failed", "task {task} has failed or was cancelled; {cure}", "Nothing is left to decide about it.",
    "mfmesos retry {task} runs it again")
ENDED_BLOCKED = Message(
    "ended-blocked", "task {task} cannot run, since a task that it needs has failed; {cure}",
    "Nothing is left to decide about it before that task runs again.", "give mfmesos retry for that task")
RETRY_NOT_RUN = Message(
    "retry-not-run", "task {task} has not run yet: it waits for other tasks", "There is nothing to retry.")
RETRY_ENDING = Message(
    "retry-ending", "the run is ending; {cure}", "Nothing new starts in it.", "the same command runs the task again")
RETRY_FOLLOWED = Message(
    "retry-followed", "a program follows the results of this run, and has read that task {task} failed; {cure}",
    "With --follow each task has one result.", "append the task to the file again, under another number")
RETRY_TEMPORARY = Message(
    "retry-temporary", "task {task} reads or makes temporary outputs, which may be gone; {cure}",
    "Temporary outputs are removed when their last reader has ended.", "the same command runs the task after this run")
RETRY_REPLACED = Message(
    "retry-replaced", "another task makes the outputs of task {task} by now", "Two tasks must not make the same file.")
