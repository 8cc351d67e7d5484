"""What others may see of the core's state: values that no later event changes."""
from __future__ import annotations

from dataclasses import dataclass

from mfmesos.core.model import Resources
from mfmesos.core.state import State
from mfmesos.core.states import TaskState


@dataclass(frozen=True)
class Snapshot:
    """Counters of the run; making one costs the same whatever the number of tasks."""

    stopping: bool
    """Whether the run ends before its tasks have."""
    tasks: int
    """Tasks that have not ended."""
    running: int
    """Tasks that hold resources of a claim."""
    claims: int


@dataclass(frozen=True)
class ClusterRoom:
    """What the agents have, as far as the master has listed them."""

    agents: tuple[Resources, ...]
    """What each agent could give to tasks of one claim when it is empty."""
    cores_of_others: float
    """Cores on active agents that are used by anybody but this run."""


@dataclass(frozen=True)
class Transfers:
    """What was moved, and what was not, since the scheduler started."""

    kept: tuple[int, int] = (0, 0)
    """Temporary outputs that were made: files, bytes."""
    brought: tuple[int, int] = (0, 0)
    """Those of them that were brought to the scheduler."""
    remade: int = 0
    """Tasks that ran again since such outputs were lost."""
    sent_bytes: int = 0
    """Of inputs, from the scheduler to executors."""
    from_peers_bytes: int | None = None
    """Of inputs that executors had from each other; None without --peer-transfers."""


@dataclass(frozen=True)
class Counts:
    """Tasks by state; `total` includes those that wait for other tasks' outputs."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    finished: int = 0
    failed: int = 0
    claims: int = 0
    left_s: float | None = None
    """How long it will probably still take; None: as fast as so far."""

    @property
    def ended(self) -> int:
        return self.finished + self.failed


def snapshot(state: State) -> Snapshot:
    return Snapshot(bool(state.stopping), len(state.tasks), state.running(), len(state.claims))


def transfers(state: State, sent_bytes: int, from_peers_bytes: int | None) -> Transfers:
    one = state.temporaries
    return Transfers((one.kept.files, one.kept.bytes), (one.brought.files, one.brought.bytes), one.remade, sent_bytes,
                     from_peers_bytes)


def cluster_room(state: State) -> ClusterRoom:
    """Costs as much as the run has claims and the cluster has agents."""
    ours = sum(claim.resources.cores for claim in state.claims.values())
    used = sum(agent.used.cores for cluster in state.live() for agent in cluster.listed or () if agent.active)
    return ClusterRoom(tuple(state.largest_agents()), max(used - ours, 0.0))


def waiting(state: State) -> frozenset[int]:
    """The ids of tasks that wait; costs as much as the run has tasks."""
    return frozenset(r.task.id for r in state.tasks.values() if r.state is TaskState.WAITING)
