"""What the core expects of estimates: the values that it decides by, and the protocol that `Core()` takes."""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Named, Resources, Task
from mfmesos.core.records import Kind, Known, Shape

OFF, FILL, OVERRIDE = "off", "fill", "override"


class Need(NamedTuple):
    """What a task is to be given; None where that is still open (see sizing.allocation). Cores, MB, seconds."""

    cores: float | None
    memory_mb: float | None
    disk_mb: float | None
    gpus: float
    floor_memory_mb: float = 0.0
    floor_disk_mb: float = 0.0
    wall_s: float | None = None
    """How long the task will probably run; None: not known."""
    longest_s: float | None = None
    """How long tasks of the category have run at most, of late."""
    others: Named = ()

    def within(self, requested: Shape, agent: Resources) -> Need:
        """What was not requested is no more than the agent has."""
        return self._replace(
            cores=_least(self.cores, agent.cores) if requested.cores is None else self.cores,
            memory_mb=_least(self.memory_mb, agent.memory_mb) if requested.memory_mb is None else self.memory_mb,
            disk_mb=_least(self.disk_mb, agent.disk_mb) if requested.disk_mb is None else self.disk_mb)


def _least(amount: float | None, available: float) -> float | None:
    return None if amount is None else min(amount, available)


class Needs(Protocol):
    """Learns from attempts, and answers for tasks and shapes; `estimates.estimated_needs` is the one that runs use."""

    mode: str
    """OFF; FILL: what was not requested is estimated; OVERRIDE: what was requested as well."""

    def remember(self, attempts: Iterable[Attempt]) -> None:
        """Take attempts of earlier runs, oldest first. Restored tasks have been expected before."""

    def expect(self, category: str) -> None:
        """A task of that category was submitted."""

    def category(self, task: Task) -> str:
        """The category that the task names, or the one that its command has."""

    def signature(self, task: Task) -> str:
        """A digest of the task's command without its files and numbers. Cheap just after its category was asked for."""

    def exact(self, command: str) -> str:
        """A digest of the command as it is written. What the history keeps is both, with a full stop between them."""

    def known(self, command: str, input_mb: float) -> Known:
        """What this exact command used before; its category is expected already."""

    def learn(self, attempt: Attempt) -> None:
        """An attempt of this run has ended."""

    def of(self, shape: Shape, now: float) -> Need:
        """What a task of that shape is given at `now` (monotonic seconds), by all that was learned."""

    def glance(self, shape: Shape) -> Need:
        """The same for readers of the state, between two events: nothing that is decided later may depend on it."""

    def lasts_s(self, category: str) -> float:
        """Seconds for which a need of the category may be used after it was asked for, although attempts end."""

    def retry(
        self, kind: Kind, resource: str, allocation: float, declared: float | None, largest: float | None,
    ) -> float:
        """How much of the exhausted resource the next attempt gets, in whole MB."""
