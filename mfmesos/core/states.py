"""The states of a task and of a claim, and the only moves between them. docs/states.md draws this table.

`move` is the only gate: all code that changes a state calls it.
"""
from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class TaskState(Enum):
    __hash__ = object.__hash__  # that of Enum is a function in Python

    WAITING = "waiting"  # for a claim with enough free resources
    ASSIGNED = "assigned"  # to a claim; its executor has not accepted the attempt yet
    RUNNING = "running"  # its executor accepted the attempt
    PUBLISHING = "publishing"  # its outputs were received and are being published
    FINISHED = "finished"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # cancelled by the engine or by Ctrl-C


class ClaimState(Enum):
    __hash__ = object.__hash__

    LAUNCHING = "launching"  # offer accepted, its executor has not synced yet
    OPEN = "open"  # syncing, accepts attempts
    DRAINING = "draining"  # its attempts finish, none is added
    RELEASING = "releasing"  # its executor was asked to end, or is being killed
    ENDED = "ended"


T, C = TaskState, ClaimState

TASK_MOVES: Mapping[TaskState, frozenset[TaskState]] = {
    T.WAITING: frozenset({T.ASSIGNED, T.FAILED, T.WITHDRAWN}),
    T.ASSIGNED: frozenset({T.RUNNING, T.PUBLISHING, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.RUNNING: frozenset({T.PUBLISHING, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.PUBLISHING: frozenset({T.FINISHED, T.WAITING, T.FAILED, T.WITHDRAWN}),
    T.FINISHED: frozenset({T.WAITING}),  # its temporary outputs are lost, and needed
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
    """A bug in the core: a move that is not in the table."""


def move(moves: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """`new`, if the table allows it after `old`; raises ImpossibleMove."""
    if new not in moves[old]:
        raise ImpossibleMove(f"{type(old).__name__}: {old.value} -> {new.value}")
    return new
