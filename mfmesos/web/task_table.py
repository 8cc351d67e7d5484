"""The page's table of all tasks: the record's, which have ended, and a copy of those of the live run, in one query."""
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mfmesos.shared.messages import store as m
from mfmesos.store import sqlitefile
from mfmesos.store.run_tables import RecordError

PAGE = 50
ORDERS = {
    "task": "task", "state": "state", "category": "category", "agent": "host", "ran": "wall_s", "ended": "ended",
    "memory": "used_memory_mb", "attempts": "attempts"}
"""By the name of the order, its column."""
STATES = {
    "live": ("waiting", "held", "inputs", "assigned", "running", "publishing"),
    "waiting": ("waiting", "held", "inputs"),
    "held": ("held",), "running": ("assigned", "running", "publishing"), "finished": ("finished",),
    "failed": ("failed",), "withdrawn": ("withdrawn",), "blocked": ("blocked",)}
"""By the name of the choice, the states that it shows."""
GONE_S = 3.0
"""A task that has ended stays in the copy so long, until the record has it."""
_COLUMNS = ("task", "state", "category", "host", "attempts", "submitted", "started", "ended", "wall_s",
            "used_memory_mb", "memory_mb", "command", "outputs", "reason")
_NAMES = ", ".join(_COLUMNS)
_ALL = (f"(SELECT {_NAMES} FROM record.tasks WHERE run = ?1 UNION ALL SELECT {_NAMES} FROM live WHERE NOT EXISTS"
        " (SELECT 1 FROM record.tasks r WHERE r.run = ?1 AND r.task = live.task))")
Row = dict[str, Any]


class TaskTable:
    """In memory; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            "file::memory:", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        self._db.row_factory = sqlite3.Row
        self._db.execute(f"CREATE TABLE live ({_NAMES}, gone, PRIMARY KEY (task))".replace("task,", "task INTEGER,", 1))
        self._db.execute("CREATE INDEX running ON live (started) WHERE started IS NOT NULL")
        self._db.execute("CREATE INDEX gone ON live (gone) WHERE gone IS NOT NULL")

    def clear(self) -> None:
        """No scheduler is known."""
        with self._lock:
            self._db.execute("DELETE FROM live")

    def update(self, rows: Mapping[int, Sequence[Any] | None], now: float) -> None:
        """`rows`: by task, as the scheduler gives them (see scheduler.table_questions); None: it has ended."""
        with self._lock, sqlitefile.transaction(self._db):
            self._db.execute("DELETE FROM live WHERE gone < ?", (now - GONE_S,))
            self._db.executemany("UPDATE live SET gone = ? WHERE task = ? AND gone IS NULL",
                                 ((now, number) for number, row in rows.items() if row is None))
            self._db.executemany(
                f"INSERT OR REPLACE INTO live ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})",
                (_live(row) for row in rows.values() if row is not None))

    def running(self, most: int) -> list[Row]:
        """Those that have run longest."""
        with self._lock:
            return [dict(row) for row in self._db.execute(
                "SELECT task, host, category, started AS since, substr(command, 1, 200) AS command FROM live"
                " WHERE started IS NOT NULL AND gone IS NULL ORDER BY started LIMIT ?", (most,))]

    def categories(self) -> list[str]:
        """Of the live tasks, as many as a person can choose from."""
        with self._lock:
            return [name for name, in self._db.execute("SELECT DISTINCT category FROM live LIMIT 200")]

    def page(self, record: Path, run: int, text: str = "", state: str = "", category: str = "", order: str = "task",
             falling: bool = False, page: int = 0) -> dict[str, Any]:
        """{"count": tasks that fit, "rows": those of the page, in the order}. TEXT is in the command, an output, the
        agent or the reason, or is the number; looks at every row. Raises RecordError.
        """
        where, values = _fitting(text, STATES.get(state, ()), category)
        way = "DESC" if falling else "ASC"
        with self._lock, sqlitefile.translated_errors(record, RecordError, m.RECORD_AWAY()):
            self._db.execute("ATTACH ? AS record", (sqlitefile.uri_to_read(record),))
            try:
                (count,) = self._db.execute(f"SELECT count(*) FROM {_ALL} WHERE {where}", (run, *values)).fetchone()
                rows = self._db.execute(
                    "SELECT task, state, category, host, attempts, submitted, started, ended, wall_s, used_memory_mb,"
                    f" memory_mb, substr(command, 1, 200) AS command, reason FROM {_ALL} WHERE {where}"
                    f" ORDER BY {ORDERS[order]} {way}, task LIMIT {PAGE} OFFSET {int(page) * PAGE}",
                    (run, *values)).fetchall()
            finally:
                self._db.execute("DETACH record")
        return {"count": count, "page": page, "size": PAGE, "rows": [dict(row) for row in rows]}

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _live(row: Sequence[Any]) -> tuple[Any, ...]:
    number, state, category, host, attempts, since, memory_mb, command, outputs = row
    waits = state in STATES["waiting"]
    return (number, state, category, host, attempts, since if waits else None, None if waits else since, None, None,
            None, memory_mb, command, outputs, "")


def _fitting(text: str, states: Iterable[str], category: str) -> tuple[str, list[Any]]:
    """A condition with ?2 and further values."""
    where, values = ["1"], list[Any]()

    def value(one: Any) -> str:
        values.append(one)
        return f"?{len(values) + 1}"

    if category:
        where.append(f"category = {value(category)}")
    if states:
        where.append(f"state IN ({', '.join([value(state) for state in states])})")
    if text:
        word = value(text)
        number = value(int(text) if text.isdecimal() and len(text) < 10 else -1)
        where.append(f"({' OR '.join(f'instr({name}, {word})' for name in ('command', 'outputs', 'host', 'reason'))}"
                     f" OR task = {number})")
    return " AND ".join(where), values
