"""What commands ask about the record of a run: in its folder, or through its page. Answers can be sent as JSON."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from mfmesos.shared import failed_sandboxes
from mfmesos.store.makeflow_log import outputs_of
from mfmesos.store.run_reading import RunReader
from mfmesos.store.runlog import kept_output

Question = Mapping[str, Any]


def answer(reader: RunReader, question: Question) -> Any:
    """`question`: {"ask": NAME, ...}, as for the control socket. Raises ValueError for an invalid one, RecordError."""
    try:
        return _ANSWERS[question["ask"]](reader, question)
    except (KeyError, TypeError):
        raise ValueError(str(question)[:200]) from None


def _number(question: Question, name: str) -> int:
    """Numbers become parts of file names."""
    found = question[name]
    if type(found) is not int:
        raise TypeError(name)
    return found


def _optional(question: Question, name: str) -> int | None:
    return None if question.get(name) is None else _number(question, name)


def _failures(reader: RunReader, question: Question) -> Any:
    """Of the last run, by reason."""
    last = reader.last()
    return reader.failures(last["run"]) if last is not None else []


def _kept(reader: RunReader, question: Question) -> list[list[str]]:
    """{"task", "run", "last": its last attempt, "attempt": the wanted one}, null where unknown: the files with what it
    printed, as [name, text]; bytes that are no UTF-8 are escaped as surrogates.
    """
    state_dir, task, run = reader.path.parent, _number(question, "task"), _optional(question, "run")
    last, attempt = _optional(question, "last"), _optional(question, "attempt")
    paths = kept_output(state_dir, task, run, None if attempt == last else attempt)
    if not paths and last and attempt in (None, last):
        # The output of an attempt that was ended on request comes after the end of its task.
        paths = kept_output(state_dir, task, run, last)
    return [[_name(path, state_dir), path.read_bytes().decode(errors="surrogateescape")] for path in paths]


def _sandboxes(reader: RunReader, question: Question) -> list[str]:
    state_dir = reader.path.parent
    kept = failed_sandboxes.of_task(state_dir, _number(question, "task"))
    return [_name(path, state_dir) for path in kept.values()]


def _name(path: Path, state_dir: Path) -> str:
    """From the workflow's folder."""
    return str(path.relative_to(state_dir.parent))


_ANSWERS: dict[str, Callable[[RunReader, Question], Any]] = {
    "last": lambda reader, question: reader.last(),
    "failures": _failures,
    "find": lambda reader, question: reader.find(str(question["text"])),
    "rule": lambda reader, question: outputs_of(reader.path.parent, _number(question, "rule")),
    "task": lambda reader, question: reader.task(_number(question, "task")),
    "attempts": lambda reader, question: reader.attempts(_number(question, "run"), _number(question, "task")),
    "kept": _kept,
    "sandboxes": _sandboxes,
}
