"""What others may see of the core's state: values that no later event changes."""
from __future__ import annotations

from itertools import islice

from mfmesos.core import politeness
from mfmesos.core.model import Moment, Resources, Task
from mfmesos.core.state import State
from mfmesos.core.states import TaskState
from mfmesos.shared.values import value


@value(frozen=True)
class Snapshot:
    """Counters of the run; making one costs the same whatever the number of tasks, claims and agents."""

    stopping: str
    """Why the run ends before its tasks have; empty if it does not."""
    tasks: int
    """Tasks that have not ended."""
    running: int
    """Tasks that hold resources of a claim."""
    claims: int
    held: Resources
    """By all claims together, without their executors."""
    changes: int
    """Number of the latest change of a task, see `changes_since`."""
    connected: bool = True
    """Whether a master is reachable."""
    rests_s: float = 0.0
    """For how long at most the run leaves offers to others that wait."""

    @property
    def waiting(self) -> int:
        """Tasks that wait for resources."""
        return self.tasks - self.running


@value(frozen=True)
class TaskView:
    """A task that has not ended. Times in monotonic seconds."""

    id: int
    state: TaskState
    attempts: int
    claim_id: str
    """Of the current attempt; empty while the task waits."""
    since: float
    """Since when it waits, or when its attempt was assigned to the claim."""
    task: Task
    category: str
    story: tuple[Moment, ...] = ()
    allocation: Resources = Resources()
    limit_memory_mb: float | None = None
    limit_disk_mb: float | None = None
    hostname: str = ""
    """Of the agent of the current attempt."""
    attempt_id: str = ""
    """Of the current attempt or, while the task waits, of the last one."""
    held: bool = False
    """By the user, while it waits."""

    @property
    def waits(self) -> bool:
        """For resources."""
        return self.state is TaskState.WAITING


@value(frozen=True)
class ChangedTasks:
    """The tasks that have changed since a number; None: all, look at each."""

    changes: int
    """The number for the next time."""
    tasks: frozenset[int] | None


@value(frozen=True)
class ClusterRoom:
    """What the agents have, as far as the master has listed them."""

    agents: tuple[Resources, ...]
    """What each agent could give to tasks of one claim when it is empty."""
    cores_of_others: float
    """Cores on active agents that are used by anybody but this run."""


@value(frozen=True)
class ClaimView:
    """A claim that is open."""

    hostname: str
    size: Resources
    free: Resources
    attempts: int


@value(frozen=True)
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


@value(frozen=True)
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
    withdrawn: int = 0
    before: int = 0
    """Of those that finished: in earlier runs."""
    for_inputs: int = 0
    """Of those that wait: for the outputs of other tasks."""
    waits_for: str = ""
    """What the first of the others waits for: "room", "cluster", "policy" or "inputs"; empty: unknown, or nothing."""

    @property
    def ended(self) -> int:
        return self.finished + self.failed


def snapshot(state: State) -> Snapshot:
    return Snapshot(state.stopping, len(state.tasks), state.running(), len(state.claims), state.claims.held,
                    state.changes.number, any(cluster.connected for cluster in state.live()),
                    max(politeness.rests_until(state) - state.now, 0.0))


def advisory_gpus(state: State) -> float:
    """Of the GPUs that the run holds, those of agents that do not isolate them, or have not said so yet. Costs as much
    as there are claims, in runs with GPUs.
    """
    if not state.policy.gpus:
        return 0.0
    return sum(claim.resources.gpus for claim in state.claims.values() if not claim.isolated)


def task_view(state: State, task_id: int) -> TaskView | None:
    """None: it has ended, or was not submitted yet."""
    record = state.tasks.get(task_id)
    if record is None:
        return None
    waits = record.state is TaskState.WAITING
    claim = state.claims.get(record.claim_id)
    return TaskView(
        task_id, record.state, record.attempts, record.claim_id,
        record.waiting_since if waits else record.assigned_at, record.task, record.kind.category,
        record.story or ((record.waiting_since, record.state.value, ""),), record.allocation, record.limit_memory_mb,
        record.limit_disk_mb, claim.hostname if claim is not None else "", record.attempt_id,
        waits and record.user_holds)


def running(state: State, most: int) -> list[int]:
    """Tasks that hold resources of a claim, at most `most` of them. Costs as much as it returns, and the claims."""
    found = (number for claim in state.claims.values() for number in claim.attempts.values())
    return list(islice(dict.fromkeys(found), most))


def claims(state: State, most: int) -> list[ClaimView]:
    """The claims of the run, at most `most` of them."""
    return [ClaimView(claim.hostname, claim.resources, claim.free, len(claim.attempts))
            for claim in islice(state.claims.values(), most)]


def waiting(state: State, most: int) -> list[int]:
    """The first tasks that wait for resources, in their order. Costs as much as it returns, and the waiting shapes."""
    return [record.task.id for record in state.queue.first_of_all(most)]


def opened_for(state: State, claim_id: str) -> list[str]:
    """The categories of the waiting tasks for which a claim is being launched, as far as their needs are estimated."""
    claim = state.claims.get(claim_id)
    shapes = claim.expects if claim is not None else ()
    return list(dict.fromkeys(shape.kind.category for shape in shapes if shape.kind is not None))


def known(state: State) -> tuple[int, ...]:
    """Every task that has not ended: for a search, which looks at them a few at a time."""
    return tuple(state.tasks)


def changes_since(state: State, number: int) -> ChangedTasks:
    """Costs as much as there were changes since `number`, which an earlier call has named; 0 at first."""
    return ChangedTasks(state.changes.number, state.changes.since(number))


def transfers(state: State, sent_bytes: int, from_peers_bytes: int | None) -> Transfers:
    one = state.temporaries
    return Transfers((one.kept.files, one.kept.bytes), (one.brought.files, one.brought.bytes), one.remade, sent_bytes,
                     from_peers_bytes)


def cluster_room(state: State) -> ClusterRoom:
    """Costs as much as the clusters have agents."""
    used = sum(agent.used.cores for cluster in state.live() for agent in cluster.listed or () if agent.active)
    return ClusterRoom(tuple(state.largest_agents()), max(used - state.claims.held.cores, 0.0))
