"""What a workflow engine is to the scheduler."""
from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Callable, Protocol

from mfmesos.core import actions as act
from mfmesos.core.model import SavedTask
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared.messages import engines as m

if TYPE_CHECKING:
    from mfmesos.scheduler.scheduler import Scheduler


class Engine(Protocol):
    """Where tasks come from and results go: the task files of makeflow, the batch runner, ..."""

    def resume(self, saved: list[SavedTask]) -> list[SavedTask]:
        """An earlier scheduler of this run has died: which of its tasks are to go on. Called before `start`."""

    def start(self, scheduler: Scheduler) -> None:
        """Begin to post tasks."""

    def report(self, report: act.ReportTask, host: str) -> None:
        """A task has ended; its outputs are in place when it finished."""

    def together(self) -> AbstractContextManager[None]:
        """What is reported in this block may be written at its end, with one write."""

    def note(self, note: act.Note) -> None:
        """One line for the user."""

    def alive(self) -> str:
        """Why to stop (the engine is done or gone), or nothing while it goes on. Called about once a second."""

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        """All is over; or the scheduler has `crashed`, and leaves everything to the one that is started next."""


class Launched:
    """What the engines have in common whose scheduler a launcher keeps alive."""

    def __init__(self, config: SchedulerConfig, echo: Callable[[str], None], getppid: Callable[[], int]) -> None:
        self._state_dir = config.state_dir
        self._echo = echo
        self._verbose = config.verbose
        self._parent = config.parent_pid
        self._getppid = getppid

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def note(self, note: act.Note) -> None:
        if note.level != "info" or self._verbose:
            self._echo(note.text)

    def orphaned(self) -> str:
        """Why to stop: a process whose parent dies gets another one. Nothing while the launcher lives."""
        if self._parent is not None and self._getppid() != self._parent:
            return m.ORPHANED()
        return ""
