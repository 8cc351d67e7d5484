"""The page's table of all tasks: the record's, which have ended, and a copy of those of the live run."""
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
_WAITS = ", ".join(f"'{state}'" for state in STATES["waiting"])
_RECORDED = "FROM record.tasks WHERE run = ?1 AND"
_LIVE = (f"FROM live WHERE (state IN ({_WAITS}) AND gone IS NULL OR NOT EXISTS"
         " (SELECT 1 FROM record.tasks r WHERE r.run = ?1 AND r.task = live.task)) AND")
"""The record is not asked about each task that waits: `page` drops the few that have ended since the last look."""
_SHOWN = ", ".join("substr(command, 1, 200) AS command" if name == "command" else name
                   for name in _COLUMNS if name != "outputs")
Row = dict[str, Any]


class TaskTable:
    """In memory; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            "file::memory:", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        self._db.row_factory = sqlite3.Row
        self._db.execute(f"CREATE TABLE live ({_NAMES}, cores, gone, PRIMARY KEY (task))".replace(
            "task,", "task INTEGER,", 1))
        self._db.execute("CREATE INDEX counted ON live (state, category, gone)")
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
                f"INSERT OR REPLACE INTO live ({_NAMES}, cores) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})",
                (_live(row) for row in rows.values() if row is not None))

    def running(self, most: int) -> list[Row]:
        """Those that have run longest."""
        with self._lock:
            return [dict(row) for row in self._db.execute(
                "SELECT task, host, category, started AS since, substr(command, 1, 200) AS command FROM live"
                " WHERE started IS NOT NULL AND gone IS NULL ORDER BY started LIMIT ?", (most,))]

    def given(self) -> list[tuple[float, float, float]]:
        """Of those that run: since when, their cores and MB."""
        with self._lock:
            return [tuple(row) for row in self._db.execute(
                "SELECT started, ifnull(cores, 0.0), ifnull(memory_mb, 0.0) FROM live WHERE started IS NOT NULL"
                " AND gone IS NULL")]

    def categories(self) -> list[str]:
        """Of the live tasks, as many as a person can choose from."""
        with self._lock:
            return [name for name, in self._db.execute("SELECT DISTINCT category FROM live LIMIT 200")]

    def page(self, record: Path, run: int, text: str = "", state: str = "", category: str = "", order: str = "task",
             falling: bool = False, page: int = 0) -> dict[str, Any]:
        """{"count": tasks that fit, "rows": those of the page, in the order}. TEXT is in the command, an output, the
        agent or the reason, or is the number. In the order of numbers and without TEXT it costs little whatever the
        number of tasks, otherwise it looks at every row. Raises RecordError.
        """
        states = STATES.get(state, ())
        where, values = _fitting(text, states, category)
        some = [table for table, live in ((_RECORDED, False), (_LIVE, True))
                if not states or any((one in STATES["live"]) is live for one in states)]
        order = f"{ORDERS[order]} {'DESC' if falling else 'ASC'}, task LIMIT {PAGE} OFFSET {int(page) * PAGE}"
        with self._lock, sqlitefile.translated_errors(record, RecordError, m.RECORD_AWAY()):
            self._db.execute("ATTACH ? AS record", (sqlitefile.uri_to_read(record),))
            try:
                count = sum(self._db.execute(f"SELECT count(*) {table} {where}", (run, *values)).fetchone()[0]
                            for table in some)
                found = self._db.execute(
                    " UNION ALL ".join(f"SELECT {_SHOWN} {table} {where}" for table in some) + f" ORDER BY {order}",
                    (run, *values)).fetchall()
            finally:
                self._db.execute("DETACH record")
        ended = {row["task"] for row in found if row["ended"] is not None}
        rows = [dict(row) for row in found if row["ended"] is not None or row["task"] not in ended]
        return {"count": count - len(found) + len(rows), "page": page, "size": PAGE, "rows": rows}

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _live(row: Sequence[Any]) -> tuple[Any, ...]:
    number, state, category, host, attempts, since, memory_mb, command, outputs, cores = (*row, None)[:10]
    waits = state in STATES["waiting"]
    return (number, state, category, host, attempts, since if waits else None, None if waits else since, None, None,
            None, memory_mb, command, outputs, "", cores)


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
        if "finished" not in states:
            where.append("state <> 'finished'")  # which an index of the record is for
    if text:
        word = value(text)
        number = value(int(text) if text.isdecimal() and len(text) < 10 else -1)
        where.append(f"({' OR '.join(f'instr({name}, {word})' for name in ('command', 'outputs', 'host', 'reason'))}"
                     f" OR task = {number})")
    return " AND ".join(where), values
