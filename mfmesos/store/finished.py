"""The finished tasks of a folder with their inputs and outputs: run.sqlite, mode 0600.

Commands and variables are kept only as digests, since they may contain secrets. Only the run that holds the folder's
lock writes the file. Nothing is forced to the disk: after a power cut the last tasks may be missing and run again.
"""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import store as m
from mfmesos.shared.netfs import on_network
from mfmesos.shared.values import value
from mfmesos.store import sqlitefile

FILE = "run.sqlite"
APPLICATION_ID = 0x6D666D72  # "mfmr"
SCHEMA_VERSION = 1
EMPTY = (".",)
"""The members of a folder in which a task made nothing."""
_dumps = json.JSONEncoder(separators=(",", ":")).encode
_MOVE = m.FINISHED_AWAY()


class FinishedError(ConfigError):
    """The file is unusable: one line with its name, the reason and the cure."""


class Seen(NamedTuple):
    """An input at the time its task ran, or an output when it was published."""

    name: str
    stamp: str
    """See staging.stamps; empty if it is not reliable."""
    digest: str
    """Digest of the content; empty if it was not computed."""
    size: int
    members: tuple[str, ...] = ()
    """For a folder: the names that the task made in it, or EMPTY. No names: not known, and everything in it counts."""


@value(frozen=True)
class Finished:
    """A task that finished. `command` and `env` are digests."""

    command: str
    env: str
    inputs: tuple[Seen, ...]
    outputs: tuple[Seen, ...]
    attempt: str = ""
    """Id of the attempt that finished the task."""


class FinishedTasks:
    """Rows by number. Every method raises FinishedError; a damaged file is never replaced by an empty one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated_errors():
            sqlitefile.prepare(path, _MOVE)
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        with sqlitefile.closed_on_failure(self._db), self._translated_errors():
            self._open()

    def _open(self) -> None:
        db = self._db
        if sqlitefile.is_new(db):
            if not on_network(self.path):  # --dry-run may read it at the same time, which needs shared memory
                db.execute("PRAGMA journal_mode = WAL")
            with sqlitefile.transaction(db):
                db.execute("CREATE TABLE finished (id INTEGER PRIMARY KEY, data TEXT NOT NULL)")
                sqlitefile.mark(db, APPLICATION_ID, SCHEMA_VERSION)
        sqlitefile.check(db, self.path, APPLICATION_ID, SCHEMA_VERSION, _MOVE)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA trusted_schema = OFF")

    def load(self) -> dict[int, Finished]:
        """All finished tasks, in the order of their first entry."""
        with self._translated_errors():
            rows = self._db.execute("SELECT id, data FROM finished ORDER BY id")
            return {number: _finished(json.loads(data)) for number, data in rows}

    def read(self, number: int) -> Finished | None:
        with self._translated_errors():
            found = self._db.execute("SELECT data FROM finished WHERE id = ?", (number,)).fetchone()
            return _finished(json.loads(found[0])) if found else None

    def write(self, rows: Mapping[int, Finished], drops: Iterable[int] = ()) -> None:
        """Add or replace rows, and remove others, in one transaction."""
        with self._translated_errors(), sqlitefile.transaction(self._db):
            self._db.executemany("DELETE FROM finished WHERE id = ?", [(n,) for n in drops])
            self._db.executemany(
                "INSERT OR REPLACE INTO finished VALUES (?, ?)",
                [(n, _dumps(vars(row))) for n, row in rows.items()])

    def close(self) -> None:
        self._db.close()

    def _translated_errors(self) -> AbstractContextManager[None]:
        return sqlitefile.translated_errors(self.path, FinishedError, _MOVE)


def _seen(data: list[Any]) -> Seen:
    name, stamp, digest, size, *more = data
    return Seen(name, stamp, digest, size, tuple(*more))


def _finished(data: dict[str, Any]) -> Finished:
    """Raises ValueError for an invalid row."""
    try:
        return Finished(
            data["command"], data["env"], tuple(map(_seen, data["inputs"])), tuple(map(_seen, data["outputs"])),
            data["attempt"])
    except (KeyError, TypeError) as e:
        raise ValueError(m.UNREADABLE_ROW(why=e)) from None
