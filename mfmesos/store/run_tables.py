"""record.sqlite in .mfmesos: the record of the runs in a folder, for people and programs. docs/seeing.md documents it.

PRAGMA user_version counts up when a program that reads an earlier version would misread a later one. Times are seconds
since the epoch, durations seconds, memory and disk MB (2**20 bytes). NULL: unknown, or it does not apply.
"""
from __future__ import annotations

import sqlite3
from typing import Callable

FILE = "record.sqlite"
APPLICATION_ID = 0x6D666D65  # "mfme"
RUNNING, ENDED, STOPPED, FAILED = "running", "ended", "stopped", "failed"
BLOCKED = "blocked"
"""The state of a task that never ran."""
RUN_COLUMNS = (
    "run", "engine", "master", "version", "host", "pid", "started", "ended", "state", "failure", "total", "before",
    "finished", "failed", "withdrawn", "sent_bytes")
MEASURES = (
    "claim", "host", "started", "exit_code", "signal", "resource", "cores", "memory_mb", "disk_mb", "others",
    "limit_memory_mb", "limit_disk_mb", "used_cores", "used_memory_mb", "used_disk_mb", "cpu_s", "wall_s", "wait_s")
"""Of an attempt; of a task, its last one."""
_TASK_1 = (
    "run", "task", "state", "reason", "command", "category", "outputs", "attempts", "submitted", "ended",
    "input_bytes", "story", *MEASURES)
_TASK_2 = ("inputs", "needs", "output_bytes", "asked_cores", "asked_memory_mb", "asked_disk_mb", "asked_wall_s")
TASK_COLUMNS = (*_TASK_1, *_TASK_2)
ATTEMPT_COLUMNS = ("run", "task", "attempt", "ended", "reason", *MEASURES)
_CLAIM_2 = ("run", "claim", "agent", "host", "opened", "ended", "cores", "memory_mb", "disk_mb", "others")
CLAIM_COLUMNS = (*_CLAIM_2, "gpus_isolated")
SAMPLE_COLUMNS = ("run", "at", "claims", "cores", "memory_mb", "running", "waiting")
MADE_COLUMNS = ("run", "name", "task", "ended")
_TEXTS = frozenset((
    "engine", "master", "version", "host", "state", "failure", "reason", "command", "category", "outputs", "story",
    "claim", "resource", "others", "inputs", "needs", "agent"))
_WHOLE = frozenset((
    "run", "task", "attempt", "attempts", "pid", "total", "before", "finished", "failed", "withdrawn", "exit_code",
    "signal", "sent_bytes", "input_bytes", "output_bytes", "claims", "running", "waiting", "name", "gpus_isolated"))


class RecordError(Exception):
    """The record is unusable: one line with the file, the reason and the cure."""


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f"{n} {'TEXT' if n in _TEXTS else 'INTEGER' if n in _WHOLE else 'REAL'}" for n in names)


def _first(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE TABLE runs ({_columns(RUN_COLUMNS)}, PRIMARY KEY (run))")
    db.execute(f"CREATE TABLE tasks ({_columns(_TASK_1)}, PRIMARY KEY (run, task))")
    db.execute(f"CREATE TABLE attempts ({_columns(ATTEMPT_COLUMNS)}, PRIMARY KEY (run, task, attempt))")
    db.execute("CREATE INDEX not_finished ON tasks (run, state) WHERE state <> 'finished'")


def _second(db: sqlite3.Connection) -> None:
    for one in _columns(_TASK_2).split(", "):
        db.execute(f"ALTER TABLE tasks ADD COLUMN {one}")
    db.execute(f"CREATE TABLE claims ({_columns(_CLAIM_2)}, PRIMARY KEY (run, claim))")
    db.execute(f"CREATE TABLE samples ({_columns(SAMPLE_COLUMNS)}, PRIMARY KEY (run, at)) WITHOUT ROWID")
    db.execute(f"CREATE TABLE made ({_columns(MADE_COLUMNS)}, PRIMARY KEY (run, name)) WITHOUT ROWID")


def _third(db: sqlite3.Connection) -> None:
    db.execute(f"ALTER TABLE claims ADD COLUMN {_columns(('gpus_isolated',))}")


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second, _third)
"""The first N of them make the tables of version N. A step is never changed after its release."""
VERSION = len(STEPS)
TABLES = ("runs", "tasks", "attempts", "claims", "samples", "made")
"""Each row belongs to a run."""


def insert(table: str, columns: tuple[str, ...]) -> str:
    """The statement for one row, which replaces an earlier one."""
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
