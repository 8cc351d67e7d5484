"""Messages of mfmesos/cli and of the program's start: the commands about estimates and the history, and wrong usage."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

UNKNOWN_PROGRAM = Message(
    "unknown-program", "mfmesos: cannot start {program!r}, which is not part of mfmesos; {cure}",
    "mfmesos/start.py was called by hand, or by a file of another version.", "start the mfmesos command")
INTERRUPTED = Message("interrupted", "mfmesos: interrupted", "Ctrl-C ended the command.")
HELP_RUN = Message("help-run", "Run", "A heading of mfmesos --help.")
HELP_SEE = Message("help-see", "See a run, from any terminal", "A heading of mfmesos --help.")
HELP_CHANGE = Message("help-change", "Change a live run", "A heading of mfmesos --help.")
HELP_NEEDS = Message("help-needs", "Needs of tasks, and what-if", "A heading of mfmesos --help.")
HELP_SET_UP = Message("help-set-up", "Set up and repair", "A heading of mfmesos --help.")
DETACHED = Message(
    "detached", "the run continues in the background (process {process}, log {log}); {cure}",
    "With --detach, when the run has begun.", "mfmesos attach {folder} follows it, kill -INT {process} stops it")
DETACHED_ALREADY = Message(
    "detached-already", "a detached run is active in {folder}; {cure}", "One run at a time uses a folder.",
    "mfmesos attach {folder} follows it")
DETACHED_NO_LOG = Message(
    "detached-no-log", "{file} cannot be written ({why}), so the run was not started",
    "The log of a detached run cannot be created.")
NUMBER_OUT_OF_BOUNDS = Message(
    "number-out-of-bounds", "{value!r} is not {bounds}.", "The value of an option is not a number, or out of bounds.",
    "give a number within the bounds")
BAD_WORKER_OPTION = Message(
    "bad-worker-option", "{option}: {value} is not valid; {cure}", "The value has another form than the option takes.",
    "see mfmesos pool --help")
MIN_ABOVE_MAX = Message(
    "min-above-max", "--min {least} is more than --max {most}", "The bounds of `mfmesos pool` exclude each other.",
    "lower --min or raise --max")

# --- the history ---
NO_CATEGORY = Message(
    "no-category", "no category {category!r} in this history; {cure}",
    "No attempt in the history belongs to this category.", "run mfmesos estimates for a list of all categories")
SIMILAR_CATEGORIES = Message(
    "similar-categories", "no category {category!r} in this history; similar names: {names}",
    "No attempt in the history belongs to this category.", "choose one of the names")
ATTEMPTS_LEFT_OUT = Message(
    "attempts-left-out", "mfmesos: {attempts} with invalid values left out",
    "The history holds attempts with impossible times or amounts, for example from a machine with a wrong clock.")
NO_HISTORY_YET = Message(
    "no-history-yet", "{path}: no history found; {cure}", "The history is created by the first run.",
    "run a workflow first, or choose another file with --history")
HISTORY_OUTPUT_FAILED = Message(
    "history-output-failed", "{file}: {why}; {cure}", "The file could not be read or written.",
    "check its permissions, or choose another file")
STANDARD_OUTPUT = Message("standard-output", "standard output", "Part of history-output-failed: the file.")
EXPORT_EXISTS = Message(
    "export-exists", "{file} already exists; {cure}", "An export never overwrites a file.",
    "remove it or choose another name")
EXPORT_FAILED = Message(
    "export-failed", "{file}: {why}; {cure}", "The export could not be written, and the incomplete file was removed.",
    "free some space or choose another file")
IMPORT_NOT_TEXT = Message(
    "import-not-text", "{file}: not UTF-8 text; {cure}", "The file to import is binary or in another encoding.",
    "save it as CSV in UTF-8")
SHOWN_ATTEMPTS = Message("shown-attempts", "{attempts} in {path}", "How many attempts the table shows.")
IMPORTED = Message("imported", "{attempts} imported into {path}", "The import is complete.")
IMPORTED_SOME = Message(
    "imported-some", "{attempts} imported into {path}, {known} already present",
    "The history already held the other attempts of the file.")
OLDEST_REMOVED = Message(
    "oldest-removed", "mfmesos: the history is full: its {count} oldest attempts were removed",
    "The history keeps a bounded number of attempts, in total and of each category.")
PRUNED = Message("pruned", "{attempts} removed from {path}", "What `mfmesos history prune` did.")
PRUNE_WHAT = Message(
    "prune-what", "choose what to remove: --older-than DAYS, --category NAME, both, or --all",
    "`mfmesos history prune` needs exactly one choice.", "name the attempts to remove")

# --- estimates ---
NO_MATPLOTLIB = Message(
    "no-matplotlib", "--plot needs matplotlib; {cure}", "matplotlib is not installed with mfmesos by default.",
    "install it: pip install 'mfmesos[plot]'")
PLOT_FAILED = Message(
    "plot-failed", "{file}: cannot write the plot ({why}); {cure}",
    "The file cannot be written, or matplotlib does not support its extension.",
    "give the name of a .png, .pdf or .svg file in a folder that you can write to")
NOT_DRAWN = Message(
    "not-drawn", "mfmesos: {count} categories with fewer attempts are not drawn; {cure}",
    "The plot shows only the categories with the most attempts.", "name a category to see it")
AT_END_FAILED = Message(
    "at-end-failed", "the command of --at-end failed: {why} ({cure})",
    "The run itself has ended, and its exit code stays.",
    "try the command in a shell")
AT_END_CODE = Message("at-end-code", "exit code {code}", "Part of at-end-failed.")
