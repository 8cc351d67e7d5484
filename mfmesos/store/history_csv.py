"""The history as CSV: written for people and other programs, and read from exports and traces."""
from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TextIO

from mfmesos.core.attempt_record import Attempt
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import store as m
from mfmesos.store.attempt_columns import COLUMNS, NUMBERS, TEXTS, problem

TRACE = {"declared_mb": "requested_memory_mb", "peak_mb": "measured_memory_mb", "seconds": "wall_s",
         "input_mb": "input_mb", "end_s": "ended_at", "category": "category"}
"""Columns of a trace (see `mfmesos estimates replay`) and the matching columns of the history."""
_OURS = {ours: theirs for theirs, ours in TRACE.items()}
_NEEDED = ("category", "outcome", "ended_at")
_NEEDED_IN_TRACE = ("category", "peak_mb", "seconds")


def write(attempts: Iterable[Attempt], file: TextIO) -> None:
    """Write all columns; an empty field means unknown."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for attempt in attempts:
        values = (getattr(attempt, column) for column in COLUMNS)
        writer.writerow(["" if value is None else value for value in values])


def parse(lines: Iterable[str], name: str, now: float, workflow: str = "") -> list[Attempt]:
    """Attempts from CSV: an export, or a trace. Tasks of a trace belong to `workflow` and ended just now, or at their
    end_s, shifted so that the last task ended just now. Raises ConfigError with one line: file, line and cure.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        header = reader.fieldnames or ()
        if all(column in header for column in _NEEDED):
            return [_exported(record, where, now) for record, where in _records(reader, name)]
        if all(column in header for column in _NEEDED_IN_TRACE):
            return _traced(reader, name, now, workflow)
    except csv.Error as e:
        raise ConfigError(m.CSV_MALFORMED(file=name, line=reader.reader.line_num or 1, why=e)) from None
    raise ConfigError(m.CSV_COLUMNS_UNKNOWN(file=name, trace=",".join(_NEEDED_IN_TRACE)))


def _records(reader: csv.DictReader[str], name: str) -> Iterator[tuple[dict[str, str], str]]:
    for record in reader:
        where = f"{name}:{reader.line_num}"
        if None in record or None in record.values():
            raise ConfigError(m.CSV_FIELDS(where=where))
        yield record, where


def _exported(record: dict[str, str], where: str, now: float) -> Attempt:
    values = {column: _value(column, record[column], where) for column in COLUMNS if column in record}
    return _checked(values, where, now)


def _traced(reader: csv.DictReader[str], name: str, now: float, workflow: str) -> list[Attempt]:
    attempts: list[tuple[Attempt, str]] = []
    before = ""
    for record, where in _records(reader, name):
        values = {ours: _value(ours, record[theirs], where, theirs)
                  for theirs, ours in TRACE.items() if theirs in record}
        attempt = _checked({**values, "ended_at": values.get("ended_at") or 0.0, "outcome": "finished",
                            "workflow": workflow[:200], "context": before}, where, now, _OURS)
        before = attempt.category
        attempts.append((attempt, where))
    last = max((a.ended_at for a, _ in attempts), default=0.0)
    return [replace(a, ended_at=now if a.ended_at == 0 else max(0.0, now - last + a.ended_at)) for a, _ in attempts]


def _value(column: str, text: str, where: str, shown: str = "") -> Any:
    if column in TEXTS:
        return text
    if not text.strip():
        return None
    try:
        return float(text) if column in NUMBERS else int(text)
    except ValueError:
        raise ConfigError(m.CSV_NOT_A_NUMBER(where=where, column=shown or column, value=text[:40])) from None


def _checked(
    values: dict[str, Any], where: str, now: float, names: Mapping[str, str] = MappingProxyType({}),
) -> Attempt:
    """`names` maps columns to the file's names, if they differ."""
    for column, value in values.items():
        why = problem(column, value, now)
        if why:
            name = names.get(column, column)
            raise ConfigError(m.CSV_EMPTY(where=where, column=name, rule=why) if value in {None, ""}
                              else m.CSV_INVALID(where=where, column=name, value=str(value)[:40], rule=why))
    return Attempt(**values)
