"""The states of a task and of a claim, and the only moves between them. docs/states.md draws this table.

`move` is the one gate: code that changes a state calls it and nothing else.
"""
from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class TaskState(Enum):
    WAITING = "waiting"  # for a claim with room
    ASSIGNED = "assigned"  # to a claim; its executor has not yet said that it took it on
    RUNNING = "running"  # the executor said so
    PUBLISHING = "publishing"  # outputs delivered, on their way to their final names
    FINISHED = "finished"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # the engine does not want it any more


class ClaimState(Enum):
    LAUNCHING = "launching"  # accepted, its executor has not synced yet
    OPEN = "open"  # syncing, takes on work
    DRAINING = "draining"  # finishes what runs, takes on nothing more
    RELEASING = "releasing"  # told to end, or being killed
    ENDED = "ended"


T, C = TaskState, ClaimState

TASK_MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    T.WAITING: frozenset({T.ASSIGNED, T.FAILED, T.WITHDRAWN}),
    T.ASSIGNED: frozenset({T.RUNNING, T.PUBLISHING, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.RUNNING: frozenset({T.PUBLISHING, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.PUBLISHING: frozenset({T.FINISHED, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.FINISHED: frozenset(),
    T.FAILED: frozenset(),
    T.WITHDRAWN: frozenset(),
}
CLAIM_MOVES: Mapping[ClaimState, frozenset[ClaimState]] = {
    C.LAUNCHING: frozenset({C.OPEN, C.RELEASING, C.ENDED}),
    C.OPEN: frozenset({C.DRAINING, C.RELEASING, C.ENDED}),
    C.DRAINING: frozenset({C.RELEASING, C.ENDED}),
    C.RELEASING: frozenset({C.ENDED}),
    C.ENDED: frozenset(),
}

S = TypeVar("S", TaskState, ClaimState)


class ImpossibleMove(AssertionError):
    """A bug in the core: a state was left in a way that the table does not have."""


def move(moves: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """`new`, when the table allows it after `old`; raises ImpossibleMove."""
    if new not in moves[old]:
        raise ImpossibleMove(f"{type(old).__name__}: {old.value} -> {new.value}")
    return new
