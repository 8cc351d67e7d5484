"""What an engine may ask of the scheduler that runs its tasks."""
from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Callable, Protocol

from mfmesos.core.events import Event
from mfmesos.core.model import Task
from mfmesos.core.snapshot import ChangedTasks, ClusterRoom, Snapshot, TaskView
from mfmesos.core.waiting import Waiting
from mfmesos.staging.inputs import InputIndex


class Sight(Protocol):
    """What users see of the run afterwards."""

    def not_run(self, task: Task, reason: str) -> None:
        """The task was never submitted, and will not be."""

    def runs_again(self, task_ids: Collection[int]) -> None:
        """These have ended, and what is known of them belongs to earlier attempts."""


class Host(Protocol):
    """All but `post_threadsafe` and `stop` are for the thread of `loop` only."""

    @property
    def inputs(self) -> InputIndex:
        """The inputs that staging serves: tasks' inputs are looked at through it."""

    @property
    def sight(self) -> Sight: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds, as the core's."""

    def post(self, *batch: Event) -> None:
        """Events for the core."""

    def post_threadsafe(self, *batch: Event) -> None:
        """The same from any thread; after the loop has ended it does nothing."""

    def stop(self, reason: str) -> None:
        """Kill what runs, release what is held, and end the run. From any thread."""

    def crash(self, error: BaseException) -> None:
        """End the run on an error that nobody expected; the next scheduler resumes it."""

    def list_agents(self) -> None:
        """Ask the master for its agents; `room` reflects them later."""

    def snapshot(self) -> Snapshot: ...

    def cancelled_before(self) -> Collection[int]:
        """Tasks that the user had cancelled under an earlier scheduler of the run."""

    def seconds_left(self) -> float | None:
        """How long the tasks known so far will probably take; None where nothing is known."""

    def waits_for(self) -> str:
        """What the submitted tasks that wait do wait for, in one word (see Counts)."""

    def room(self) -> ClusterRoom: ...

    def task(self, task_id: int) -> TaskView | None:
        """A submitted task that has not ended."""

    def why_waiting(self, task_id: int) -> Waiting | None:
        """Why it waits for resources, and when it will probably start; None if it does not wait."""

    def changes_since(self, number: int) -> ChangedTasks:
        """The tasks whose state has changed since that number of an earlier call; 0 at first."""

    def members(self, attempt_id: str) -> Mapping[str, tuple[str, ...]]:
        """By output folder, what the attempt, whose task is about to be reported, has made in it."""
