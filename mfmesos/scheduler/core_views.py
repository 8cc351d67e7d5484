"""What engines may see of the core."""
from __future__ import annotations

from collections.abc import Iterable

from mfmesos.core import attemptid, nearest, steering
from mfmesos.core import snapshot as snapshots
from mfmesos.core.core import Core
from mfmesos.core.model import Request, StagedInput
from mfmesos.core.snapshot import ChangedTasks, ClaimView, ClusterRoom, Snapshot, TaskView
from mfmesos.core.waiting import NextTask, Waiting, next_tasks, waits_for, why_each_waits, why_waiting
from mfmesos.store.journal import Journal


class CoreViews:
    """The part of engines' Host that asks the core and the journal; for the loop's thread."""

    core: Core
    journal: Journal

    def cancelled_before(self) -> frozenset[int]:
        """What the user had cancelled when this scheduler began."""
        return frozenset(number for number, one in self.journal.steered({}) if one.cancelled)

    def snapshot(self) -> Snapshot:
        return snapshots.snapshot(self.core.state)

    def seconds_left(self) -> float | None:
        return self.core.seconds_left()

    def room(self) -> ClusterRoom:
        return snapshots.cluster_room(self.core.state)

    def advisory_gpus(self) -> float:
        return snapshots.advisory_gpus(self.core.state)

    def task(self, task_id: int) -> TaskView | None:
        return snapshots.task_view(self.core.state, task_id)

    def why_waiting(self, task_id: int) -> Waiting | None:
        return why_waiting(self.core.state, task_id)

    def why_each_waits(self, task_ids: Iterable[int]) -> list[Waiting]:
        """Of those that wait, without predictions of their starts."""
        return why_each_waits(self.core.state, task_ids)

    def next_tasks(self, most: int) -> list[NextTask]:
        return next_tasks(self.core.state, most)

    def waits_for(self) -> str:
        return waits_for(self.core.state)

    def first_inputs(self, claim_id: str) -> tuple[StagedInput, ...]:
        return nearest.first_inputs(self.core.state, claim_id)

    def running(self, most: int) -> list[int]:
        return snapshots.running(self.core.state, most)

    def claims(self, most: int) -> list[ClaimView]:
        return snapshots.claims(self.core.state, most)

    def waiting(self, most: int) -> list[int]:
        return snapshots.waiting(self.core.state, most)

    def opened_for(self, claim_id: str) -> list[str]:
        return snapshots.opened_for(self.core.state, claim_id)

    def known(self) -> tuple[int, ...]:
        return snapshots.known(self.core.state)

    def beyond_bounds(self, request: Request) -> str:
        """Why no claim of the run may ever hold such a task, or empty."""
        return steering.beyond_bounds(self.core.state, request)

    def started_here(self, attempt: str) -> tuple[int, int] | None:
        """The task and the number of an attempt; None if an earlier scheduler submitted the task, whose number may be
        that of another one by now.
        """
        try:
            known = attemptid.parsed(attempt)
        except ValueError:
            return None
        return (known.task, known.number) if known.nonce == self.core.state.policy.nonce else None

    def changes_since(self, number: int) -> ChangedTasks:
        return snapshots.changes_since(self.core.state, number)
