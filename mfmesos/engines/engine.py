"""The interface between a workflow engine and the scheduler."""
from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Callable, Protocol

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import SavedTask, Task
from mfmesos.core.snapshot import Counts
from mfmesos.engines.ahead import Ahead
from mfmesos.engines.host import Host
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared.messages import engines as m
from mfmesos.shared.messages import steering


class Engine(Protocol):
    """A source of tasks that receives their results: the task files of makeflow, the batch runner, ..."""

    @property
    def again(self) -> Mapping[int, str]:
        """Why tasks run again that an earlier run had finished."""

    def resume(self, saved: list[SavedTask]) -> list[SavedTask]:
        """An earlier scheduler of this run has died: return those of its tasks that continue. Called before `start`."""

    def start(self, host: Host) -> None:
        """Start to post tasks."""

    def report(self, report: act.ReportTask, host: str) -> None:
        """A task has ended; if it finished, its outputs are published."""

    def together(self) -> AbstractContextManager[None]:
        """Reports within this block may be written together at its end."""

    def note(self, note: act.Note) -> None:
        """Notify the user with one line."""

    def alive(self) -> str:
        """The reason to stop (the engine is done or gone), or empty. Called about once a second."""

    def counts(self) -> Counts:
        """Of the tasks so far; after `start`."""

    def tasks(self) -> Mapping[int, Task]:
        """By number, all that it knows; empty if it knows no more than it has submitted."""

    def unmet(self, task_id: int) -> list[tuple[str, tuple[int, ...]]]:
        """The inputs for which it holds the task back, each with the tasks that make it."""

    def held_back(self, most: int) -> list[int]:
        """The first tasks that it holds back."""

    def refuses(self, task_id: int) -> str:
        """Why the user can decide nothing about the task; empty if it may still start, or runs."""

    def cancel(self, task_id: int, command: str) -> None:
        """The user cancels the task, which `refuses` nothing. `command`: of the task, as far as known."""

    def retry(self, task_id: int) -> str:
        """The user wants the task to run again: what was done, empty if the core does it. Raises ValueError with the
        reason why that is not possible.
        """

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        """The run has ended; or the scheduler has `crashed`, and leaves everything to the next scheduler."""


class Display(Protocol):
    """What shows a run to its user while it lasts."""

    def update(self, counts: Counts) -> None: ...

    def note(self, text: str) -> None:
        """One line for the user that stays."""

    def close(self) -> None: ...


class Launched:
    """Common parts of the engines whose scheduler a launcher supervises."""

    _host: Host
    again: Mapping[int, str] = MappingProxyType({})

    def __init__(self, config: SchedulerConfig, echo: Callable[[str], None], getppid: Callable[[], int]) -> None:
        self._state_dir = config.state_dir
        self._echo = echo
        self._verbose = config.verbose
        self._parent = config.parent_pid
        self._getppid = getppid
        self._finished = self._failed = self._withdrawn = 0
        self._ahead: Ahead | None = None

    def _count(self, report: act.ReportTask) -> None:
        self._finished += report.finished
        self._withdrawn += report.withdrawn
        self._failed += not (report.finished or report.withdrawn)

    def tasks(self) -> Mapping[int, Task]:
        return {}

    def unmet(self, task_id: int) -> list[tuple[str, tuple[int, ...]]]:
        return []

    def held_back(self, most: int) -> list[int]:
        return []

    def refuses(self, task_id: int) -> str:
        return steering.WORKERS_NOT_STEERED()

    def cancel(self, task_id: int, command: str) -> None:
        self._host.post(ev.TaskSteered(task_id, command, cancelled=True))

    def retry(self, task_id: int) -> str:
        refused = self.refuses(task_id)
        if refused:
            raise ValueError(refused)
        self._host.post(ev.TaskRetried(task_id))
        return ""

    def counts(self) -> Counts:
        """Of the tasks that the engine has submitted so far."""
        run, ended = self._host.snapshot(), self._finished + self._failed
        ahead = self._ahead = self._ahead or Ahead(self._host)
        ahead.look()
        return Counts(run.tasks + ended + self._withdrawn, run.waiting, run.running, self._finished, self._failed,
                      run.claims, ahead.left_s, self._withdrawn, waits_for=ahead.waits_for)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def note(self, note: act.Note) -> None:
        if note.level != "info" or self._verbose:
            self._echo(note.text)

    def orphaned(self) -> str:
        """The reason to stop: a process whose parent dies gets another parent. Empty while the launcher lives."""
        if self._parent is not None and self._getppid() != self._parent:
            return m.ORPHANED()
        return ""
