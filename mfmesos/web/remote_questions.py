"""What `mfmesos status URL`, `why`, `top` and `logs` ask a page: the questions that they ask in a run's folder. Only
those that change nothing.

/api/scheduler?question=JSON and /api/record?question=JSON answer with {"folder": PATH, "answer": ...}; in place of an
answer they have "error", one line, and "none", true where no scheduler is alive, or there is no record yet.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mfmesos.control.control_client import ControlClient, ControlError, NotAlive
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import control as m
from mfmesos.store import record_questions
from mfmesos.store.run_reading import NoRecord, RunReader
from mfmesos.store.run_tables import RecordError

SERVER = "mfmesos"
"""The header by which a page of mfmesos is known."""
SCHEDULER, RECORD = "scheduler", "record"
READING = frozenset(("status", "running", "waiting", "claims", "task", "first_waiting", "find", "printed"))
"""Questions for the scheduler."""


def answered(folder: Path, whom: str, text: str) -> dict[str, Any]:
    """For any thread. Raises ValueError if the question is invalid."""
    question = json.loads(text)
    if not isinstance(question, dict):
        raise ValueError(text[:200])
    where = {"folder": str(folder.resolve())}
    try:
        return {**where, "answer": (_recorded if whom == RECORD else _asked)(folder / STATE_DIR, question)}
    except (ControlError, RecordError) as e:
        return {**where, "error": str(e), "none": isinstance(e, (NotAlive, NoRecord))}


def _recorded(state_dir: Path, question: dict[str, Any]) -> Any:
    with RunReader(state_dir) as reader:
        return record_questions.answer(reader, question)


def _asked(state_dir: Path, question: dict[str, Any]) -> Any:
    name = question.pop("ask", None)
    if name not in READING:
        raise ControlError(m.UNKNOWN_QUESTION())
    with ControlClient(state_dir) as client:
        return client.ask(name, **question)
