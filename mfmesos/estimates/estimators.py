"""The estimators of memory, disk, cores and wall time, side by side."""
from __future__ import annotations

from dataclasses import replace

from mfmesos.core.model import Request
from mfmesos.core.records import Known
from mfmesos.core.sizing import Defaults
from mfmesos.estimates.estimator import Estimator
from mfmesos.estimates.own_command import Commands
from mfmesos.estimates.tuning import DEFAULT_TUNING, Tuning
from mfmesos.shared.messages import estimates as m
from mfmesos.shared.values import value

_NOTHING = Request()


@value(frozen=True)
class Usage:
    """What an attempt was measured to use at most; None where it was not measured."""

    memory_mb: float | None = None
    disk_mb: float | None = None
    cores: float | None = None
    wall_s: float | None = None


class Estimates:
    """One Estimator per resource; all take the same category, input size (MB) and place in the workflow."""

    def __init__(self, tuning: Tuning = DEFAULT_TUNING, defaults: Defaults | None = None) -> None:
        defaults = defaults or Defaults()
        self.memory = Estimator(tuning, defaults.memory_mb)
        self.disk = Estimator(tuning, defaults.disk_mb)
        self.cores = Estimator(tuning, defaults.cores)
        self.wall = Estimator(tuning, 3600.0)
        self.commands = Commands()
        self._judged = [self.memory, self.disk, self.cores, self.wall]

    @classmethod
    def for_run(cls, retries_per_100: float, defaults: Defaults | None = None) -> Estimates:
        """A run asks of cores and wall time only what is usual, for which no candidates are judged: half of the cost of
        learning. Raises like `with_budget`.
        """
        made = cls.with_budget(retries_per_100, defaults)
        made._judged = [made.memory, made.disk]
        return made

    @classmethod
    def with_budget(cls, retries_per_100: float, defaults: Defaults | None = None) -> Estimates:
        """For --retry-budget. Raises ValueError unless it is above 0 and at most 100."""
        if not 0.0 < retries_per_100 <= 100.0:
            raise ValueError(m.RETRY_BUDGET_INVALID(value=retries_per_100))
        return cls(replace(DEFAULT_TUNING, retry_budget=retries_per_100 / 100.0), defaults)

    def observe(
        self, category: str, input_mb: float | None, usage: Usage, *, declared: Request = _NOTHING, context: str = "",
        judge: bool = True, command: str = "",
    ) -> None:
        """An attempt ended by itself: its usage is the task's need. `judge` as Estimator.observe has it; `command` is
        the digest of the exact command, where known."""
        own = self.commands.of(command, input_mb) if command else Known()
        seconds = usage.wall_s if usage.wall_s is not None else 1.0
        for estimator, peak, requested, before in (
            (self.memory, usage.memory_mb, declared.memory_mb, own.memory_mb),
            (self.disk, usage.disk_mb, declared.disk_mb, own.disk_mb),
            (self.cores, usage.cores, declared.cores, 0.0), (self.wall, usage.wall_s, declared.wall_s, 0.0),
        ):
            if peak is not None and peak >= 0.0:
                weight = 1.0 if estimator is self.wall else seconds
                estimator.observe(category, peak, weight, input_mb, declared=requested, context=context,
                                  judge=judge and estimator in self._judged, own=before)
        self.commands.add(command, input_mb, usage.memory_mb, usage.disk_mb)

    def exhausted(self, category: str, resource: str, allocation: float) -> None:
        """An attempt was ended for using more than `allocation` of memory, disk, cores or wall (else ValueError)."""
        self._of(resource).exhausted(category, allocation)

    def retry(
        self, category: str, resource: str, allocation: float, input_mb: float | None = None, *,
        declared: float | None = None, largest: float | None = None,
    ) -> float:
        """The next allocation of the resource that was exhausted; the others stay as they were."""
        return self._of(resource).retry(category, allocation, input_mb, declared=declared, largest=largest)

    def seconds(self, category: str, input_mb: float | None = None) -> float | None:
        """How long a task will probably run, for placement and ETA; None for an unknown category."""
        return self.wall.typical(category, input_mb)

    def longest_s(self, category: str) -> float | None:
        """The longest run time of the category's last tasks; None for an unknown category."""
        return max(self.wall.recent(category), default=None)

    def _of(self, resource: str) -> Estimator:
        if resource not in ("memory", "disk", "cores", "wall"):
            raise ValueError(m.NO_SUCH_RESOURCE(resource=resource))
        found: Estimator = getattr(self, resource)
        return found
