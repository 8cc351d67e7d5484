"""The screen of `mfmesos top`: what runs where, in a text of any size; pure."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Callable

from mfmesos.core.snapshot import Counts
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.phrases import counted, cut, duration, shortened, without_controls
from mfmesos.views.progress import describe
from mfmesos.views.status_view import COMMANDS

Values = Mapping[str, Any]
TASKS, AGENTS = "tasks", "agents"
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


def _text(value: Any, now: float) -> str:
    return without_controls(str(value))


def _mb(value: Any, now: float) -> str:
    return f"{value:.0f}"


def _cores(value: Any, now: float) -> str:
    return f"{round(value, 2):g}"


def _ago(value: Any, now: float) -> str:
    return duration(max(now - value, 0.0))


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
        if key == "t" or (key == "tab" and self.table == AGENTS):
            return View(TASKS)
        if key in ("a", "tab"):
            return View(AGENTS)
        if key in (">", "s", "right"):
            return replace(self, column=(self.column + 1) % columns, reverse=False, first=0)
        if key in ("<", "left"):
            return replace(self, column=(self.column - 1) % columns, reverse=False, first=0)
        return replace(self, reverse=not self.reverse, first=0) if key == "r" else self


def rows_of(view: View, running: Sequence[Values], claims: Sequence[Values]) -> list[Values]:
    """The rows of the chosen table, sorted."""
    column = COLUMNS[view.table][view.column]
    rows = running if view.table == TASKS else by_agent(claims)
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
        "",
        _line([column.name for column in columns], columns, width),
        *(_line([column.show(column.value(row), now) for column in columns], columns, width) for row in shown),
    ]
    lines += [""] * (height - 1 - len(lines))
    name = columns[view.column].name
    order = m.TOP_REVERSED(column=name) if view.reverse else name
    lines.append(m.TOP_KEYS(first=min(view.first + 1, len(rows)), last=view.first + len(shown), rows=len(rows),
                            table=view.table, order=order))
    return [cut(line, width) for line in lines[:height]]


def _line(texts: Sequence[str], columns: Sequence[Column], width: int) -> str:
    """The last column has the rest of the width, if it has no width of its own."""
    parts = []
    used = 0
    for text, column in zip(texts, columns):
        size = column.width or max(width - used, 1)
        text = shortened(text, size)
        parts.append(f"{text:<{size}}" if column.left else f"{text:>{size}}")
        used += size + 2
    return "  ".join(parts).rstrip()
