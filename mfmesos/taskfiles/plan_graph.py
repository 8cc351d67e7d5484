"""The graph of a plan: tasks, and the names that they need."""
from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import field

from mfmesos.core.model import Task
from mfmesos.shared.values import slotted

LONGEST_NAME = 4096


class Status(enum.Enum):
    """The state of a task: WAITING -> READY -> TAKEN -> FINISHED or FAILED; BLOCKED will never run."""

    WAITING = "waiting"
    READY = "ready"
    TAKEN = "taken"
    FINISHED = "finished"
    FAILED = "failed"
    BLOCKED = "blocked"


GONE = (Status.FAILED, Status.BLOCKED)


@slotted(eq=False)
class Node:
    task: Task
    line: int
    index: int
    status: Status = Status.WAITING
    waits: int = 0
    needs: Sequence[Need] = ()
    feeds: Sequence[Need] = ()
    """What its outputs are needed for, in a list if there is anything: most of many tasks make what no task reads."""

    def feed(self, need: Need) -> None:
        if not isinstance(self.feeds, list):
            self.feeds = []
        self.feeds.append(need)


@slotted(eq=False)
class Need:
    name: str
    exists: bool
    """On disk, or made by a listed task that has finished."""
    producers: dict[int, Node] = field(default_factory=dict)
    """Makers that have not finished."""
    consumers: list[Node] = field(default_factory=list)

    @property
    def met(self) -> bool:
        return self.exists and not self.producers


def pending(node: Node) -> bool:
    return node.status in (Status.WAITING, Status.READY, Status.TAKEN)


def folders_above(name: str) -> Iterator[str]:
    """For a/b/c: a/b, a, and "." (the workflow's folder) for a name inside it."""
    if len(name) > LONGEST_NAME:
        return
    end = name.rfind("/")
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 0, end)
    if not name.startswith(("/", "../")) and name not in (".", ".."):
        yield "."
