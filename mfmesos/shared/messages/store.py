"""Messages of mfmesos/store: the files of a run, the lock of its folder, and the history of attempts."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

# --- the lock of the workflow's folder ---
USE_ANOTHER_FOLDER = Message(
    "use-another-folder", "use another folder", "Part of folder-locked and of lock-unanswered.")
FOLDER_LOCKED = Message(
    "folder-locked",
    "{folder}: another mfmesos run (process {holder}) uses this folder; wait for it, end it, or {other}",
    "Only one run can use a folder at a time.", "wait until the other run has ended, or work in another folder")
FOLDER_LOCKED_ELSEWHERE = Message(
    "folder-locked-elsewhere", "{folder}: another mfmesos run (process {holder} on {host}) uses this folder; "
    "wait for it, end it, or {other}", "Only one run can use a folder at a time. That run is on another machine.",
    "wait until the other run has ended, or work in another folder")
LOCK_SLOW = Message(
    "lock-slow", "{path}: the file server does not answer the request for a lock; waiting",
    "The folder is on a file server whose lock service is slow or down.")
LOCK_UNANSWERED = Message(
    "lock-unanswered", "{path}: the file server does not grant a lock; ask its administrator, or {other}",
    "The folder is on a file server whose lock service did not answer for a minute.",
    "ask the administrator of the file server, or work in another folder")
LOCK_IMPOSSIBLE = Message(
    "lock-impossible", "{path}: the file cannot be locked ({why}); {cure}",
    "The file system has no locks, so mfmesos cannot notice a second run in the same folder.",
    "make sure that no second run uses this folder, on this machine or another one")
AWAITING_SCHEDULER = Message(
    "awaiting-scheduler", "waiting for the scheduler of a killed run (process {process}) to end its tasks",
    "The launcher of an earlier run was killed, and its scheduler is still cleaning up.")
RUN_RESUMABLE = Message(
    "run-resumable", "{folder}: a killed `mfmesos run` can still be resumed here; {cure}",
    "makeflow would overwrite the progress of that run.",
    "run that command again, or end it with mfmesos clean, or use another folder")
TASK_FILE_RESTORED = Message(
    "task-file-restored", "{path}: restored; it was moved aside for a makeflow that was killed",
    "makeflow writes a file of the same name, so mfmesos moves yours aside while makeflow runs.")
TASK_FILE_RESTORED_OTHER = Message(
    "task-file-restored-other", "{path}: restored; it was moved aside for a makeflow that was killed, and the file "
    "that had its name is now {other}",
    "makeflow writes a file of the same name, so mfmesos moves yours aside while makeflow runs.")

# --- the SQLite files: journal, history, finished tasks ---
SQLITE_IN_USE = Message(
    "sqlite-in-use", "{path}: {why}; {cure}{or_else}", "Another program keeps the file locked.",
    "end the other program that uses it")
SQLITE_DISK_FULL = Message(
    "sqlite-disk-full", "{path}: {why}; {cure}{or_else}", "No space is left for the file.", "make room on that disk")
SQLITE_READ_ONLY = Message(
    "sqlite-read-only", "{path}: {why}; {cure}{or_else}", "The file or its folder cannot be written.",
    "make the file and its folder writable")
SQLITE_DISK_BROKEN = Message(
    "sqlite-disk-broken", "{path}: {why}; {cure}{or_else}", "The disk reported an error.",
    "check whether the disk is full or broken")
SQLITE_FAILED = Message(
    "sqlite-failed", "{path}: {why}; {away}", "SQLite cannot use the file, usually because it is damaged.",
    "move the file away")
SQLITE_INACCESSIBLE = Message(
    "sqlite-inaccessible", "{path}: {why}; make the file and its folder writable, or {away}",
    "The system refused access to the file.", "make the file and its folder writable, or move the file away")
SQLITE_BAD_NAME = Message(
    "sqlite-bad-name", "{path!r}: {why}; {away}", "The name of the file is invalid, or its content is.",
    "correct the name, or move the file away")
SQLITE_NOT_REGULAR = Message("sqlite-not-regular", "not a regular file", "Part of sqlite-inaccessible: the reason.")
NOT_SQLITE = Message(
    "not-sqlite", "{path} is not an SQLite file; {away}", "Another program wrote a file of this name.",
    "move the file away")
FOREIGN_SQLITE = Message(
    "foreign-sqlite", "{path} is another program's SQLite file; {away}", "Another program wrote a file of this name.",
    "move the file away")
NEWER_SQLITE = Message(
    "newer-sqlite", "{path} was written by a newer mfmesos (version {found} of the file; this one reads {known}); "
    "update mfmesos, or {away}", "Two versions of mfmesos use the same file.", "update mfmesos, or move the file away")
DAMAGED_SQLITE = Message(
    "damaged-sqlite", "{path} is damaged ({verdict}); {away}", "A disk or a copy lost a part of the file.",
    "move the file away")
JOURNAL_AWAY = Message(
    "journal-away", "move it away (the unfinished tasks of the crashed run then run again)",
    "Part of messages about journal.sqlite: the cure.")
FINISHED_AWAY = Message(
    "finished-away", "move it away (all tasks then run again)", "Part of messages about run.sqlite: the cure.")
NO_RECORD = Message(
    "no-record", "{folder}: no run of mfmesos is recorded here; {cure}", "The folder has no .mfmesos/record.sqlite.",
    "name the folder of a workflow that mfmesos has run, with -C FOLDER")
RUNS_AGAIN_SINCE = Message(
    "runs-again-since", "runs again: {why}", "In the story of a task that an earlier run had finished.")
RECORD_AWAY = Message(
    "record-away", "move it away (earlier runs of the folder are then no longer shown)",
    "Part of messages about record.sqlite: the cure.")
UNREADABLE_ROW = Message("unreadable-row", "an unreadable row ({why})", "Part of sqlite-bad-name: the reason.")

# --- the history ---
HISTORY_AWAY = Message(
    "history-away", "move it away (a new history is created), or choose another file with --history",
    "Part of messages about the history: the cure.")
OR_ANOTHER_HISTORY = Message(
    "or-another-history", ", or choose another file with --history", "Part of messages about the history.")
NO_HOME = Message(
    "no-home", "no home folder for the history; {cure}", "This user has no home folder.",
    "choose a file with --history")
COLUMNS_MISSING = Message(
    "columns-missing", "{path} lacks columns of a history; {away}", "Another program wrote a file of this name.",
    "move the file away")
HISTORY_GIVEN_UP = Message(
    "history-given-up", "{why}; this run continues without a history",
    "The history could not be read or written. Tasks get what they request, or estimates from this run alone.",
    "repair the history before the next run")

# --- history import ---
CSV_MALFORMED = Message(
    "csv-malformed", "{file}:{line}: {why}; {cure}", "The file to import is not CSV.",
    "write it as CSV, with quotes around fields that contain commas or quotes")
CSV_COLUMNS_UNKNOWN = Message(
    "csv-columns-unknown", "{file}:1: the first line must name the columns: those of mfmesos history export, "
    "or {trace} of a trace", "The file to import has other columns.", "add a line with the names of the columns")
CSV_FIELDS = Message(
    "csv-fields", "{where}: the number of fields is not that of the first line; {cure}",
    "A line of the file has too many or too few fields.", "leave unknown fields empty")
CSV_NOT_A_NUMBER = Message(
    "csv-not-a-number", "{where}: {column} is {value!r}, not a number; {cure}", "The column holds numbers only.",
    "write it like 1024, or leave it empty if it is unknown")
CSV_INVALID = Message(
    "csv-invalid", "{where}: {column} is {value!r}; {rule}", "The value is impossible in this column.",
    "correct the value or remove the line")
CSV_EMPTY = Message(
    "csv-empty", "{where}: {column} is empty; {rule}", "The column needs a value in every line.",
    "add the value or remove the line")
MUST_EXIST = Message("must-exist", "it must have a value", "Part of csv-empty: the rule.")
MUST_BE_A_NUMBER = Message("must-be-a-number", "it must be a number", "Part of csv-invalid: the rule.")
MUST_BE_AN_INTEGER = Message(
    "must-be-an-integer", "it must be an integer below 2**31", "Part of csv-invalid: the rule.")
MUST_LIE_BETWEEN = Message("must-lie-between", "it must be between 0 and {most:g}", "Part of csv-invalid: the rule.")
MUST_BE_PAST = Message(
    "must-be-past", "it is in the future; write seconds since 1970", "Part of csv-invalid: the rule.")
MUST_BE_SHORT = Message(
    "must-be-short", "it must be text of at most {most} characters", "Part of csv-invalid: the rule.")
MUST_NOT_BE_EMPTY = Message("must-not-be-empty", "it must not be empty", "Part of csv-empty: the rule.")
MUST_BE_AN_OUTCOME = Message(
    "must-be-an-outcome",
    "it must be finished, failed, killed, broken, exhausted:RESOURCE or wrote_input",
    "Part of csv-invalid: the rule.")

# --- logs of tasks ---
FULL_OUTPUT = Message(
    "full-output", "(full {kind}: {path})", "Part of task-failed: the file with everything that the task printed.")
