"""The values of a pool's decisions: managers, bounds, workers, and changes. Cores, MB, seconds."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mfmesos.core.model import Resources

NOTHING_SAID = Resources()
UNLIMITED = 1_000_000
TASK_VINE = "vine_worker"


@dataclass(frozen=True)
class ManagerStatus:
    """A manager's report on itself, from the catalog or from the manager."""

    project: str
    host: str
    port: int
    tasks_waiting: int = 0
    tasks_running: int = 0
    wanted: Resources = NOTHING_SAID
    """The total request of the waiting and running tasks."""
    largest: Resources = NOTHING_SAID
    """The largest request of one task; zero without requests."""
    workers_connected: int = 0
    connected: Resources = NOTHING_SAID
    worker: str = "work_queue_worker"
    """The name of the worker program for its type."""
    protocol: int = 0
    """The version of the protocol that its workers must use; 0: not reported, as by cctools before 7.13."""
    ssl: bool = False
    """It accepts TLS connections only."""
    password: str = ""
    """The file with the password that it accepts; empty: none is needed, or none is known."""
    refuses: str = ""
    """Why no worker of this pool could connect to it; empty: nothing is known against it."""
    tasks_left: int = 0
    """Tasks that its program has announced, and not submitted yet."""
    blocked: tuple[str, ...] = ()
    """Hosts from which it accepts no workers."""
    whole_workers: bool = False
    """It gives each task a whole worker, though `largest` is known."""
    capacity: int = 0
    """The number of tasks that it can keep busy at once, as it measures; 0: not known."""
    heard_at: float = field(default=0.0, compare=False)
    """By the catalog's clock: when the manager last reported to the catalog."""

    @property
    def key(self) -> str:
        return f"{self.project} {self.host}:{self.port}"

    @property
    def tasks(self) -> int:
        return max(self.tasks_waiting, 0) + max(self.tasks_running, 0)

    @property
    def all_tasks(self) -> int:
        return self.tasks + max(self.tasks_left, 0)


@dataclass(frozen=True)
class ProjectSettings:
    """Bounds of one project, over all its managers."""

    min_workers: int = 0
    max_workers: int = UNLIMITED
    weight: float = 1.0
    max_cores: float = math.inf
    worker: Resources | None = None
    """Each worker's size; None: sized to the tasks. What is 0 in it follows from an agent's proportions."""
    tasks_per_worker: float = 0.0
    """The number of tasks for which one worker is enough; 0: as many as fit."""
    capacity: bool = False
    """Not for more tasks than the manager's `capacity`."""
    workers_per_cycle: int = 0
    """The number of workers that may start in a round; 0: as `Pace` allows."""


@dataclass(frozen=True)
class Pace:
    """How fast a pool changes."""

    ramp_floor: int = 4
    """This many workers of a project may start, or end, in a round, however few the project has. A project that weighs
    more than another may start as many times more."""
    ramp_factor_max: float = 8.0
    """Bounds that factor."""
    idle_s: float = 10.0
    """An unneeded worker is drained only after this long without a task."""
    busy_s: float = 30.0
    """A busy worker is drained in favour of another project only at this age."""
    starved_s: float = 10.0
    """The same in favour of a manager that has no worker at all."""
    idle_short_s: float = 2.0
    """While another manager misses cores, an unneeded worker is drained after this long without a task."""
    stuck_s: float = 4.0
    """Workers that idle for this long while tasks wait and none runs are too small for the tasks."""
    unplaced_s: float = 8.0
    """A worker that no agent had room for in this time is replaced by smaller ones."""
    smaller_s: float = 60.0
    """For how long a project's workers then stay smaller."""
    gone_s: float = 20.0
    """A manager that was not reported for this long has ended."""
    backoff_s: float = 5.0
    """After the first crash; doubled by each further crash without a worker that connects."""
    backoff_max_s: float = 300.0


@dataclass(frozen=True)
class PoolWorker:
    """A worker that was started and has not ended."""

    id: str
    manager: str
    """ManagerStatus.key."""
    size: Resources
    asked_at: float
    idle_since: float | None = None
    """None: it has a task."""
    draining: bool = False
    connected: bool = True
    """Its manager has listed it."""
    placed: bool = True
    """It has its resources."""
    leaves: bool = False
    """It asks its manager for leave when it has idled for `Pace.idle_s`: so its manager does not count it as lost, and
    it is not drained for being idle."""
    has_files: bool = False
    """It idles, and has files for tasks to come."""
    looked_at: float = math.inf
    """When its manager was last asked: until then it is known to have idled. Infinite: its manager is not asked."""

    def idle_s(self, now: float) -> float:
        """For how long it is known to have had no task: 0 at the first look; -inf while it has one."""
        return -math.inf if self.idle_since is None else min(self.looked_at, now) - self.idle_since

    def is_kept(self, status: ManagerStatus) -> bool:
        """It may have the only copy of a temporary file, which TaskVine would have to make again; TaskVine itself lets
        such a worker leave. (Measured with cctools 8.0.0: workers do not report that an output is temporary.)
        """
        return status.worker == TASK_VINE and self.has_files and status.all_tasks > 0


@dataclass(frozen=True)
class Start:
    manager: ManagerStatus
    size: Resources
    count: int


@dataclass(frozen=True)
class Drain:
    worker_id: str
    reason: str
    leaves: bool = False
    """It leaves by itself: only its replacement may start."""


@dataclass(frozen=True)
class Decisions:
    starts: tuple[Start, ...] = ()
    drains: tuple[Drain, ...] = ()
    why_not_more: Mapping[str, str] = field(default_factory=dict)
    """By project."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """By manager: the cores that its tasks need."""
