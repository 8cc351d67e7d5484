"""How attempts are named. An id is never used again, whatever becomes of its task, its number and the scheduler.

TASK.NONCE.N: the number that the task had when it was submitted, the life of the scheduler that submitted it, and the
attempt, from 1. Ids are compared, and never taken apart: a task may have another number by now.
"""
from __future__ import annotations


def attempt_stem(task_id: int, nonce: str) -> str:
    """What the ids of all attempts of a task begin with. Without a nonce (older journals have none): its number."""
    return f"{task_id}.{nonce}" if nonce else str(task_id)


def attempt_id(stem: str, number: int) -> str:
    """The id of the attempt with that number, counted from 1."""
    return f"{stem}.{number}"
