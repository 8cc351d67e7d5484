"""The columns of an attempt in the history, and the plausible values of each."""
from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

from mfmesos.core.attempt_record import WROTE_INPUT, Attempt
from mfmesos.shared.messages import store as m

MOST_TEXT = 200
"""Characters of a text column; longer texts are cut when they are stored."""
_OUTCOME = re.compile(rf"finished|failed|killed|broken|exhausted:[a-z_]{{1,20}}|{WROTE_INPUT}")
_FUTURE_S = 86400.0
"""Clocks differ; a later end than this from now is invalid."""


COLUMNS = tuple(f.name for f in fields(Attempt))
TEXTS = frozenset({"category", "outcome", "workflow", "signature", "context", "host", "resources"})
ADDED = ("resources", "measured_gpu_memory_mb")
"""Columns that files of the versions before lack."""
EMPTY = {column: "''" if column in TEXTS else "NULL" for column in COLUMNS}
"""What SQL reads where a column is missing."""
NUMBERS = tuple(name for name in COLUMNS if name not in TEXTS and name != "exit_code")


def _most(column: str) -> float:
    """The largest plausible value: a petabyte, a hundred thousand cores, thirty years."""
    if column.endswith("cores"):
        return 1e5
    return {"cpu_s": 1e14, "ended_at": 1e11}.get(column, 1e9)


_MUST = TEXTS | {"ended_at"}
MOST = {column: _most(column) for column in NUMBERS}


def problem(column: str, value: Any, now: float) -> str:
    """Why this value is invalid, as the end of a sentence; empty if it is valid."""
    if column in TEXTS:
        return _text_problem(column, value)
    if value is None:
        return m.MUST_EXIST() if column == "ended_at" else ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return m.MUST_BE_A_NUMBER()
    if column == "exit_code":
        return "" if isinstance(value, int) and abs(value) < 2**31 else m.MUST_BE_AN_INTEGER()
    if not math.isfinite(value) or not 0 <= value <= MOST[column]:
        return m.MUST_LIE_BETWEEN(most=MOST[column])
    if column == "ended_at" and value > now + _FUTURE_S:
        return m.MUST_BE_PAST()
    return ""


def _text_problem(column: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value:
        return m.MUST_BE_SHORT(most=MOST_TEXT)
    if column == "category" and not value:
        return m.MUST_NOT_BE_EMPTY()
    if column == "outcome" and not _OUTCOME.fullmatch(value):
        return m.MUST_BE_AN_OUTCOME()
    return ""


def believable(row: tuple[Any, ...], now: float) -> bool:
    """Whether every value of a row, in the order of COLUMNS, is plausible."""
    for column, value in zip(COLUMNS, row):
        # The usual case first: every scheduler reads the history when it starts.
        if type(value) is float and column in MOST and column != "ended_at" and 0 <= value <= MOST[column]:
            continue
        if (value is not None or column in _MUST) and problem(column, value, now):
            return False
    return True
