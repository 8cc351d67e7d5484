"""The journal's tables, and the steps that bring the file of an earlier version to them, one function per step.

A step is never changed once a version that knows it was released, and uses no class of the core: these change. Fixtures
of each version are in tests/store/versions.
"""
from __future__ import annotations

import sqlite3
from typing import Callable


def _first(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute("CREATE TABLE claims (id TEXT PRIMARY KEY, data TEXT NOT NULL)")
    db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, data TEXT NOT NULL)")


def _second(db: sqlite3.Connection) -> None:
    """Claims name their cluster. The row of a task holds its first attempt; a later one has a small row of its own, one
    for each part, which counts instead.
    """
    db.execute("ALTER TABLE claims ADD COLUMN cluster TEXT NOT NULL DEFAULT ''")
    db.execute(
        "CREATE TABLE attempts (task INTEGER NOT NULL, part INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL,"
        " PRIMARY KEY (task, part)) WITHOUT ROWID")


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _second)
"""The first N of them make the tables of version N."""
