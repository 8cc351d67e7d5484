"""Attempt ids. An id is never used twice, whatever happens to its task, the task's number and the scheduler.

TASK.NONCE.N: the task's number at its submission, the nonce of the scheduler to which it was submitted, and the number
of the attempt, from 1. Ids of its further parts, from 1, have .pPART at the end; the first part, of most attempts the
only one, has the id of the attempt. A task may have another number by now: ids are compared, and parsed only to be
shown.
"""
from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"(\d+)(?:\.([^.]+))?\.(\d+)(?:\.p(\d+))?")


class AttemptId(NamedTuple):
    task: int
    """The task's number at its submission."""
    nonce: str
    """Empty in journals of the first mfmesos."""
    number: int
    part: int = 0

    def __str__(self) -> str:
        return attempt_id(attempt_stem(self.task, self.nonce), self.number, self.part)


def attempt_stem(task_id: int, nonce: str) -> str:
    """The common prefix of the ids of all attempts of a task. Without a nonce (older journals have none): its
    number.
    """
    return f"{task_id}.{nonce}" if nonce else str(task_id)


def attempt_id(stem: str, number: int, part: int = 0) -> str:
    """The id of a part of the attempt with that number, counted from 1."""
    return f"{stem}.{number}.p{part}" if part else f"{stem}.{number}"


def parsed(text: str) -> AttemptId:
    """Raises ValueError for what is no id."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(text)
    task, nonce, number, part = found.groups()
    return AttemptId(int(task), nonce or "", int(number), int(part or 0))
