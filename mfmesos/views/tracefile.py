"""Reads a trace of tasks (CSV) for `mfmesos estimates replay`."""
from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from mfmesos.estimates.replay import Row
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import views as m

COLUMNS = ("category", "input_mb", "declared_mb", "peak_mb", "seconds", "submit_s", "start_s", "end_s")
_NEEDED = ("category", "declared_mb", "peak_mb", "seconds")
_NOT_NEGATIVE = ("input_mb", "declared_mb", "peak_mb", "seconds")
_MAY_LACK = ("input_mb", "submit_s", "start_s", "end_s")


def load(path: Path, *, causal: bool = False) -> list[Row]:
    """The rows in file order; rows without a peak or a run time (0) are ignored.

    Raises ConfigError with one line that names file, line and cure; with `causal` also for a row without start or end.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            rows = parse(f, str(path), causal=causal)
    except OSError as e:
        raise ConfigError(m.TRACE_UNREADABLE(path=path, why=e.strerror, columns=",".join(COLUMNS))) from e
    except UnicodeDecodeError as e:
        raise ConfigError(m.TRACE_NOT_UTF8(path=path)) from e
    if not rows:
        raise ConfigError(m.TRACE_EMPTY(path=path))
    return rows


def parse(lines: Iterable[str], name: str, *, causal: bool = False) -> list[Row]:
    """Like load, from lines; `name` is used in messages."""
    reader = csv.DictReader(lines, strict=True)
    rows: list[Row] = []
    before = ""
    try:
        missing = [c for c in _NEEDED if c not in (reader.fieldnames or ())]
        if missing:
            raise ConfigError(m.TRACE_COLUMN_MISSING(
                path=name, column=missing[0], columns=",".join(COLUMNS)))
        for record in reader:
            row = _row(record, f"{name}:{reader.line_num}", before)
            before = row.category
            if row.peak_mb > 0 and row.seconds > 0:
                _check_times(row, f"{name}:{reader.line_num}", causal)
                rows.append(row)
    except csv.Error as e:
        raise ConfigError(m.TRACE_QUOTING(path=name, line=reader.line_num, why=e)) from e
    return rows


def _row(record: dict[str, str | None], where: str, before: str) -> Row:
    if None in record or None in (record[c] for c in _NEEDED):
        raise ConfigError(m.TRACE_FIELDS(where=where))
    numbers = {c: _number(record.get(c), c, where) for c in COLUMNS[1:]}
    category = record["category"]
    if not category:
        raise ConfigError(m.TRACE_NO_CATEGORY(where=where))
    lacking = [c for c in _NEEDED[1:] if numbers[c] is None]
    if lacking:
        raise ConfigError(m.TRACE_FIELD_EMPTY(where=where, column=lacking[0]))
    if not numbers["declared_mb"]:
        raise ConfigError(m.TRACE_NOT_DECLARED(where=where))
    return Row(
        category, numbers["peak_mb"] or 0.0, numbers["seconds"] or 0.0, numbers["declared_mb"],
        **{c: numbers[c] for c in _MAY_LACK}, context=before)


def _number(text: str | None, column: str, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(m.TRACE_NOT_NUMBER(where=where, column=column, value=text[:40])) from None
    if not math.isfinite(value) or (value < 0 and column in _NOT_NEGATIVE):
        raise ConfigError(m.TRACE_OUT_OF_RANGE(where=where, column=column, value=text[:40]))
    return value


def _check_times(row: Row, where: str, causal: bool) -> None:
    if causal and (row.start_s is None or row.end_s is None):
        what = "start_s" if row.start_s is None else "end_s"
        raise ConfigError(m.TRACE_NO_TIME(where=where, column=what))
    if row.start_s is not None and row.end_s is not None and row.end_s < row.start_s:
        raise ConfigError(m.TRACE_ENDS_FIRST(where=where))
