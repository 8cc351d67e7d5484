"""Attempt ids. An id is never used twice, whatever happens to its task, the task's number and the scheduler.

TASK.NONCE.N: the task's number at its submission, the nonce of the scheduler to which it was submitted, and the number
of the attempt, from 1. Ids are compared, and never parsed: a task may have another number by now.
"""
from __future__ import annotations


def attempt_stem(task_id: int, nonce: str) -> str:
    """The common prefix of the ids of all attempts of a task. Without a nonce (older journals have none): its
    number.
    """
    return f"{task_id}.{nonce}" if nonce else str(task_id)


def attempt_id(stem: str, number: int) -> str:
    """The id of the attempt with that number, counted from 1."""
    return f"{stem}.{number}"
