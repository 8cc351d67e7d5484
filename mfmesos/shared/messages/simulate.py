"""Messages of mfmesos/simulate: errors in the files of clusters and workloads, and what `mfmesos simulate` prints."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- files ---
SIMULATED_FILE_UNREADABLE = Message(
    "simulated-file-unreadable", "{path}: {why}; {cure}", "The file cannot be read.",
    "check the name and the permissions of the file")
SIMULATED_NAME_UNKNOWN = Message(
    "simulated-name-unknown", "{name} is no file, and mfmesos has no {kind} of that name; {cure}",
    "--cluster and --workload take a file or the name of one that comes with mfmesos.",
    "give a file, or one of {names}")
SIMULATED_NOT_JSON = Message(
    "simulated-not-json", "{path}:{line}: {why}; {cure}", "The file is not valid JSON.",
    "correct the line; docs/simulate.md has examples")
SIMULATED_KEY_UNKNOWN = Message(
    "simulated-key-unknown", "{path}: {key} is not a key here; {cure}", "The key is misspelt, or belongs elsewhere.",
    "the keys are {keys}")
SIMULATED_KEY_MISSING = Message(
    "simulated-key-missing", "{path}: {key} is missing; {cure}", "The file lacks a value that has no default.",
    "add the key; docs/simulate.md lists all keys")
SIMULATED_VALUE = Message(
    "simulated-value", "{path}: {key} is {value}; {cure}", "The value is of the wrong kind, or out of bounds.",
    "give {wanted}")
_PART = "Part of simulated-value: what the key takes."
WANT_OBJECT = Message("want-object", "an object in braces", _PART)
WANT_LIST = Message("want-list", "a list in brackets", _PART)
WANT_TEXT = Message("want-text", "a text in quotes", _PART)
WANT_FLAG = Message("want-flag", "true or false", _PART)
WANT_NUMBERS = Message("want-numbers", "a list, each of its items {bounds}", _PART)
WANT_AMOUNTS = Message("want-amounts", "an object, each of its values {bounds}", _PART)
WANT_AGENTS = Message("want-agents", "at least one group of agents", _PART)
WANT_CATEGORIES = Message("want-categories", "at least one category", _PART)
WHOLE_FILE = Message("whole-file", "the content", "Part of simulated-value: the file as a whole.")
SIMULATED_LINE = Message(
    "simulated-line", "{path}:{line}: {why}; {cure}", "A line of a task file is malformed.", "{mend}")
SIMULATED_SECONDS_MISSING = Message(
    "simulated-seconds-missing", "{path}:{line}: the task has no seconds; {cure}",
    "A simulation needs the run time of each task.", 'add "seconds" with the run time of the task')
SIMULATED_EMPTY = Message(
    "simulated-empty", "{path}: no tasks; {cure}", "The workload has no task.", "give a file with tasks")
SIMULATED_PARENT_UNKNOWN = Message(
    "simulated-parent-unknown", "{path}: task {task} names the parent {parent}, which the file does not have; {cure}",
    "The dependencies of a workflow name a task that is missing.", "correct the parents")
SIMULATED_WFFORMAT = Message(
    "simulated-wfformat", "{path}: WfFormat of version {version}; {cure}",
    "Versions before 1.5 keep tasks elsewhere in the file.", "convert the file to version 1.5")
SIMULATED_KINDS = Message(
    "simulated-kinds", "{path}: neither a task mix nor a WfFormat workflow; {cure}",
    "A workload in JSON has a key categories or a key workflow.",
    "give one of these, a task file (.jsonl) or a trace (.csv)")

# --- results ---
SIMULATED_CLUSTER = Message(
    "simulated-cluster", "cluster {name}: {agents}, {cores:g} cores, {memory:.0f} GB memory; seed {seed}",
    "The first line of the results.")
SIMULATED_RUN = Message(
    "simulated-run", "{name}: {finished} of {tasks} finished in {makespan:.0f} s, {attempts} attempts",
    "One line for each run.")
SIMULATED_FAILED = Message(
    "simulated-failed", "{failed} failed, {skipped} depend on these; most often: {why}",
    "Tasks of a simulated run failed.")
SIMULATED_WAITS = Message(
    "simulated-waits",
    "wait: mean {mean:.1f} s, median {median:.1f} s, 95 % within {high:.1f} s, longest {most:.1f} s; "
    "bounded slowdown: mean {slow_mean:.2f}, 95 % within {slow_high:.2f}",
    "How long tasks waited for the start of their last attempt.")
SIMULATED_COST = Message(
    "simulated-cost", "{cores:.2f} core-hours and {memory:.2f} GB-hours in claims; of the core-hours {parts}",
    "What the claims of a run held, and what became of it.")
SIMULATED_CLAIMS = Message(
    "simulated-claims", "{claims}, {most} at once at most, {mean:.0f} s long on average", "The claims of a run.")
SIMULATED_USE = Message(
    "simulated-use",
    "while tasks waited ({waited:.0f} s) they used {cores:.1%} of the cores, {memory:.1%} of the memory",
    "The utilisation; the larger one is that of the scarcest resource.")
SIMULATED_FAIR = Message(
    "simulated-fair",
    "fairness error: {mean:.3f} on average over {contended:.0f} contended s, {most:.3f} at most; "
    "Jain index {jain:.3f}; lacked on average: {parts}",
    "The parts of their fair shares that frameworks lacked.")
SIMULATED_RIVAL = Message(
    "simulated-rival", "{name} (another framework): {finished} finished, the last after {last:.0f} s", "One line for "
    "each other framework.")
SIMULATED_SPEED = Message(
    "simulated-speed", "{decisions:,} decisions in {real:.1f} s of real time: {rate:.0f} per second",
    "The speed of the simulation.")
SIMULATED_UNFINISHED = Message(
    "simulated-unfinished", "mfmesos: not over after {seconds:.0f} simulated seconds; {cure}",
    "Tasks wait for ever, or the workload takes longer than --until.", "see the waits above, or raise --until")
SIMULATED_PLOT_FAILED = Message(
    "simulated-plot-failed", "{file}: {why}; {cure}", "The results could not be written.",
    "choose another file; a plot is PNG, PDF or SVG")
