"""Messages of `mfmesos status`, `why`, `logs`, `report` and `web`."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- status ---
STATUS_RUNNING = Message(
    "status-running", "{command}, running for {time} (process {pid})", "The run is active.")
STATUS_NONE = Message("status-none", "no run of mfmesos yet", "The folder has no record of a run.")
STATUS_CRASHED = Message(
    "status-crashed", "{command}, started {time} ago: no scheduler answers",
    "The record says that the run has not ended: it has crashed, or its launcher is restarting the scheduler.")
STATUS_CRASHED_CURE = Message(
    "status-crashed-cure", "{cure}", "Follows status-crashed.",
    "The same command resumes it; mfmesos clean ends all running tasks")
STATUS_ENDED = Message("status-ended", "{command}, ended {ago} ago after {time}", "The run has ended.")
STATUS_ENDED_WHY = Message("status-ended-why", "why it ended: {why}", "The run has ended early.")
STATUS_RESUME = Message(
    "status-resume", "The same command runs only the tasks that have not finished.", "Last line of the status.")
STATUS_CLUSTER = Message(
    "status-cluster", "cluster {master}: {agents} with {cores} cores, {memory} MB memory",
    "What the agents could give to tasks.")
STATUS_HOLDS = Message(
    "status-holds", "held: {claims} with {cores} cores, {memory} MB memory", "What the run holds of the cluster.")
STATUS_GPUS_STRICT = Message(
    "status-gpus-strict", "GPUs: {gpus:g} held, kept apart by the kernel (strict)",
    "The agents isolate GPUs: no task can use the GPU of another claim (docs/gpus.md).")
STATUS_GPUS_ADVISORY = Message(
    "status-gpus-advisory", "GPUs: {gpus:g} held, {advisory:g} on agents that do not isolate them (advisory)",
    "Tasks there learn by variables which GPUs are theirs, and a task that overrides them is found later, or never "
    "(docs/gpus.md).")
STATUS_DISCONNECTED = Message(
    "status-disconnected", "the master is unreachable at the moment; what runs continues",
    "The scheduler has lost its connection, and tries again.")
RUN_RESTS = Message(
    "run-rests", "this run has had its turn; others go first, for {time} at most",
    "Other frameworks that hold nothing wait on a full cluster: the run asks for offers again after that time.")
STATUS_STOPPING = Message("status-stopping", "the run is stopping: {why}", "Nothing new starts.")
STATUS_TASKS = Message("status-tasks", "{finished} of {total} finished{more}", "How far the run is.")
STATUS_BEFORE = Message("status-before", "{before} of them in earlier runs", "Part of status-tasks.")
STATUS_FAILED = Message("status-failed", "{failed} failed", "Part of status-tasks.")
STATUS_WITHDRAWN = Message("status-withdrawn", "{withdrawn} withdrawn", "Part of status-tasks.")
STATUS_NOW = Message("status-now", "{running} running, {waiting} waiting", "What the tasks do now.")
STATUS_NOW_INPUTS = Message(
    "status-now-inputs", "{running} running, {waiting} waiting ({inputs} for other tasks)",
    "What the tasks do now.")
STATUS_LEFT = Message("status-left", "{now}; about {left} left", "With the predicted time.")
STATUS_MORE = Message("status-more", "... and {more} more", "The table shows the tasks that have run longest.")
STATUS_MORE_REASONS = Message(
    "status-more-reasons", "... and {more} more reasons", "The table shows the commonest.")

# --- runs ---
NO_RUNS = Message("no-runs", "no run of yours is known", "Runs are listed from their start on.")
AGO = Message("ago", "{time} ago", "When a run began.")
RUN_GONE = Message("run-gone", "gone", "State of a run whose folder has no record any more.")

# --- why ---
WHY_FINISHED = Message("why-finished", "task {task} finished, {time} after its submission", "First line of why.")
WHY_FAILED = Message("why-failed", "task {task} failed: {why}", "First line of why.")
WHY_WITHDRAWN = Message("why-withdrawn", "task {task} was withdrawn: {why}", "First line of why.")
WHY_NOT_RUN = Message("why-not-run", "task {task} did not run: {why}", "First line of why.")
WHY_HELD_BACK = Message("why-held-back", "task {task} waits for {count} from other tasks", "First line of why.")
WHY_INPUT_OF = Message("why-input-of", "{name} of task {tasks}", "An input that is not made yet, and its task.")
WHY_INPUT_MISSING = Message("why-input-missing", "{name}, which does not exist yet", "An input that no task makes.")
WHY_WAITS = Message("why-waits", "task {task} has been waiting for {time}", "First line of why.")
WHY_RUNS = Message("why-runs", "task {task} is {state} on {host}, for {time}", "First line of why.")
WHY_ALLOCATED = Message(
    "why-allocated", "it has {cores} cores, {memory} MB memory and {disk} MB disk", "While it runs.")
WHY_AGAIN = Message("why-again", "an earlier run had finished it; it runs again: {why}", "Why a task is not skipped.")
WHY_ATTEMPTS = Message("why-attempts", "{count}: number, agent, run time, end", "Heading of the attempts.")
WHY_ATTEMPT_FINISHED = Message("why-attempt-finished", "finished", "How an attempt ended.")
WHY_USED = Message(
    "why-used",
    "memory {memory} of {of_memory} MB, disk {disk} of {of_disk} MB, cores {cores} of {of_cores}, CPU {cpu}",
    "What an attempt used of its limits or, without limits, of its allocation.")
WHY_TAIL = Message("why-tail", "the last {lines} of {kind}:", "Heading of what a failed task printed.")
WHY_SKIPPED = Message("why-skipped", "... {changes} left out", "A long story loses its middle.")
WHY_KEPT = Message("why-kept", "its output is in {paths}", "Last line of why.")
WHY_ALL_WAITING = Message(
    "why-all-waiting", "{waiting} waiting, {inputs} of them for other tasks; the first of the others:",
    "First line of why without a task.")
WHY_ALL_INPUTS = Message(
    "why-all-inputs", "{waiting} waiting, all of them for other tasks", "Of why without a task.")
WHY_ALL_FAILED = Message(
    "why-all-failed", "no task waits for resources, {failed} failed; one of the most common reason:",
    "First line of why without a task.")
WHY_NOTHING = Message("why-nothing", "no task waits, and none has failed", "Of why without a task.")
WHY_SANDBOX = Message(
    "why-sandbox", "its sandbox is in {paths}: mfmesos fetch {task}", "Last line of why, of a run with --keep-failed.")
AND_MORE = Message("and-more", "{named} and {more} more", "A long list is cut.")

AMOUNTS = Message("amounts", "{cores} cores, {memory} MB, {disk} MB disk", "An amount of cores, memory and disk.")
WAITS_NEED = Message(
    "waits-need", "it needs {need}; {before} come before it (--order {order})",
    "What the scheduler decided to give it, and its turn.")
WAITS_START = Message(
    "waits-start", "it will probably start in {time}", "A prediction from the run times of this run's tasks.")
WAITS_OTHERWISE = Message(
    "waits-otherwise", "with {option} it would start in {time}",
    "What another policy would do, by the same prediction.")
WAITS_OTHERWISE_NOW = Message(
    "waits-otherwise-now", "with {option} it would start now", "What another policy would do.")
WAITS_START_UNKNOWN = Message(
    "waits-start-unknown", "when it will start is not known yet", "Too few tasks of its kind have ended.")
WAITS_USER = Message(
    "waits-user", "you hold it; {cure}", "Why a task waits.", "mfmesos release {task} lets it start")
WAITS_INPUTS = Message(
    "waits-inputs", "it waits for a temporary input that another task makes again or a claim sends",
    "Why a task waits.")
WAITS_OTHERS = Message(
    "waits-others", "it waits for {input}", "Why a task waits: an input that other tasks make, and these tasks.")
WAITS_PAUSED = Message(
    "waits-paused", "it waits for space: the disk of the workflow's folder is full", "Why a task waits.")
WAITS_ARRIVES = Message(
    "waits-arrives", "it waits for its turn: with --arrival-rate it counts as arrived a little later",
    "Why a task waits.")
WAITS_RUNNING = Message(
    "waits-running", "it waits for its turn: {limit} tasks run, as many as --max-running allows", "Why a task waits.")
WAITS_GATHERING = Message(
    "waits-gathering", "the claim on {claim} is held for it until there is room (--reserve {reserve})",
    "Why a task waits.")
WAITS_HELD = Message(
    "waits-held", "the free room is held for task {behind}, which comes first (--reserve {reserve})",
    "Why a task waits.")
WAITS_FULL = Message(
    "waits-full", "it waits for room in the claims; free is at most {free}", "Why a task waits.")
WAITS_CLAIM = Message("waits-claim", "a claim for it is being launched", "Why a task waits.")
WAITS_UNCONNECTED = Message("waits-unconnected", "no master is reachable at the moment", "Why a task waits.")
WAITS_LARGE = Message(
    "waits-large", "no agent is large enough: the largest has {largest}", "Why a task waits.")
WAITS_BOUND = Message(
    "waits-bound", "at the bound of --max-cores or --max-memory: {held}", "Why a task waits.")
WAITS_SHUNNED = Message(
    "waits-shunned", "where there would be room it failed before, or a shared folder is missing", "Why a task waits.")
WAITS_CONSTRAINT = Message(
    "waits-constraint", "no agent with room meets its constraints now", "Why a task waits.")
WAITS_COUNTER = Message(
    "waits-counter", "running tasks hold the {limit} {name} of the run", "Why a task waits.")
WAITS_GPUS = Message(
    "waits-gpus", "agents with GPUs have room, which it leaves to GPU tasks for a moment", "Why a task waits.")
WAITS_OUT = Message("waits-out", "GPUs that get no tasks for now: {gpus}", "Why a task waits.")
WAITS_OFFERS = Message(
    "waits-offers", "it waits for the cluster: no agent offers enough at the moment", "Why a task waits.")
WAITS_NEXT = Message("waits-next", "it starts in a moment", "Why a task waits.")

# --- which task ---
TASK_UNKNOWN = Message(
    "task-unknown", "{folder}: no task {text!r}; {cure}", "No task has this number, output or text in its command.",
    "name a task by its number, the name of an output or a part of its command (see .mfmesos/report.jsonl)")
RULE_WITHOUT_TASK = Message(
    "rule-without-task", "rule {rule} has no task in this run; {cure}",
    "makeflow has not submitted the rule yet, runs it on this machine (LOCAL), or knows that it succeeded before.",
    "see makeflow's messages and its log, or name a task by its number")
TASK_AMBIGUOUS = Message(
    "task-ambiguous", "{text!r} fits several tasks: {tasks}; {cure}", "Several commands hold this text.",
    "name one of them by its number")
NO_OUTPUT_KEPT = Message(
    "no-output-kept", "task {task} printed nothing", "Only output that is not empty is kept.")
NOTHING_PRINTED_YET = Message(
    "nothing-printed-yet", "task {task} is {state}, and has printed nothing yet",
    "The task has not started, or its executor did not answer.")

# --- top ---
TOP_KEYS = Message(
    "top-keys", "t tasks  w waiting  a agents  < > sort  r reverse  arrows scroll  q quit",
    "The last line of mfmesos top.")
TOP_ROWS = Message("top-rows", "{first}-{last} of {rows} {table}, by {order}", "What mfmesos top shows of a table.")
TOP_FIRST = Message(
    "top-first", "the first {shown} of {waiting}", "Part of top-rows: more tasks wait than mfmesos top shows.")
TOP_REVERSED = Message("top-reversed", "{column} reversed", "Part of top-rows.")
TOP_NO_TERMINAL = Message(
    "top-no-terminal", "mfmesos top needs a terminal; {cure}", "Its input or output is none.",
    "mfmesos status prints the same once, with --watch again and again")
TOP_TERMINAL_BAD = Message(
    "top-terminal-bad", "this terminal cannot be used ({why}); {cure}",
    "TERM names a terminal that is not known, or that cannot move its cursor.",
    "set TERM, or use mfmesos status --watch")

# --- attach ---
ATTACH_LEFT = Message(
    "attach-left", "the run continues; {cure}", "Ctrl-C ended mfmesos attach alone.",
    "mfmesos attach {folder} follows it again, kill -INT {process} stops it")
ATTACH_KILLED = Message(
    "attach-killed", "{folder}: the run ended without an exit code: it was killed; {cure}",
    "The process of a detached run was killed, or the machine was restarted.", "the same command resumes it")

# --- fetch ---
NO_SANDBOX = Message(
    "no-sandbox", "no sandbox of task {task} is kept; {cure}",
    "Only failed attempts of the last run have one, the newest 20, and only with --keep-failed.",
    "run the task again with --keep-failed MB")
SANDBOX_FETCHED = Message(
    "sandbox-fetched", "{folder}: the sandbox of attempt {attempt} of task {task}", "Its files can be looked at.")
SANDBOX_CUT = Message(
    "sandbox-cut", "the largest files were left out; their sizes and names are in {file}",
    "The sandbox was larger than --keep-failed allows.")
SANDBOX_THERE = Message(
    "sandbox-there", "{folder} exists already; {cure}", "A sandbox is unpacked into a new folder.",
    "remove it, or name another folder with -o")
SANDBOX_UNREADABLE = Message(
    "sandbox-unreadable", "{file} cannot be unpacked ({why})", "The file is damaged, or the disk is full.")

# --- report ---
REPORT_WRITTEN = Message(
    "report-written", "{file}: the report of run {run}, {tasks}", "The report is complete: open it in a browser.")
NO_SUCH_RUN = Message(
    "no-such-run", "{folder}: run {run} is not recorded; {cure}", "The record holds the last 20 runs of the folder.",
    "leave out --run for the last one")

# --- the page ---
PAGE_LINK = Message("page-link", "the page is at {link}", "The link holds the token: whoever has it may see the page.")
PAGE_NO_ANSWER = Message(
    "page-no-answer", "{url}: no page answers ({why}); {cure}",
    "mfmesos web, or the run with --web, has ended, or the page is on another machine.",
    "see whether mfmesos web or the run still lasts; from another machine use ssh -L")
PAGE_TOKEN_WRONG = Message(
    "page-token-wrong", "{url}: the token is wrong; {cure}", "Each page has another token.",
    "copy the whole link which mfmesos printed when the page started; it is also in .mfmesos/web.json")
PAGE_TOKEN_MISSING = Message(
    "page-token-missing", "{url}: the token is missing; {cure}",
    "Only who has the token of a page may see it, and no terminal is there to ask for it.",
    "give the whole link of the page, or set MFMESOS_PAGE_TOKEN")
PAGE_TOKEN_ASKED = Message(
    "page-token-asked", "token of the page", "Asked on the terminal; what is typed is not shown.")
PAGE_FOREIGN = Message(
    "page-foreign", "{url} is no page of mfmesos", "Another program, or an earlier version of mfmesos, answers there.")
PAGE_REFUSES = Message(
    "page-refuses", "{url}: the page answers with status {status}; {cure}",
    "The page is one of another version of mfmesos.", "use the version that started it")
PAGE_ELSEWHERE = Message(
    "page-elsewhere", "{url} is no link to a page of mfmesos: these begin with http://127.0.0.1:PORT/; {cure}",
    "A page listens on the machine of its run only, so that the token does not travel in clear text.",
    "reach another machine's page with ssh -L PORT:127.0.0.1:PORT HOST")
PAGE_NOT_LOOPBACK = Message(
    "page-not-loopback", "the page cannot listen on {address}; {cure}",
    "The page has no TLS, so that it is for this machine alone.",
    "listen on 127.0.0.1, and reach it from elsewhere with ssh -L")
