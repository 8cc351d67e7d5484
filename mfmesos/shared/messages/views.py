"""Messages of mfmesos/views: what `mfmesos estimates` prints, and errors in a trace."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- mfmesos estimates ---
CATEGORY_COUNTS = Message(
    "category-counts", "{attempts}, {finished} finished, {exhausted} exhausted",
    "The attempts of a category in the history; exhausted ones ran into a limit.")
CATEGORY_COUNTS_WASTE = Message(
    "category-counts-waste",
    "{attempts}, {finished} finished, {exhausted} exhausted; memory wasted so far: {waste:.2f} of what was used",
    "The attempts of a category in the history; exhausted ones ran into a limit.")
NONE_FINISHED = Message(
    "none-finished", "no attempt has finished yet: the next task gets the amount that it requests, or the default",
    "Estimates start with the first attempt that finishes.")
NEXT_TASK_GETS = Message(
    "next-task-gets",
    "the next task gets {amount} MB: {why} (expected: {waste:.2f} wasted, {retries:.1f} retries in 100)",
    "The estimate for the usual input size, its reason and its expected price.")
WITH_AN_INPUT = Message(
    "with-an-input", "with an input of {size} MB: {amount} MB", "The estimate for a small and for a large input.")
USUAL_CORES = Message(
    "usual-cores", "usually {cores} cores; allocated in quarters, at least one", "The estimate of cores.")
USUAL_TIME = Message("usual-time", "usually {seconds} s", "The estimate of the run time.")

# --- traces ---
_COLUMNS = "give a trace as CSV with the columns {columns}"
TRACE_UNREADABLE = Message(
    "trace-unreadable", "{path}: {why}: {cure}", "The trace cannot be opened.", _COLUMNS)
TRACE_NOT_UTF8 = Message(
    "trace-not-utf8", "{path}: this is not UTF-8 text; {cure}", "The trace has another encoding, or is not text.",
    "save the trace as CSV in UTF-8")
TRACE_EMPTY = Message(
    "trace-empty", "{path}: no task has both a peak and a run time, so that nothing can be scored",
    "No row has both a peak and a run time above 0.", "give a trace with peak_mb and seconds")
TRACE_COLUMN_MISSING = Message(
    "trace-column-missing", "{path}:1: column {column} is missing; {cure}", "The first line names the columns.",
    "the first line must be {columns}")
TRACE_QUOTING = Message(
    "trace-quoting", "{path}:{line}: {why}; {cure}", "The line is not valid CSV.",
    "quote fields that contain commas or quotes")
TRACE_FIELDS = Message(
    "trace-fields", "{where}: the number of fields differs from the first line; {cure}",
    "The line has too few or too many fields.",
    "leave unknown fields empty")
TRACE_NO_CATEGORY = Message(
    "trace-no-category", "{where}: category is empty; {cure}", "Each task belongs to a category.",
    "give the task's kind, such as the program's name")
TRACE_FIELD_EMPTY = Message(
    "trace-field-empty", "{where}: {column} is empty; {cure}", "A replay needs that number.",
    "give a number or remove the line")
TRACE_NOT_DECLARED = Message(
    "trace-not-declared", "{where}: declared_mb is 0; {cure}", "A replay compares estimates with the declared maximum.",
    "give the category's declared maximum in MB")
TRACE_NOT_NUMBER = Message(
    "trace-not-number", "{where}: {column} is {value!r}, not a number; {cure}", "The field is text.",
    "write it like 1024.5")
TRACE_OUT_OF_RANGE = Message(
    "trace-out-of-range", "{where}: {column} is {value!r}; {cure}", "The number makes no sense there.",
    "it must be finite and not negative")
TRACE_NO_TIME = Message(
    "trace-no-time", "{where}: {column} is empty, and --causal needs every task's start and end; {cure}",
    "A causal replay learns from a task only after it has ended.", "replay this trace without --causal")
TRACE_ENDS_FIRST = Message(
    "trace-ends-first", "{where}: end_s is before start_s; {cure}", "A task cannot end before it starts.",
    "give both in seconds of the same clock")
