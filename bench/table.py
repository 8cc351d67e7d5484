"""The results as one table in Markdown and as JSON."""
from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rows import Figure, Row, Values

UNITS = {"s": "s", "ms": "ms", "mb": "MB", "kb": "kB"}
"""By the ends of the names of values."""
QUIET_CORES = 0.3
"""Others who use more of the machine before a round make its figures doubtful."""


@dataclass
class Result:
    """All rounds of a row."""

    row: Row
    rounds: list[Values] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """Cores that other processes used before each round."""
    seconds: list[float] = field(default_factory=list)
    """How long each round took."""
    problem: str = ""
    """Why it could not be measured, or not as often as it should."""
    here: bool = True
    """Whether this machine can measure it."""

    @property
    def loaded(self) -> bool:
        return any(cores > QUIET_CORES for cores in self.others)


@dataclass(frozen=True)
class Line:
    """A figure of all rounds: its median and extremes."""

    figure: Figure
    median: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        return "unknown" if math.isnan(self.median) else self.figure.verdict(self.median)


def line(figure: Figure, rounds: Sequence[Values]) -> Line:
    found = [_of(figure, values) for values in rounds]
    known = [number for number in found if not math.isnan(number)]
    if not known:
        return Line(figure, math.nan, math.nan, math.nan)
    return Line(figure, statistics.median(known), min(known), max(known))


def _of(figure: Figure, values: Values) -> float:
    try:
        return figure.of(values)
    except (ZeroDivisionError, KeyError):  # a disk that does not count, a part that could not be measured
        return math.nan


def markdown(results: Iterable[Result], machine: dict[str, str]) -> str:
    """The table, what was measured for it, and the machine."""
    results = list(results)
    text = ["| what | against | figure | median | spread | bar | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for result in results:
        text += _lines(result)
    text += ["", "Medians (lowest to highest) of what was measured:", ""]
    text += [f"- `{result.row.name}`{_note(result)}: {_measured(result.rounds)}" for result in results if result.rounds]
    if any(result.loaded for result in results):
        text += ["", f"\\* Measured under load: before a round of this row others used over {QUIET_CORES:g} cores."]
    text += ["", "Machine: " + "; ".join(f"{name} {about}" for name, about in machine.items()), ""]
    return "\n".join(text)


def _lines(result: Result) -> list[str]:
    row = result.row
    mark = " \\*" if result.loaded else ""
    if not result.rounds:
        return [f"| {row.title} | {row.against} | not measured: {result.problem} | | | {_bars(row)} | |"]
    text = []
    for number, figure in enumerate(row.figures):
        found = line(figure, result.rounds)
        title, against = (row.title + mark, row.against) if number == 0 else ("", "")
        spread = "" if len(result.rounds) == 1 else f"{amount(found.low)} to {amount(found.high)}"
        text.append(f"| {title} | {against} | {figure.what} | {amount(found.median)} {figure.unit} | {spread} "
                    f"| {figure.bar} | {found.verdict} |".replace("  |", " |"))
    return text


def _bars(row: Row) -> str:
    return "; ".join(figure.bar for figure in row.figures if figure.bar)


def _note(result: Result) -> str:
    notes = [result.row.scaled, f"{len(result.rounds)} rounds" if len(result.rounds) > 1 else "1 round", result.problem]
    return f" ({'; '.join(note for note in notes if note)})"


def _measured(rounds: Sequence[Values]) -> str:
    parts = []
    for name in rounds[0]:
        found = [values[name] for values in rounds if name in values]
        what, _, unit = name.rpartition("_")
        what, unit = (what, UNITS[unit]) if unit in UNITS else (name, "")
        spread = f" ({amount(min(found))} to {amount(max(found))})" if len(found) > 1 else ""
        parts.append(f"{what.replace('_', ' ')} {amount(statistics.median(found))} {unit}".rstrip() + spread)
    return ", ".join(parts)


def amount(number: float) -> str:
    """Three digits that mean something."""
    if math.isnan(number):
        return "?"
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.2f}" if number < 10 else f"{number:.1f}"


def as_json(results: Iterable[Result], machine: dict[str, str]) -> dict[str, Any]:
    return {"machine": machine, "rows": [_json(result) for result in results]}


def _json(result: Result) -> dict[str, Any]:
    row = result.row
    lines = [line(figure, result.rounds) for figure in row.figures] if result.rounds else []
    return {
        "name": row.name, "title": row.title, "against": row.against, "scaled": row.scaled, "rounds": result.rounds,
        "seconds": result.seconds, "others_cores": result.others, "problem": result.problem,
        "figures": [{
            "what": one.figure.what, "unit": one.figure.unit, "median": _number(one.median), "low": _number(one.low),
            "high": _number(one.high), "at_most": one.figure.at_most, "at_least": one.figure.at_least,
            "verdict": one.verdict} for one in lines]}


def _number(number: float) -> float | None:
    return None if math.isnan(number) else number
