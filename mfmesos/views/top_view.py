"""The screen of `mfmesos top`: what runs where and what waits for what, in a text of any size; pure."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Callable

from mfmesos.core.snapshot import Counts
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.phrases import counted, cut, duration, shortened, without_controls
from mfmesos.views.progress import describe
from mfmesos.views.status_view import COMMANDS
from mfmesos.views.why_view import row_reason

Values = Mapping[str, Any]
TASKS, WAITING, AGENTS = "tasks", "waiting", "agents"
KEYS = {"t": TASKS, "w": WAITING, "a": AGENTS}
ASKED = {TASKS: "running", WAITING: "waiting", AGENTS: "claims"}
"""By the table, the scheduler's answer that it shows."""
HEAD = 5
"""Lines above the rows, and one below."""
_COUNTS = {one.name for one in fields(Counts)}


@dataclass(frozen=True)
class Column:
    name: str
    width: int
    value: Callable[[Values], Any]
    """By which rows are sorted."""
    show: Callable[[Any, float], str]
    """The value's text at that time."""
    left: bool = False
    descends: bool = False
    """The largest values come first."""
    ends: bool = False
    """A long text loses its end, not its middle."""


def _text(value: Any, now: float) -> str:
    return without_controls(str(value))


def _mb(value: Any, now: float) -> str:
    return f"{value:.0f}"


def _cores(value: Any, now: float) -> str:
    return f"{round(value, 2):g}"


def _ago(value: Any, now: float) -> str:
    return duration(max(now - value, 0.0))


UNKNOWN = -1.0
"""Before a task's inputs exist: since when it waits for resources, and what it needs."""


def _if_known(show: Callable[[Any, float], str]) -> Callable[[Any, float], str]:
    return lambda value, now: "-" if value == UNKNOWN else show(value, now)


def _need(name: str) -> Callable[[Values], Any]:
    """What the scheduler decided to give."""
    return lambda row: row["why"]["need"][name] if "why" in row else UNKNOWN


COLUMNS = {
    TASKS: (
        Column("time", 10, lambda row: row["since"], _ago),
        Column("task", 6, lambda row: row["task"], _text),
        Column("agent", 12, lambda row: row["host"], _text, left=True),
        Column("cores", 5, lambda row: row["cores"], _cores, descends=True),
        Column("memory", 6, lambda row: row["memory_mb"], _mb, descends=True),
        Column("category", 8, lambda row: row["category"], _text, left=True),
        Column("command", 0, lambda row: row["command"], _text, left=True),
    ),
    WAITING: (
        Column("turn", 4, lambda row: row["turn"], _text),
        Column("task", 6, lambda row: row["task"], _text),
        Column("waited", 10, lambda row: row.get("since", UNKNOWN), _if_known(_ago)),
        Column("cores", 5, _need("cores"), _if_known(_cores), descends=True),
        Column("memory", 6, _need("memory_mb"), _if_known(_mb), descends=True),
        Column("category", 8, lambda row: row["category"], _text, left=True),
        Column("why", 0, lambda row: row["reason"], _text, left=True, ends=True),
    ),
    AGENTS: (
        Column("tasks", 7, lambda row: row["tasks"], _text, descends=True),
        Column("agent", 24, lambda row: row["host"], _text, left=True),
        Column("claims", 7, lambda row: row["claims"], _text, descends=True),
        Column("cores", 6, lambda row: row["cores"], _cores, descends=True),
        Column("free", 6, lambda row: row["free_cores"], _cores, descends=True),
        Column("memory", 9, lambda row: row["memory_mb"], _mb, descends=True),
        Column("free MB", 9, lambda row: row["free_memory_mb"], _mb, descends=True),
    ),
}


@dataclass(frozen=True)
class View:
    """What the user chose."""

    table: str = TASKS
    column: int = 0
    reverse: bool = False
    first: int = 0
    """Rows that are scrolled away."""

    def pressed(self, key: str, rows: int, room: int) -> View:
        """After a key; unknown ones change nothing. `rows`: of the table; `room`: how many fit on the screen."""
        columns = len(COLUMNS[self.table])
        last = max(rows - room, 0)
        moved = {"down": self.first + 1, "up": self.first - 1, "pagedown": self.first + room,
                 "pageup": self.first - room}.get(key)
        if moved is not None:
            return replace(self, first=min(max(moved, 0), last))
        if key == "tab":
            tables = list(COLUMNS)
            return View(tables[(tables.index(self.table) + 1) % len(tables)])
        if key in KEYS:
            return View(KEYS[key])
        if key in (">", "s", "right"):
            return replace(self, column=(self.column + 1) % columns, reverse=False, first=0)
        if key in ("<", "left"):
            return replace(self, column=(self.column - 1) % columns, reverse=False, first=0)
        return replace(self, reverse=not self.reverse, first=0) if key == "r" else self


def rows_of(view: View, found: Sequence[Values], now: float) -> list[Values]:
    """The rows of the chosen table, sorted. `found`: what the scheduler answers to the question in ASKED."""
    rows: Sequence[Values] = found
    if view.table == AGENTS:
        rows = by_agent(found)
    elif view.table == WAITING:
        rows = [{**row, "turn": turn, "reason": row_reason(row, now)} for turn, row in enumerate(found, 1)]
    column = COLUMNS[view.table][view.column]
    return sorted(rows, key=column.value, reverse=column.descends is not view.reverse)


def by_agent(claims: Sequence[Values]) -> list[Values]:
    """The claims on each agent together."""
    found: dict[str, dict[str, Any]] = {}
    for claim in claims:
        row = found.setdefault(claim["host"], {"host": claim["host"], "claims": 0, "tasks": 0, "cores": 0.0,
                                               "memory_mb": 0.0, "free_cores": 0.0, "free_memory_mb": 0.0})
        row["claims"] += 1
        for name in ("tasks", "cores", "memory_mb", "free_cores", "free_memory_mb"):
            row[name] += claim[name]
    return list(found.values())


def screen(view: View, status: Values, rows: Sequence[Values], now: float, width: int, height: int) -> list[str]:
    """`height` lines at most, none longer than `width`. `status`: the scheduler's answer."""
    columns = COLUMNS[view.table]
    shown = rows[view.first:view.first + max(height - HEAD - 1, 0)]
    held, elapsed_s = status["held"], now - status["started"]
    counts = Counts(**{name: n for name, n in status["counts"].items() if name in _COUNTS})
    command = COMMANDS.get(str(status["engine"]), str(status["engine"]))
    lines = [
        f"{command}  {shortened(without_controls(status['workdir']), max(width - len(command) - 2, 10))}",
        describe(counts, elapsed_s, width),
        m.STATUS_STOPPING(why=without_controls(status["stopping"])) if status["stopping"] else m.STATUS_HOLDS(
            claims=counted(status["claims"], "claim"), cores=f"{held['cores']:g}", memory=f"{held['memory_mb']:.0f}"),
        _of_rows(view, counts, len(rows), len(shown)),
        _line([column.name for column in columns], columns, width),
        *(_line([column.show(column.value(row), now) for column in columns], columns, width) for row in shown),
    ]
    lines += [""] * (height - 1 - len(lines))
    lines.append(m.TOP_KEYS())
    return [cut(line, width) for line in lines[:height]]


def _of_rows(view: View, counts: Counts, rows: int, shown: int) -> str:
    """Which rows of which table are shown, in which order."""
    name = COLUMNS[view.table][view.column].name
    of = m.TOP_FIRST(shown=rows, waiting=counts.waiting) if view.table == WAITING and rows < counts.waiting else rows
    return m.TOP_ROWS(
        first=min(view.first + 1, rows), last=view.first + shown, table=view.table, rows=of,
        order=m.TOP_REVERSED(column=name) if view.reverse else name)


def _line(texts: Sequence[str], columns: Sequence[Column], width: int) -> str:
    """The last column has the rest of the width, if it has no width of its own."""
    parts = []
    used = 0
    for text, column in zip(texts, columns):
        size = column.width or max(width - used, 1)
        text = f"{text[:size - 1]}…" if column.ends and len(text) > size else shortened(text, size)
        parts.append(f"{text:<{size}}" if column.left else f"{text:>{size}}")
        used += size + 2
    return "  ".join(parts).rstrip()
