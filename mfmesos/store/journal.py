"""The journal of a run: everything that the next scheduler needs if this one dies. One SQLite file in .mfmesos/.

The journal is written before each action: claims before their launch, attempts before an executor receives them. Only
the scheduler of the run writes the journal (the folder's lock ensures that). Ended claims and attempts are removed, so
the journal stays small. What no attempt changes (the command, the inputs) is written once per task; further
attempts rewrite a small row. The process may die at any moment; after a power cut the last moments may be missing
(synchronous=NORMAL), which costs attempts but no results.
"""
from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mfmesos.core import actions as act
from mfmesos.core.model import SavedClaim, SavedTask, StagedInput, Steering, Task
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import store as m
from mfmesos.store import journal_rows, sqlitefile
from mfmesos.store.journal_schema import STEPS

FILE = "journal.sqlite"
APPLICATION_ID = 0x6D666D6A  # "mfmj"
SCHEMA_VERSION = len(STEPS)
STEERED = "steered "
"""The note of what the user has decided about a task, followed by its number."""
_MOVE = m.JOURNAL_AWAY()


@dataclass
class _Written:
    """What a task's row was made from: the same objects make the same row."""

    task: Task
    inputs: tuple[StagedInput, ...]
    attempts: bool = False
    """Whether there are rows of attempts as well."""
    parts: bool = False
    """Whether there are rows of further parts among them."""


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
        self._rows = journal_rows.Rows()
        self._written: dict[int, _Written] = {}
        self._knows_all = False
        """Whether no other task has a row."""
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
            sqlitefile.migrate(db, STEPS, APPLICATION_ID)
        sqlitefile.check(db, self.path, APPLICATION_ID, SCHEMA_VERSION, _MOVE)
        sqlitefile.migrate(db, STEPS, APPLICATION_ID)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA trusted_schema = OFF")
        known: dict[str, str] = dict(db.execute("SELECT name, value FROM meta"))
        self.resumed = known.get("launch") == launch
        """Whether an earlier scheduler of the same run left the journal."""
        if not self.resumed:
            self._knows_all = True
            known = {"launch": launch, "secret": secrets.token_hex(32)}
            with sqlitefile.transaction(db):
                for table in ("meta", "claims", "tasks", "attempts"):
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
        db = self._db
        with self._translated_errors():
            tasks = journal_rows.tasks_of(
                db.execute("SELECT id, data FROM tasks ORDER BY id"),
                db.execute("SELECT task, part, data FROM attempts ORDER BY task, part"))
            claims = [journal_rows.claim_of(*row)
                      for row in db.execute("SELECT id, cluster, data FROM claims ORDER BY id")]
        return tasks, claims

    def steered(self, known: Mapping[int, Task]) -> tuple[tuple[int, Steering], ...]:
        """What the user has decided about tasks, by their numbers; without what is of another task by now. `known`: the
        tasks, empty if their numbers never change.
        """
        found = ((int(name[len(STEERED):]), journal_rows.steering_of(value))
                 for name, value in self._meta.items() if name.startswith(STEERED))
        return tuple((number, one) for number, one in found
                     if not known or (number in known and known[number].command == one.command))

    def keep(self, tasks: Iterable[SavedTask]) -> None:
        """Keep only these of the saved tasks, under their current numbers."""
        self._written.clear()
        with self._translated_errors(), sqlitefile.transaction(self._db):
            self._db.execute("DELETE FROM tasks")
            self._db.execute("DELETE FROM attempts")
            self._save_tasks(tasks)

    def write(self, actions: Iterable[act.Action]) -> None:
        """Write the journal's part of the actions in one transaction: saves are on disk afterwards, drops follow with
        the next transaction.
        """
        tasks: dict[int, SavedTask] = {}
        claims: dict[str, SavedClaim] = {}
        notes: dict[str, str] = {}
        drops: list[act.DropTask | act.DropClaim] = []
        for action in actions:
            if isinstance(action, act.SaveTask):
                tasks[action.task.task.id] = action.task
            elif isinstance(action, act.SaveClaim):
                claims[action.claim.id] = action.claim
            elif isinstance(action, act.SaveSteering):
                notes[f"{STEERED}{action.task_id}"] = journal_rows.steering(action.steering)
            elif isinstance(action, (act.DropTask, act.DropClaim)):
                drops.append(action)
        if tasks or claims or notes:
            try:
                with self._translated_errors(), sqlitefile.transaction(self._db):
                    self._drop()
                    self._save_tasks(tasks.values())
                    self._db.executemany("INSERT OR REPLACE INTO claims (id, cluster, data) VALUES (?, ?, ?)",
                                         map(journal_rows.claim_row, claims.values()))
                    self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes.items())
            except JournalError:
                self._written.clear()
                self._knows_all = False
                raise
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
        self._db.execute("PRAGMA synchronous = OFF")  # nothing is to be on the disk (docs/performance.md, Start-up)
        self.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def close(self) -> None:
        self._db.close()

    # --------------------------------------------------------------------------------------------
    def _save_tasks(self, tasks: Iterable[SavedTask]) -> None:
        whole, attempts, parts = [], [], []
        for task in tasks:
            number, known = task.task.id, self._written.get(task.task.id)
            if known is not None and known.task is task.task and known.inputs is task.inputs:
                if known.parts:
                    self._db.execute("DELETE FROM attempts WHERE task = ? AND part > 0", (number,))
                attempts.append(journal_rows.attempt(task))
                known.attempts, known.parts = True, bool(task.parts)
            else:
                whole.append(self._rows.task(task))
                if known.attempts if known is not None else not self._knows_all:
                    self._forget(number)
                self._written[number] = _Written(task.task, task.inputs, bool(task.parts), bool(task.parts))
            parts += journal_rows.parts(task)
        self._db.executemany("INSERT OR REPLACE INTO tasks VALUES (?, ?)", whole)
        self._db.executemany("INSERT OR REPLACE INTO attempts (task, data) VALUES (?, ?)", attempts)
        self._db.executemany("INSERT OR REPLACE INTO attempts (task, part, data) VALUES (?, ?, ?)", parts)

    def _drop(self) -> None:
        tasks = [action.task_id for action in self._drops if isinstance(action, act.DropTask)]
        for number in tasks:
            known = self._written.pop(number, None)
            if known is None or known.attempts:
                self._forget(number)
        self._db.executemany("DELETE FROM tasks WHERE id = ?", [(number,) for number in tasks])
        self._db.executemany("DELETE FROM claims WHERE id = ?", [
            (action.claim_id,) for action in self._drops if isinstance(action, act.DropClaim)])

    def _forget(self, number: int) -> None:
        self._db.execute("DELETE FROM attempts WHERE task = ?", (number,))

    def _translated_errors(self) -> AbstractContextManager[None]:
        return sqlitefile.translated_errors(self.path, JournalError, _MOVE)
