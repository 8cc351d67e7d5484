"""What the user decides about tasks of the batch runner while it runs, as far as the core does not know them."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from mfmesos.core import events as ev
from mfmesos.core.model import Task
from mfmesos.engines.batchfile import Batch
from mfmesos.engines.host import Host
from mfmesos.shared.messages import steering as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.plainerrors import plain
from mfmesos.store.run_totals import RunTotals
from mfmesos.taskfiles.plan import Blocked, Plan
from mfmesos.taskfiles.plan_graph import Status
from mfmesos.taskfiles.statefile import StateFile
from mfmesos.taskfiles.temporary_readers import TemporaryReaders


@dataclass
class Tally:
    finished: int = 0
    failed: int = 0
    dropped: int = 0
    """Cancelled by the task file after the start: not waited for."""
    withdrawn: int = 0
    """Given up when the run was stopped, or cancelled by the user."""


class BatchSteering(ABC):
    """The part of BatchEngine that the control socket asks. For the loop's thread."""

    _host: Host
    _batch: Batch
    _plan: Plan
    _state: StateFile
    _readers: TemporaryReaders
    _tally: Tally
    _stopping: bool
    totals: RunTotals

    def __init__(self, followed: bool) -> None:
        self._followed = followed
        self.again: Mapping[int, str] = {}
        """Why tasks run again that an earlier run had finished."""
        self._cancelled: set[int] = set()
        """By the user."""
        self._tried: dict[int, int] = {}
        """Attempts of the tasks that have failed or were cancelled."""

    def tasks(self) -> Mapping[int, Task]:
        return self._batch.tasks

    def unmet(self, task_id: int) -> list[tuple[str, tuple[int, ...]]]:
        return self._plan.unmet(task_id)

    def held_back(self, most: int) -> list[int]:
        return self._plan.waiting(most)

    def refuses(self, task_id: int) -> str:
        """Why nothing can be decided about the task, or empty."""
        if task_id not in self._batch.tasks:
            return m.NO_SUCH_TASK(task=task_id)
        return {
            Status.FINISHED: m.ENDED_FINISHED(task=task_id), Status.FAILED: m.ENDED_FAILED(task=task_id),
            Status.BLOCKED: m.ENDED_BLOCKED(task=task_id)}.get(self._plan.status(task_id), "")

    def cancel(self, task_id: int, command: str) -> None:
        """It does not run in this run any more; nothing that needs its outputs does."""
        waited, blocked = self._plan.withdraw(task_id)
        if waited:
            self._state.aborted(task_id)
            self._readers.ended(self._batch.tasks[task_id], finished=False)
            self._take_cancelled(task_id, blocked)
        self._host.post(ev.TaskSteered(task_id, command, cancelled=True))
        self._end_if_complete()

    def _take_cancelled(self, task_id: int, blocked: list[Blocked]) -> None:
        self._cancelled.add(task_id)
        self._tally.withdrawn += 1
        self._block(blocked)

    def retry(self, task_id: int) -> str:
        """What was done, for the user. Raises ValueError with the reason why that is not possible."""
        status = self._plan.status(task_id) if task_id in self._batch.tasks else None
        if status is Status.TAKEN:
            self._host.post(ev.TaskRetried(task_id))
            return ""
        refused = m.RETRY_NOT_RUN(task=task_id) if status in (Status.WAITING, Status.READY) else (
            self._why_no_retry(task_id) if status is Status.FAILED else self.refuses(task_id))
        if refused:
            raise ValueError(refused)
        again = self._plan.retry(task_id)
        try:
            self._state.forget([task_id, *(task.id for task in again)])
        except OSError as e:
            self._block(self._plan.failed(task_id))
            raise ValueError(plain(e)) from None
        self._run_again(task_id, again)
        return m.RETRIED(task=task_id, more=m.RETRIED_MORE(count=counted(len(again), "task")) if again else "")

    def _run_again(self, task_id: int, again: list[Task]) -> None:
        task = self._batch.tasks[task_id]
        if task_id in self._cancelled:
            self._cancelled.discard(task_id)
            self._tally.withdrawn -= 1
        else:
            self._tally.failed -= 1
        self._tally.failed -= len(again)
        for one in (task, *again):
            self._readers.again(one)
        self.totals.runs_again(task_id)
        self._host.sight.runs_again([task_id, *(one.id for one in again)])
        self._host.post(ev.TaskRetried(task_id, self._tried.pop(task_id, 0)))
        self._submit([task])

    def _why_no_retry(self, task_id: int) -> str:
        task = self._batch.tasks[task_id]
        if self._stopping or self._plan.left == 0 or self._host.snapshot().stopping:
            return m.RETRY_ENDING()
        if self._followed:
            return m.RETRY_FOLLOWED(task=task_id)
        if task.temporary or any(name in self._readers.makers for name in task.inputs):
            return m.RETRY_TEMPORARY(task=task_id)
        return m.RETRY_REPLACED(task=task_id) if self._plan.replaced(task_id) else ""

    # --- the engine's ---
    @abstractmethod
    def _submit(self, tasks: list[Task]) -> None:
        """Let these tasks, which are ready, run."""

    @abstractmethod
    def _block(self, blocked: list[Blocked]) -> None:
        """These tasks cannot run any more."""

    @abstractmethod
    def _end_if_complete(self) -> None:
        """End the run if nothing is left to do."""
