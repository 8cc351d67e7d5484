"""The history of attempts, from which estimates learn: one SQLite file, by default one per user.

Several processes may write at once, and threads may share one History. No run needs the history: after a HistoryError
the caller reports the error and continues without. A damaged file is never replaced by an empty one.
"""
from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Callable

from mfmesos.core.attempt_record import Attempt
from mfmesos.shared.messages import store as m
from mfmesos.store import sqlitefile
from mfmesos.store.attempt_columns import ADDED, COLUMNS, EMPTY, MOST_TEXT, TEXTS, believable

log = logging.getLogger("mfmesos.history")
APPLICATION_ID = 0x6D666D68  # "mfmh"
SCHEMA_VERSION = 1
MAX_ROWS = 100_000
MAX_PER_CATEGORY = 5_000
PRUNE_EVERY = 1_000
"""Added rows between two prunings. The file can exceed its bound by this many rows for each writing process."""
_BUSY_S = 10.0
_NETWORK = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "ceph", "glusterfs", "beegfs", "9p", "fuse")


def _declared(column: str) -> str:
    return f"{column} {'TEXT' if column in TEXTS else 'INTEGER' if column == 'exit_code' else 'REAL'}"


_TABLE = f"CREATE TABLE attempts (id INTEGER PRIMARY KEY, {', '.join(map(_declared, COLUMNS))})"
_INDEXES = ("CREATE INDEX by_time ON attempts (ended_at)",
            "CREATE INDEX by_category ON attempts (category, ended_at)")
_NEWEST_FIRST = "ORDER BY ended_at > ?, ended_at DESC, id DESC"
"""Rows with a date in the future come last, so that they cannot displace the others."""
_CATEGORY = COLUMNS.index("category")
_MOVE = m.HISTORY_AWAY()


class HistoryError(Exception):
    """The history is unusable: one line with the file, the reason and the cure."""


def default_path(environ: Mapping[str, str] | None = None) -> Path:
    """The path of the user's history: $XDG_DATA_HOME/mfmesos/ or ~/.local/share/mfmesos/ (XDG Base Directory 0.8)."""
    data = (os.environ if environ is None else environ).get("XDG_DATA_HOME", "")
    try:
        base = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    except RuntimeError:
        raise HistoryError(m.NO_HOME()) from None
    return base / "mfmesos" / "history.sqlite"


class History:
    """Opens the file, or creates it. A file on a read-only mount can be read, and with `reading` any other file that
    cannot be written. Every method raises HistoryError.
    """

    def __init__(
        self, path: Path, *, max_rows: int = MAX_ROWS, max_per_category: int = MAX_PER_CATEGORY,
        prune_every: int = PRUNE_EVERY, busy_s: float = _BUSY_S, clock: Callable[[], float] = time.time,
        reading: bool = False,
    ) -> None:
        self.path = path
        self.dropped = 0
        """Rows that the last load ignored because of implausible values."""
        self._max_rows = max_rows
        self._max_per_category = max_per_category
        self._prune_every = prune_every
        self._busy_s = busy_s
        self._clock = clock
        self._lock = threading.Lock()
        self._added = 0
        with self._translated_errors():
            sqlitefile.prepare(path, _MOVE)
            self._read_only = sqlitefile.on_read_only_mount(path) or (reading and not sqlitefile.writable(path))
            connect = sqlitefile.open_to_read if self._read_only else sqlite3.connect
            self._db = connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        with sqlitefile.closed_on_failure(self._db), self._translated_errors():
            self._open()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock, self._translated_errors():
            self._db.close()

    def add(self, attempts: Iterable[Attempt]) -> int:
        """Store these attempts in one transaction; returns their number. Texts are cut; implausible attempts are
        ignored.
        """
        now = self._clock()
        rows = [_row(a) for a in attempts]
        good = [row for row in rows if believable(row, now)]
        if len(good) < len(rows):
            log.warning("%d attempts have invalid values and are not stored in the history", len(rows) - len(good))
        if not good:
            return 0
        marks = ", ".join("?" * len(COLUMNS))
        with self._lock, self._translated_errors(), self._transaction():
            self._db.executemany(f"INSERT INTO attempts ({', '.join(COLUMNS)}) VALUES ({marks})", good)
            self._added += len(good)
            if self._added >= self._prune_every:
                self._fade()
        return len(good)

    def load(self, limit: int = MAX_ROWS, category: str | None = None, each: int = MAX_ROWS) -> list[Attempt]:
        """The newest `limit` attempts, newest last, with at most `each` attempts per category; `dropped` counts the
        rows with implausible values.
        """
        now = self._clock()
        where = "" if category is None else "WHERE category = ?"
        values = [*([] if category is None else [category]), now + 86400, limit]
        with self._lock, self._translated_errors():
            missing = self._missing()
            selected = ", ".join(EMPTY[column] if column in missing else _selected(column) for column in COLUMNS)
            rows = self._db.execute(
                f"SELECT {selected} FROM attempts {where} {_NEWEST_FIRST} LIMIT ?", values).fetchall()
        left: defaultdict[Any, int] = defaultdict(lambda: each)
        good: list[Attempt] = []
        self.dropped = 0
        for row in rows:
            left[row[_CATEGORY]] -= 1
            if left[row[_CATEGORY]] < 0:
                continue
            if believable(row, now):
                good.append(Attempt(*row))
            else:
                self.dropped += 1
        return good[::-1]

    def prune(self, *, older_than_s: float | None = None, category: str | None = None) -> int:
        """Remove attempts older than that many seconds and of that category (None: any); returns their number."""
        before = None if older_than_s is None else self._clock() - older_than_s
        with self._lock, self._translated_errors():
            with self._transaction():
                count = self._db.execute(
                    "DELETE FROM attempts WHERE (? IS NULL OR ended_at < ?) AND (? IS NULL OR category = ?)",
                    (before, before, category, category)).rowcount
            if count:
                self._db.execute("VACUUM")
        return count

    def fade(self) -> None:
        """Remove the oldest attempts beyond the bounds now; `add` does so from time to time."""
        with self._lock, self._translated_errors(), self._transaction():
            self._fade()

    def _open(self) -> None:
        db = self._db
        db.text_factory = lambda data: data.decode("utf-8", "replace")
        if self._read_only:
            self._check()
            db.execute("PRAGMA trusted_schema = OFF")
            return
        if sqlitefile.is_new(db):
            # The file stores the journal mode: whoever opens it later uses the same mode.
            if not _on_network(self.path):
                self._write_ahead(time.monotonic() + self._busy_s)
            with self._transaction():
                if sqlitefile.is_new(db):
                    db.execute(_TABLE)
                    for index in _INDEXES:
                        db.execute(index)
                    sqlitefile.mark(db, APPLICATION_ID, SCHEMA_VERSION)
        self._check()
        if self._missing():
            self._add_columns()
        db.execute("PRAGMA trusted_schema = OFF")
        if sqlitefile.pragma(db, "journal_mode") == "wal":
            db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("SELECT count(*) FROM attempts").fetchone()[0] > 0:
            with self._transaction():
                self._fade()

    def _write_ahead(self, deadline: float) -> None:
        """SQLite itself does not wait here when several processes create the same file."""
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as e:
                if "locked" not in str(e) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)  # SQLite itself does not wait for this lock

    def _check(self) -> None:
        sqlitefile.check(self._db, self.path, APPLICATION_ID, SCHEMA_VERSION, _MOVE)
        if not self._missing() <= set(ADDED):
            raise HistoryError(m.COLUMNS_MISSING(path=self.path, away=_MOVE))

    def _missing(self) -> set[str]:
        return {*COLUMNS} - {row[1] for row in self._db.execute("PRAGMA table_info(attempts)")}

    def _add_columns(self) -> None:
        """Processes of the version before, which share the file, leave them empty."""
        with self._transaction():
            for column in sorted(self._missing()):
                self._db.execute(f"ALTER TABLE attempts ADD COLUMN {_declared(column)} DEFAULT {EMPTY[column]}")

    def _fade(self) -> None:
        """Remove the oldest attempts beyond the bounds; within a transaction."""
        self._added = 0
        future = self._clock() + 86400
        db = self._db
        crowded = db.execute("SELECT category FROM attempts GROUP BY category HAVING count(*) > ?",
                             (self._max_per_category,)).fetchall()
        oldest = f"DELETE FROM attempts WHERE id IN (SELECT id FROM attempts {{}} {_NEWEST_FIRST} LIMIT -1 OFFSET ?)"
        for (category,) in crowded:
            db.execute(oldest.format("WHERE category IS ?"), (category, future, self._max_per_category))
        if db.execute("SELECT count(*) FROM attempts").fetchone()[0] > self._max_rows:
            db.execute(oldest.format(""), (future, self._max_rows))

    def _transaction(self) -> AbstractContextManager[None]:
        return sqlitefile.transaction(self._db)

    def _translated_errors(self) -> AbstractContextManager[None]:
        return sqlitefile.translated_errors(self.path, HistoryError, _MOVE, m.OR_ANOTHER_HISTORY())


def _selected(column: str) -> str:
    """Another writer may have stored a text of any length: read only enough to see that it is too long."""
    return f"substr({column}, 1, {MOST_TEXT + 1})" if column in TEXTS else column


def _row(attempt: Attempt) -> tuple[Any, ...]:
    values = ((column, getattr(attempt, column)) for column in COLUMNS)
    return tuple(
        value.encode("utf-8", "replace").decode()[:MOST_TEXT] if column in TEXTS and isinstance(value, str) else value
        for column, value in values)


def _on_network(path: Path) -> bool:
    """Whether other machines may have the file open, too: SQLite's write-ahead log needs shared memory."""
    import psutil  # later starts do not need it

    where = str(path.resolve())
    mounts = [p for p in psutil.disk_partitions(all=True)
              if os.path.isabs(p.mountpoint) and os.path.commonpath([where, p.mountpoint]) == p.mountpoint]
    return bool(mounts) and max(mounts, key=lambda p: len(p.mountpoint)).fstype.startswith(_NETWORK)
