"""What a workflow engine is to the scheduler."""
from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from mfmesos.core import actions as act
from mfmesos.core.model import SavedTask

if TYPE_CHECKING:
    from mfmesos.scheduler import Scheduler


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
