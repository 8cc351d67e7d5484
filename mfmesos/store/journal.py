"""The journal of a run: everything that the next scheduler needs if this one dies. One SQLite file in .mfmesos/.

The journal is written before each action: claims before their launch, attempts before an executor receives them. Only
the scheduler of the run writes the journal (the folder's lock ensures that). Ended claims and attempts are removed, so
the journal stays small. The process may die at any moment; after a power cut the last moments may be missing
(synchronous=NORMAL), which costs attempts but no results.
"""
from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any, Callable, TypeVar

from mfmesos.core import actions as act
from mfmesos.core.model import MadeTemporary, Remote, Request, Resources, SavedClaim, SavedTask, StagedInput, Task
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import store as m
from mfmesos.store import sqlitefile

FILE = "journal.sqlite"
APPLICATION_ID = 0x6D666D6A  # "mfmj"
SCHEMA_VERSION = 1
_MOVE = m.JOURNAL_AWAY()
_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE claims (id TEXT PRIMARY KEY, data TEXT NOT NULL)",
    "CREATE TABLE tasks (id INTEGER PRIMARY KEY, data TEXT NOT NULL)",
)


T = TypeVar("T")


class JournalError(ConfigError):
    """The journal is unusable: one line with the file, the reason and the cure."""


class Journal:
    """`launch` names the run: a scheduler with the same name resumes from the journal, another one starts from the
    beginning.

    Raises JournalError; a damaged or foreign file is never replaced by an empty one.
    """

    def __init__(self, path: Path, launch: str) -> None:
        self.path = path
        self._drops: list[act.DropTask | act.DropClaim] = []
        with self._translated_errors():
            sqlitefile.prepare(path, _MOVE)
            self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        with sqlitefile.closed_on_failure(self._db), self._translated_errors():
            self._open(launch)

    def _open(self, launch: str) -> None:
        db = self._db
        sqlitefile.alone(db, self.path)
        if sqlitefile.is_new(db):
            db.execute("PRAGMA journal_mode = WAL")
            with sqlitefile.transaction(db):
                for table in _SCHEMA:
                    db.execute(table)
                sqlitefile.mark(db, APPLICATION_ID, SCHEMA_VERSION)
        sqlitefile.check(db, self.path, APPLICATION_ID, SCHEMA_VERSION, _MOVE)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA trusted_schema = OFF")
        known: dict[str, str] = dict(db.execute("SELECT name, value FROM meta"))
        self.resumed = known.get("launch") == launch
        """Whether an earlier scheduler of the same run left the journal."""
        if not self.resumed:
            known = {"launch": launch, "secret": secrets.token_hex(32)}
            with sqlitefile.transaction(db):
                for table in ("meta", "claims", "tasks"):
                    db.execute(f"DELETE FROM {table}")
                db.executemany("INSERT INTO meta VALUES (?, ?)", known.items())
        self._meta = known

    # --- queries --------------------------------------------------------------------------------
    @property
    def secret(self) -> bytes:
        """The secret from which the tokens of this run are derived."""
        return bytes.fromhex(self._meta["secret"])

    def get(self, name: str) -> str:
        """A note that `put` stored; empty if none."""
        return self._meta.get(name, "")

    def put(self, name: str, value: str) -> None:
        with self._translated_errors():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        self._meta[name] = value

    def load(self) -> tuple[list[SavedTask], list[SavedClaim]]:
        """The saved tasks and claims."""
        with self._translated_errors():
            tasks = [_task(json.loads(d)) for (d,) in self._db.execute("SELECT data FROM tasks ORDER BY id")]
            claims = [_claim(json.loads(d)) for (d,) in self._db.execute("SELECT data FROM claims ORDER BY id")]
        return tasks, claims

    def keep(self, tasks: Iterable[SavedTask]) -> None:
        """Keep only these of the saved tasks, under their current numbers."""
        with self._translated_errors(), sqlitefile.transaction(self._db):
            self._db.execute("DELETE FROM tasks")
            for task in tasks:
                self._save(act.SaveTask(task))

    def write(self, actions: Iterable[act.Action]) -> None:
        """Write the journal's part of the actions in one transaction: saves are on disk afterwards, drops follow with
        the next transaction.
        """
        saved: list[act.SaveTask | act.SaveClaim] = []
        drops: list[act.DropTask | act.DropClaim] = []
        for action in actions:
            if isinstance(action, (act.SaveTask, act.SaveClaim)):
                saved.append(action)
            elif isinstance(action, (act.DropTask, act.DropClaim)):
                drops.append(action)
        if saved:
            with self._translated_errors(), sqlitefile.transaction(self._db):
                self._drop()
                for action in saved:
                    self._save(action)
            self._drops.clear()
        self._drops += drops

    def flush(self) -> None:
        """Write the remaining drops."""
        if self._drops:
            with self._translated_errors(), sqlitefile.transaction(self._db):
                self._drop()
            self._drops.clear()

    def end(self) -> None:
        """The run is over: remove everything."""
        self.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def close(self) -> None:
        self._db.close()

    # --------------------------------------------------------------------------------------------
    def _save(self, action: act.SaveTask | act.SaveClaim) -> None:
        if isinstance(action, act.SaveTask):
            row: tuple[Any, str] = (action.task.task.id, _dumps(action.task))
            self._db.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?)", row)
        else:
            self._db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", (action.claim.id, _dumps(action.claim)))

    def _drop(self) -> None:
        for action in self._drops:
            if isinstance(action, act.DropTask):
                self._db.execute("DELETE FROM tasks WHERE id = ?", (action.task_id,))
            else:
                self._db.execute("DELETE FROM claims WHERE id = ?", (action.claim_id,))

    def _translated_errors(self) -> AbstractContextManager[None]:
        return sqlitefile.translated_errors(self.path, JournalError, _MOVE)


def _plain(value: Any) -> Any:
    """Dataclasses and mappings as plain dicts."""
    return vars(value) if hasattr(value, "__dataclass_fields__") else dict(value)


_dumps: Callable[[SavedTask | SavedClaim], str] = json.JSONEncoder(default=_plain, separators=(",", ":")).encode


def _task(data: dict[str, Any]) -> SavedTask:
    task = data["task"]
    return _made(SavedTask, {
        "stem": str(task["id"]),  # an older mfmesos saved none
        **data,
        "task": _made(Task, {**task, "inputs": tuple(task["inputs"]), "outputs": tuple(task["outputs"]),
                             "temporary": tuple(task.get("temporary", ())),
                             "also_read": tuple(task.get("also_read", ())),
                             "read": None if task.get("read") is None else tuple(task["read"]),
                             "request": _made(Request, task["request"]),
                             "shared": tuple(task.get("shared", ())),
                             "urls": {name: Remote(*one) for name, one in task.get("urls", {}).items()}}),
        "inputs": tuple(_made(StagedInput, i) for i in data["inputs"]),
        "failed_at": tuple(data.get("failed_at", ())),
        "failed_clusters": tuple(data.get("failed_clusters", ())),
        "temporaries": tuple(data.get("temporaries", ())),
        "made": tuple(_made(MadeTemporary, {**one, "file": _made(StagedInput, one["file"])})
                      for one in data.get("made", ())),
        "allocation": _made(Resources, data["allocation"])})


def _claim(data: dict[str, Any]) -> SavedClaim:
    return _made(SavedClaim, {**data, "resources": _made(Resources, data["resources"])})


def _made(cls: Callable[..., T], data: dict[str, Any]) -> T:
    """An instance from `data`; fields unknown to this version are ignored."""
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    return cls(**{k: v for k, v in data.items() if k in known})
