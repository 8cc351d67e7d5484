"""Reads record.sqlite, also while a run writes it. Columns are in run_tables.py."""
from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from mfmesos.shared.messages import store as m
from mfmesos.store import makers, sqlitefile
from mfmesos.store.run_tables import APPLICATION_ID, FILE, TABLES, VERSION, RecordError

MOST_FOUND = 20
Row = dict[str, Any]
_AMOUNT = re.compile(r"\d+(\.\d+)?")


class NoRecord(RecordError):
    """The folder has none yet."""


Reader = TypeVar("Reader", bound="RunReader")


class RunReader:
    """Every method raises RecordError, in one line."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE
        if not self.path.exists():
            raise NoRecord(m.NO_RECORD(folder=state_dir.parent))
        with self._translated():
            self._db = sqlitefile.open_to_read(self.path, timeout=5.0)
            with sqlitefile.closed_on_failure(self._db):
                self._db.row_factory = sqlite3.Row
                if sqlitefile.is_new(self._db):  # a run is about to begin
                    raise NoRecord(m.NO_RECORD(folder=state_dir.parent))
                sqlitefile.check(self._db, self.path, APPLICATION_ID, VERSION, m.RECORD_AWAY(), whole=False)
                self._has = {table: {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
                             for table in TABLES}

    def _translated(self) -> Any:
        return sqlitefile.translated_errors(self.path, RecordError, m.RECORD_AWAY())

    def __enter__(self: Reader) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._db.close()

    def _rows(self, query: str, *values: Any) -> list[Row]:
        with self._translated():
            return [dict(row) for row in self._db.execute(query, values)]

    def _tuples(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self._rows(query, *values)]

    def last(self) -> Row | None:
        """The row of the last run."""
        return next(iter(self._rows("SELECT * FROM runs ORDER BY run DESC LIMIT 1")), None)

    def run(self, number: int) -> Row | None:
        return next(iter(self._rows("SELECT * FROM runs WHERE run = ?", number)), None)

    def every(self, table: str, run: int, columns: Sequence[str], order: str) -> Iterator[tuple[Any, ...]]:
        """These columns of all rows of a run; None for one that the file of an earlier version lacks."""
        has = self._has[table]
        if not has:
            return
        found = ", ".join(column if column in has else f"NULL AS {column}" for column in columns)
        with self._translated():
            cursor = self._db.cursor()
            cursor.row_factory = None
            yield from cursor.execute(f"SELECT {found} FROM {table} WHERE run = ? ORDER BY {order}", (run,))

    def task(self, number: int) -> Row | None:
        """The row of the task that ended last under that number."""
        return next(iter(self._rows(
            "SELECT t.* FROM runs r CROSS JOIN tasks t ON t.run = r.run AND t.task = ? ORDER BY r.run DESC LIMIT 1",
            number)), None)

    def attempts(self, run: int, number: int) -> list[Row]:
        """Those before the last one."""
        return self._rows("SELECT * FROM attempts WHERE run = ? AND task = ? ORDER BY attempt", run, number)

    def find(self, text: str) -> tuple[bool, list[int]]:
        """Of the last run: True and the last ended task with an output of that name (makeflow submits a failed rule
        again, as another task), otherwise False and those with that text in their commands, MOST_FOUND at most. Looks
        at every row.
        """
        last = "run = (SELECT max(run) FROM runs)"
        made = self._rows(f"SELECT task FROM made WHERE {last} AND name = ?", makers.hashed(text)) \
            if self._has["made"] else []
        exact = made or self._rows(
            f"SELECT task FROM tasks WHERE {last} AND instr(char(10) || outputs || char(10), ?) > 0"
            " ORDER BY task DESC LIMIT 1", f"\n{text}\n")
        found = exact or self._rows(f"SELECT task FROM tasks WHERE {last} AND instr(command, ?) > 0"
                                    f" ORDER BY task LIMIT {MOST_FOUND}", text)
        return bool(exact), [row["task"] for row in found]

    def failures(self, run: int) -> list[Row]:
        """The failed tasks, see `grouped`."""
        return grouped(self._failed(run))

    def _failed(self, run: int) -> Iterator[Row]:
        with self._translated():
            for row in self._db.execute(
                    "SELECT task, reason, command FROM tasks INDEXED BY not_finished WHERE run = ? AND state = 'failed'"
                    " AND state <> 'finished' ORDER BY task", (run,)):
                yield dict(row)


def grouped(failed: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Failed tasks by the kind of their reasons: {"reason": the kind, "count": N, "example": the first}; most first."""
    groups: dict[str, Row] = {}
    for one in failed:
        kind = kind_of(one["reason"])
        example = {name: one[name] for name in ("task", "reason", "command")}
        groups.setdefault(kind, {"reason": kind, "count": 0, "example": example})["count"] += 1
    return sorted(groups.values(), key=lambda group: -group["count"])


def kind_of(reason: str) -> str:
    """What reasons have in common that differ in amounts and in what a program printed: "exit code 3", "memory"."""
    head = reason.partition(":")[0]
    return head if head.startswith(("exit code", "signal")) else _AMOUNT.sub("N", head)
