"""The pool's workers, and what their managers' lists say of them. Times by the scheduler's clock."""
from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mfmesos.core.model import Resources, Task
from mfmesos.engines.pool_worker import identity, leaves, size_of
from mfmesos.engines.survey import View
from mfmesos.shares.pool_values import PoolWorker

YOUNG_S = 20.0
"""A worker that ends within this time, and that no manager has listed, was useless."""
JOIN_S = 45.0
"""A worker that has had its resources for this long, and that its manager does not list, cannot join."""


@dataclass
class Worker:
    """A worker that was started and has not ended."""

    task: Task
    asked_at: float
    idle_since: float | None
    seen: bool = False
    """Its manager has listed it."""
    presumed: bool = False
    """Its manager's list is unknown: nothing is known against it."""
    placed_at: float | None = None
    """When it was first seen to have its resources; None: it waits for them."""
    draining: bool = False
    has_files: bool = False
    """Its manager lists it with files for tasks to come."""
    looked_at: float = math.inf
    """When its manager was last asked for its workers; infinite: they are unknown."""
    awaits: bool = False
    """Its manager's program has announced tasks that it has not submitted yet."""

    @property
    def manager(self) -> str:
        return self.task.category or ""

    @property
    def project(self) -> str:
        return self.manager.rpartition(" ")[0]

    @property
    def size(self) -> Resources:
        return size_of(self.task)

    @property
    def idle(self) -> bool:
        return self.seen and self.idle_since is not None

    def as_core(self) -> PoolWorker:
        return PoolWorker(str(self.task.id), self.manager, self.size, self.asked_at, self.idle_since, self.draining,
                          self.seen, self.placed_at is not None, leaves(self.task), self.has_files, self.looked_at)


def see(workers: Iterable[Worker], view: View, waiting: Collection[int], now: float) -> set[str]:
    """Match the workers with the managers' lists and with the ids of those that wait for resources.

    Returns the projects with a worker that was listed for the first time.
    """
    joined = set()
    tasks = {manager.key: manager.tasks for manager in view.managers}
    announcing = {manager.key for manager in view.managers if manager.tasks_left > 0}
    for worker in workers:
        if worker.placed_at is None and worker.task.id not in waiting:
            worker.placed_at = now
        present = view.workers.get(worker.manager)
        listed = present.get(identity(worker.size)) if present is not None else None
        if listed is not None and not worker.seen:
            worker.seen = True
            joined.add(worker.project)
        elif present is None and now - worker.asked_at >= YOUNG_S:
            worker.presumed = True
        worker.looked_at = math.inf if present is None else view.looked_at.get(worker.manager, now)
        if listed is not None:
            worker.has_files = listed.files
        if present is None:
            busy = (worker.seen or worker.presumed) and tasks.get(worker.manager, 1) > 0
        else:
            busy = bool(listed.tasks) if listed is not None else worker.seen
        awaited, worker.awaits = worker.awaits, worker.manager in announcing
        if busy:
            worker.idle_since = None
        elif worker.idle_since is None or (awaited and not worker.awaits):
            worker.idle_since = min(worker.looked_at, now)
    return joined


def strangers(workers: Collection[Worker], view: View) -> dict[str, float]:
    """By manager, the cores of its listed workers that are not the pool's, as started by a user."""
    ours = {(worker.manager, identity(worker.size)) for worker in workers}
    return {key: float(sum(who.cores * listed.workers for who, listed in (present or {}).items()
                           if (key, who) not in ours)) for key, present in view.workers.items()}


def cannot_join(worker: Worker, view: View, now: float) -> bool:
    """Whether its manager has not listed a worker that has been running for a while, though it answers."""
    return (not worker.seen and not worker.presumed and not worker.draining and worker.placed_at is not None
            and now - worker.placed_at >= JOIN_S and view.workers.get(worker.manager) is not None)
