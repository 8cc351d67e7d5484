"""Messages of mfmesos/scheduler: the start and the end of a run."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- the start ---
NO_TASK_FILE = Message(
    "no-task-file", "{path}: contains neither {first} nor {second}; {cure}",
    "`mfmesos run FOLDER` looks for these names in the folder.", "name the task file")
TASK_FILE_ODD = Message(
    "task-file-odd", "{path}: this is {odd}, not a file; {cure}", "A task file is read several times.",
    "write the tasks to a file in the workflow's folder")
STATE_FILE_ODD = Message(
    "state-file-odd", "{path}: this is {odd}, not a file; mfmesos writes the results of tasks to it; {cure}",
    "Something else has the name of a file of mfmesos.", "move it away")
DONE_FILE_ODD = Message(
    "done-file-odd", "{path}: this is {odd}, not a file; with --follow it ends the run; {cure}",
    "Something else has the name of a file of mfmesos.", "move it away")
NOTHING_STARTED = Message(
    "nothing-started", "nothing was started",
    "The task file has errors, which are printed above. mfmesos runs all of its tasks or none.",
    "correct the errors and run the same command again")
WOULD_SKIP = Message(
    "would-skip", "{done} of {total} tasks already finished and would not run",
    "--dry-run: an earlier run finished them, and their command, inputs and outputs have not changed.")
WOULD_MAKE_AGAIN = Message(
    "would-make-again", "{task}: {command} [again, for its temporary {names}]",
    "--dry-run: an earlier run finished the task, and a task that will run reads its temporary outputs.")
WOULD_RUN = Message("would-run", "{task}: {command}", "--dry-run: one line for each task, in the order of the run.")
WOULD_RUN_AGAIN = Message(
    "would-run-again", "{task}: {command} (runs again: {why})",
    "--dry-run: the task finished in an earlier run, and something that it depends on has changed.")
RUNS_AGAIN = Message(
    "runs-again", "{count} finished earlier and run again: {tasks}",
    "Something that these tasks depend on has changed since they finished.")
RUNS_AGAIN_MORE = Message(
    "runs-again-more", "{count} finished earlier and run again: {tasks}, and {more} more (--dry-run lists them all)",
    "Something that these tasks depend on has changed since they finished.")
TASK_RUNS_AGAIN = Message("task-runs-again", "task {task} ({why})", "Part of runs-again: one task.")
SYNC_ADDRESS_LOST = Message(
    "sync-address-lost", "{why}; the tasks of the crashed scheduler run again",
    "The scheduler resumes a crashed run, but cannot listen at the old address, where executors look for it.")

RUN_BEGINS = Message("run-begins", "{where}: {amounts}", "The first line of a run: where it runs, and on how much.")
EMBEDDED_CLUSTER = Message("embedded-cluster", "embedded cluster on this machine", "Part of run-begins.")
CLUSTER_OF = Message("cluster-of", "cluster of {master}", "Part of run-begins.")
CLUSTER_AMOUNTS = Message(
    "cluster-amounts", "{agents}, {cores} cores, {memory} MB",
    "Part of run-begins: what the agents could give to tasks.")
CLUSTER_UNKNOWN = Message(
    "cluster-unknown", "its agents are not known yet", "Part of run-begins: the master has not listed them.")
TASKS_DONE_BEFORE = Message(
    "tasks-done-before", "{done} of {tasks} finished before", "Part of run-begins: in earlier runs.")
LEARNED_OF = Message(
    "learned-of", "{count} {noun} learned", "Part of run-begins: what the history has of earlier tasks.")

# --- during the run ---
JOURNAL_FAILING = Message(
    "journal-failing", "{why}; no new task starts until the journal can be written",
    "mfmesos saves each decision before it acts on it.",
    "remove the reason, usually a full disk; the run then continues")
FOLDER_REPLACED = Message(
    "folder-replaced", "{path} was removed, renamed or replaced during the run; {cure}",
    "The workflow's folder or .mfmesos in it is no longer the one of this run, so that no result can be stored.",
    "put it back or start the run again, and leave the folder in place until the run has ended")

# --- the end ---
RUN_STOPPING = Message(
    "run-stopping", "{why}; ending what runs; {cure}", "The run was stopped, by Ctrl-C for example.",
    "run the same command again to resume")
STOPPED_BY_SIGNAL = Message(
    "stopped-by-signal", "stopped by {signal}", "Why the run ended: the scheduler received a signal.")
ONLY_ENDED = Message(
    "only-ended", "ending the tasks and claims of the crashed scheduler",
    "This scheduler was started only to kill the tasks of a crashed one and to return its resources.")
STOPPED_LATE = Message(
    "stopped-late", "{why}; some tasks or claims did not end within {seconds:.0f} s",
    "The run ended, but some claims did not confirm their end in time.", "run mfmesos clean in the workflow's folder")
SCHEDULER_CRASHED = Message(
    "scheduler-crashed", "mfmesos: the scheduler failed unexpectedly: {kind}: {why}; see {log}",
    "An error in mfmesos.", "report it with the end of the log; finished tasks are not lost")
CRASH_CURE = Message(
    "crash-cure", "{cure}", "Follows scheduler-crashed in `mfmesos run`.",
    "run the same command again to resume, or end all running tasks with mfmesos clean")
SCHEDULER_ERROR = Message("scheduler-error", "mfmesos: {why}", "Why the scheduler did not start or has ended.")
TEMPORARIES_KEPT = Message(
    "temporaries-kept", "temporary outputs: {stayed} ({stayed_size}) stayed on the agents, {brought} ({brought_size}) "
    "passed through this machine for tasks elsewhere", "How much was not moved, before the last line of a run.")
TEMPORARIES_REMADE = Message(
    "temporaries-remade", "{kept}; {tasks} ran again to make them again",
    "Part of the same line: an agent or a claim that had the last copy was lost, or an earlier run left none.")
INPUTS_FROM_PEERS = Message(
    "inputs-from-peers", "inputs: {peers} came from other agents, {scheduler} from this machine",
    "What --peer-transfers saved, before the last line of a run.")
INPUTS_FROM_NO_PEER = Message(
    "inputs-from-no-peer", "inputs: none came from another agent, {scheduler} from this machine; {cure}",
    "--peer-transfers had no effect: no input of 1 MiB or more had readers on several agents, or agents cannot connect "
    "to each other.", "if agents share large inputs, see whether they can connect to each other (docs/operators.md)")
NOT_RUN = Message(
    "not-run", "{tasks} did not run: tasks that make their inputs failed", "After the failures of a run.")
RUN_KEEPS = Message(
    "run-keeps", "output of tasks: {logs}, report: {report}", "Before the last line of a run.")
RUN_CONTINUES = Message(
    "run-continues", "to continue: the same command; to see why a task failed: `mfmesos why TASK`",
    "Tasks of the run failed or did not run.")
FINISHED = Message(
    "finished", "{finished} of {total} tasks finished in {time}; outputs are in {folder}", "The last line of a run.")
FINISHED_RESUMED = Message(
    "finished-resumed", "{finished} of {total} tasks finished ({before} of them in an earlier run) in {time}; "
    "outputs are in {folder}", "The last line of a run.")
