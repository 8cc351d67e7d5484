"""Messages of the executor: why an attempt ended as it did, and why a claim ended. They reach the user by way of the
scheduler. This module travels to the agents: Python 3.8 or newer."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_AGENT = "The agent is to blame, so the task runs again elsewhere."
_KILLED = "The scheduler had the attempt killed, for example because the task was cancelled."
_TRANSFER = "Part of input-not-fetched."

# --- before the command runs ---
NOT_STARTED = Message(
    "not-started", "the task could not be started on this agent: {why}", _AGENT)
KILLED_BEFORE_START = Message(
    "killed-before-start", "killed before it started", _KILLED)
INPUT_NOT_FETCHED = Message(
    "input-not-fetched", "input {name} could not be fetched: {why}",
    "The transfer from the scheduler or a web server failed, or the file was changed during the run.")
INPUT_NOT_IN_PLACE = Message(
    "input-not-in-place", "input {name} could not be put in place: {why}",
    "The agent's disk is full, or its file system does not accept the name.")
INPUT_CHANGED = Message(
    "input-changed",
    "its input {name}, which it shared with other tasks, was changed while it ran; it runs again with copies",
    "The task wrote to the input, or another task did. Nothing that was made from changed content is used.",
    "let the command write to a copy of the file, or declare the file as an output as well")
EXECUTOR_BUG = Message("executor-bug", "the executor failed: {kind}: {why}", "A bug: please report it.")
COMMAND_INVALID = Message(
    "command-invalid", "the command or its environment cannot be run: {why}",
    "The command or a variable contains a character that Linux does not accept.", "remove the character")
ENVIRONMENT_TOO_LARGE = Message(
    "environment-too-large",
    "the environment of {size} KB is too large for Linux, which allows at most 128 KB in one variable: {name} has "
    "{largest} KB; {cure}",
    "Linux does not start a command with so large an environment.", "pass it in a file")
BAD_FILE_NAME = Message(
    "bad-file-name", "{name!r} is not a file name", "A name is empty or contains a NUL.", "correct the name")

# --- how the command ended ---
EXIT_CODE = Message(
    "exit-code", "exit code {code}", "The command reported a failure; its last line of stderr follows.",
    "see the task's log, correct the command and run again")
EXIT_CODE_OF_SIGNAL = Message(
    "exit-code-of-signal", "exit code {code} (killed by signal {number}, {name})",
    "A shell exits with 128 + N when signal N kills its command.")
KILLED_BY_SIGNAL = Message(
    "killed-by-signal", "killed by signal {number} ({name})",
    "The command crashed or was killed. SIGKILL often means that memory ran out.")
KILLED_ON_REQUEST = Message(
    "killed-on-request", "killed on request", _KILLED)
OVER_MEMORY_LIMIT = Message(
    "over-memory-limit", "memory: used {used}, more than its limit of {limit}",
    "The attempt needs more than the task declares, or more than was estimated. An estimate grows and the task runs "
    "again.", "if the task declares memory, declare more")
OVER_DISK_LIMIT = Message(
    "over-disk-limit", "disk: used {used}, more than its limit of {limit}",
    "The attempt needs more than the task declares, or more than was estimated. An estimate grows and the task runs "
    "again.", "if the task declares disk, declare more")
OVER_WALL_LIMIT = Message(
    "over-wall-limit", "wall time: ran for {ran:.1f} s, longer than its limit of {limit:g} s",
    "The task declares a wall_time that is too short.", "declare a longer wall_time")
CLAIM_USED_UP = Message(
    "claim-used-up", "{resource}: used {used}, more than its share of {given}, when the claim's {whole} were used up",
    "Attempts may use more than their share while the claim has room; this one was furthest above its share.")
DISK_USED_WHEN_FULL = Message(
    "disk-used-when-full", "disk: used {used:.0f} MB, more than its share of {given:.0f} MB, when the disk was full",
    "The agent's disk filled up, and this attempt had used more than its share.")
AGENTS_DISK_FULL = Message(
    "agents-disk-full", "the disk of the agent is full", _AGENT)
AGENTS_DISK_FULL_SINCE = Message(
    "agents-disk-full-since", "the disk of the agent is full ({why})", _AGENT)
EXECUTOR_FOLDER_GONE = Message(
    "executor-folder-gone", "the executor's folder on the agent was removed",
    "A task, or somebody on the agent, deleted the folder in which the executor works.")
EXECUTOR_FOLDER_READ_ONLY = Message(
    "executor-folder-read-only", "the executor's folder on the agent cannot be written: {why}", _AGENT)

# --- GPUs ---
_GPU_TAKEN = "The task runs again, uncharged, with another GPU, or with this one when it is free."
GPU_LOCKED = Message(
    "gpu-locked", "GPU {gpu} is in use by another run of mfmesos, or another claim, on this agent", _GPU_TAKEN)
GPU_HAS_PROCESS = Message(
    "gpu-has-process", "process {pid}{name} is on GPU {gpu} and does not belong to the task that has this GPU",
    "Somebody uses the GPU without Mesos, or a task of another claim uses a GPU that it was not given. An executor "
    "ends only processes of its own tasks.", "have the process ended; isolate GPUs on the agent (docs/gpus.md)")
GPU_MEMORY_LEFT = Message(
    "gpu-memory-left", "{used:.0f} MB of memory are in use on GPU {gpu}, but no process is on it",
    "The GPU is in quarantine until its memory is free.", "if this does not end, reset the GPU")
GPU_FAULTY = Message(
    "gpu-faulty", "GPU {gpu} reports an error: {why}", "No task gets the GPU until the error is gone.",
    "reset the GPU or restart the agent's machine")
GPU_MISSING = Message(
    "gpu-missing", "nvidia-smi does not list GPU {gpu}", "No task gets the GPU until it is back.",
    "see the kernel's log on the agent for Xid errors")
GPU_UNSEEN = Message(
    "gpu-unseen", "nvidia-smi does not say whether GPU {gpu} is free", "The GPU is in quarantine until it does.",
    "run nvidia-smi on the agent")
GPU_ECC = Message(
    "gpu-ecc", "{count} uncorrected memory errors (ECC)", "Part of gpu-faulty: since the driver was loaded.")
OF_ATTEMPT = Message("of-attempt", "attempt {attempt} of mfmesos", "Part of gpu-has-process.")
TOO_FEW_GPUS = Message(
    "too-few-gpus", "the agent has fewer than {wanted} GPUs", "The agent offers GPUs that nvidia-smi does not list.",
    "compare the agent's --resources with nvidia-smi -L")
GPU_NOT_GIVEN = Message(
    "gpu-not-given", "its process {pid}{name} used GPU {gpu}, which the task was not given",
    "The command overrides CUDA_VISIBLE_DEVICES or a similar variable.",
    "use the GPUs that the variable names, or request more GPUs")

# --- outputs ---
OUTPUTS_INCOMPLETE = Message(
    "outputs-incomplete", "its outputs may be incomplete",
    "Part of agents-disk-full-since: an exit code does not show it.")
OUTPUTS_UNREADABLE = Message(
    "outputs-unreadable", "its outputs could not be read: {why}", _AGENT)
OUTPUT_UNREADABLE = Message(
    "output-unreadable", "an output cannot be read: {why}", "The task made an output whose name or link is not valid.",
    "correct the name or the link")
OUTPUTS_NOT_SENT = Message(
    "outputs-not-sent", "its outputs could not be delivered: {why}", "The transfer to the scheduler failed.")
KILLED_WHILE_SENDING = Message(
    "killed-while-sending", "killed while its outputs were being sent", _KILLED)
OUTPUT_NOT_MADE = Message(
    "output-not-made", "output {name} missing{instead}", "The command succeeded, but did not make its output.",
    "correct the command or the name of the output")
OUTPUTS_NOT_MADE = Message(
    "outputs-not-made", "outputs {names} missing{instead}", "The command succeeded, but did not make its outputs.",
    "correct the command or the names of the outputs")
AND_MORE_NAMES = Message("and-more-names", "{names} and {others} more", "Part of outputs-not-made.")
NAME_CAME_APART = Message(
    "name-came-apart",
    "(the task made \"{name}\": a name with a {word} can't be written in mesos_task_info; {cure})",
    "Part of output-not-made: makeflow separates names by blanks and commas.", "rename it, or use JSON lines")
OUTPUT_LINK_LEADS_OUT = Message(
    "output-link-leads-out", "output {name} is a symbolic link that leads out of the task's folder",
    "A task must not publish links to files of the agent.", "copy the file instead of linking to it")
OUTPUT_LINK_LEADS_OUT_TO = Message(
    "output-link-leads-out-to", "output {name} is a symbolic link that leads out of the task's folder (to {end})",
    "A task must not publish links to files of the agent.", "copy the file instead of linking to it")
OUTPUT_TOO_DEEP = Message(
    "output-too-deep", "output {name} is nested more than {most} folders deep; {cure}", "Such a tree is not sent.",
    "pack it into an archive")
OUTPUT_NOT_A_FILE = Message(
    "output-not-a-file", "output {name} is neither a file nor a folder", "The task made a device, pipe or socket.",
    "declare only files and folders as outputs")
OUTPUT_LINK_LOOP = Message(
    "output-link-loop", "output {name} is a symbolic link to a folder that contains it",
    "The folder would have no end.", "remove the link")
OUTPUT_SHRANK = Message(
    "output-shrank", "an output became shorter while it was being sent", "A process of the task still writes to it.",
    "have the command wait for its background processes")

# --- transfers ---
AFTER_TRIES = Message(
    "after-tries", "after {tries} tries {why}", _TRANSFER)
BATCH_NOT_A_LIST = Message(
    "batch-not-a-list", "a list of 1 to {most} digests is expected",
    "The staging server refuses an invalid request for many inputs; it reaches the user in the executor's log.")
BATCH_NO_DIGEST = Message(
    "batch-no-digest", "the list holds something other than a digest",
    "The staging server refuses an invalid request for many inputs; it reaches the user in the executor's log.")
BATCH_DAMAGED = Message(
    "batch-damaged", "the answer with many inputs is incomplete or damaged", _TRANSFER)
DIGEST_OF_FOLDER = Message(
    "digest-of-folder",
    "the received data differs from what was announced (the digest of the folder differs)", _TRANSFER)
DIGEST_OF_FILE = Message(
    "digest-of-file", "the received data differs from what was announced (its sha256 differs)", _TRANSFER)
MEMBER_NOT_A_FILE = Message(
    "member-not-a-file", "{name} is neither a file nor a folder", _TRANSFER)
MEMBER_LEADS_OUT = Message(
    "member-leads-out", "{name} leads out of its folder", _TRANSFER)
MEMBER_LINK_LEADS_OUT = Message(
    "member-link-leads-out", "{name} is a symbolic link that leads out of its folder", _TRANSFER)
OTHER_CERTIFICATE = Message(
    "other-certificate", "the scheduler's certificate is not the one that this claim was given",
    "Something between agent and scheduler answers in its place, or the scheduler's key was replaced.")
CONNECTION_LOST = Message(
    "connection-lost", "the connection was lost", _TRANSFER)
NO_THREAD = Message(
    "no-thread", "no thread could be started: {why}", "The agent limits processes or memory.",
    "raise the limits of the agent")

# --- why a claim ended ---
ANSWER_INVALID = Message(
    "answer-invalid", "its answer is invalid: {why}", "The scheduler is of another version.", "start the run again")
ONE_CLAIM_ONLY = Message(
    "one-claim-only", "an executor of mfmesos serves only one claim", "Mesos launched a second task in it: a bug.")
SHUTDOWN_REQUESTED = Message(
    "shutdown-requested", "the agent asked the executor to shut down", "Mesos removes the framework or the agent.")
CLAIM_DATA_INVALID = Message(
    "claim-data-invalid", "the data that the scheduler sent with the claim is not valid: {why}",
    "The scheduler is of another version.", "start the run again")
SANDBOX_READ_ONLY = Message(
    "sandbox-read-only", "the sandbox cannot be written: {why}", "The agent's disk or work directory has a problem.",
    "check the agent's disk")
CLAIM_REFUSED_BY_SCHEDULER = Message(
    "claim-refused-by-scheduler", "the scheduler refused this claim: {why}",
    "The run has ended, or another scheduler uses its port now.")
SCHEDULER_SILENT = Message(
    "scheduler-silent", "the scheduler did not answer for {silent:.0f} s",
    "The network between agent and scheduler, or the scheduler itself, is down.")
SCHEDULER_GONE = Message(
    "scheduler-gone", "the scheduler has been gone for {gone:.0f} s",
    "Nothing listens where the scheduler was. The executor ends, and a resumed run opens new claims.")
TEMPORARY_NOT_A_FILE = Message(
    "temporary-not-a-file", "the output {name} is temporary and must be a file ({cure})",
    "The task made a folder, or something else, where a temporary output was declared.",
    "pack the folder into one file, or remove \"temporary\"")
