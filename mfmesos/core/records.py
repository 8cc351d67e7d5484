"""What the core remembers of each task and each claim. Only the core's own modules change these."""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from mfmesos.core.model import Offer, Resources, SavedTask, StagedInput, Task
from mfmesos.core.states import CLAIM_MOVES, TASK_MOVES, ClaimState, TaskState, move
from mfmesos.shared.wire import Result

INPUT_STEP = 1.05
LEAST_INPUT_MB = 0.01


class Known(NamedTuple):
    """What a command used before at most, in MB; 0 where that is not known."""

    memory_mb: float = 0.0
    disk_mb: float = 0.0


class Kind(NamedTuple):
    """What is known of a task before it runs: its estimates follow from that."""

    category: str
    context: str
    """The category of the task submitted before it."""
    input_mb: float
    own: Known = Known()
    """What its very command used before."""

    def rough(self) -> Kind:
        """The same for all tasks whose inputs are about as large, so that there are not as many kinds as tasks."""
        if self.input_mb < LEAST_INPUT_MB:
            return self._replace(input_mb=0.0)
        steps = round(math.log(self.input_mb) / math.log(INPUT_STEP))
        return self._replace(input_mb=INPUT_STEP**steps)


class Shape(NamedTuple):
    """What a waiting task needs, as far as it is known: tasks of one shape are interchangeable to the matcher.

    None where nothing was requested; then `floor_*` (0 at first) grows with each exhaustion. A `solo` task gets
    a claim of its own. `kind` is None where nothing is to be estimated. `failed_at`: agents to be shunned.
    """

    cores: float | None
    memory_mb: float | None
    disk_mb: float | None
    gpus: float
    floor_memory_mb: float
    floor_disk_mb: float
    solo: bool
    kind: Kind | None = None
    failed_at: tuple[str, ...] = ()


@dataclass
class TaskRecord:
    task: Task
    inputs: tuple[StagedInput, ...]
    waiting_since: float
    order: int
    """Position in the queue: a retried task keeps the place it came with."""
    kind: Kind
    stem: str
    """What the ids of its attempts begin with (see core.attemptid)."""
    estimated: bool = False
    """Whether what was not requested is to be estimated."""
    state: TaskState = TaskState.WAITING
    attempts: int = 0
    attempt_id: str = ""
    claim_id: str = ""
    agent_id: str = ""
    """Of the current attempt, or of the one before while it waits."""
    assigned_at: float = 0.0
    allocation: Resources = Resources()
    limit_memory_mb: float | None = None
    """Enforced for the current attempt; None while its size is but a default."""
    limit_disk_mb: float | None = None
    own_failures: int = 0
    cluster_failures: int = 0
    floor_memory_mb: float = 0.0
    floor_disk_mb: float = 0.0
    solo: bool = False
    failed_at: dict[str, int] = field(default_factory=dict)
    """Agents at which the cluster failed it, and the agent's spell (see AgentRecord) when it last did."""
    deaths: int = 0
    """Executors that ended by themselves while it ran alone in them."""
    result: Result | None = None
    """While its outputs are being published."""

    def move(self, new: TaskState) -> None:
        self.state = move(TASK_MOVES, self.state, new)

    def saved(self) -> SavedTask:
        """As the journal keeps it."""
        return SavedTask(
            self.task, self.inputs, self.order, self.kind.context, self.attempts, self.claim_id, self.allocation,
            self.limit_memory_mb, self.limit_disk_mb, self.own_failures, self.cluster_failures, self.floor_memory_mb,
            self.floor_disk_mb, self.solo, self.stem, tuple(sorted(self.failed_at)), self.deaths)

    def shape(self) -> Shape:
        r = self.task.request
        return Shape(
            r.cores, r.memory_mb, r.disk_mb, r.gpus or 0.0, self.floor_memory_mb, self.floor_disk_mb, self.solo,
            self.kind.rough() if self.estimated else None, tuple(sorted(self.failed_at)))


@dataclass
class Claim:
    id: str
    agent_id: str
    hostname: str
    resources: Resources
    """For tasks; the executor's own memory is not in it."""
    opened_at: float
    solo_task: int | None = None
    """The one task that this claim is for; None: whatever fits."""
    state: ClaimState = ClaimState.LAUNCHING
    free: Resources = Resources()
    """Below zero while attempts are queued ahead."""
    pace_s: float | None = None
    """How long attempts take here, lately; None before the first has ended."""
    attempts: dict[str, int] = field(default_factory=dict)
    """Attempt id -> task id, of all that hold resources here."""
    unsent: dict[str, None] = field(default_factory=dict)
    """Attempts to be named in the next answer, in order."""
    sent: dict[str, int] = field(default_factory=dict)
    """Attempt -> number of the answer that named it, until the executor confirms it."""
    to_ack: dict[str, None] = field(default_factory=dict)
    to_kill: set[str] = field(default_factory=set)
    publishing: set[str] = field(default_factory=set)
    """Attempts of which the outputs are being put in place."""
    publishing_until: float = 0.0
    """So long an answer waits for that, so as to acknowledge them and to fill their room."""
    seq: int = 0
    """Of the newest sync."""
    held: bool = False
    """Whether sync `seq` waits for its answer."""
    number: int = 0
    """Of the newest answer."""
    heard_at: float = 0.0
    synced: bool = False
    idle_since: float = 0.0
    releasing_since: float = 0.0
    asked_at: float = 0.0
    """When it was last reconciled for its silence."""
    restored: bool = False
    """Opened in the scheduler's earlier life."""
    silence_noted: bool = False
    """Whether the user knows that it has not been heard from."""
    exit_reason: str = ""
    """Why its executor ended, as its exit status tells."""
    worked: bool = False
    """Whether it was ever given an attempt."""
    broken: int = 0
    """Attempts in a row that this claim could not run."""

    def __post_init__(self) -> None:
        self.free = self.resources
        self.heard_at = self.idle_since = self.opened_at

    def move(self, new: ClaimState) -> None:
        self.state = move(CLAIM_MOVES, self.state, new)

    def take(self, attempt_id: str, task_id: int, allocation: Resources) -> None:
        """Reserve `allocation` for a new attempt and queue it for the next answer."""
        self.worked = True
        self.attempts[attempt_id] = task_id
        self.unsent[attempt_id] = None
        self.free = self.free - allocation

    def took(self, wall_s: float) -> None:
        """An attempt ended after that time."""
        self.pace_s = wall_s if self.pace_s is None else 0.7 * self.pace_s + 0.3 * wall_s

    def recall(self, attempt_id: str) -> None:
        """The executor is to end it, if it was told of it: with the same answer that gives its place to another."""
        if attempt_id in self.attempts and attempt_id not in self.unsent:
            self.to_kill.add(attempt_id)

    def drop(self, attempt_id: str, allocation: Resources, now: float) -> None:
        """The attempt holds nothing here any more."""
        self.publishing.discard(attempt_id)
        if self.attempts.pop(attempt_id, None) is None:
            return
        self.unsent.pop(attempt_id, None)
        self.sent.pop(attempt_id, None)
        self.free = self.free + allocation if self.attempts else self.resources  # no rounding left over
        if not self.attempts:
            self.idle_since = now


@dataclass
class Shortage:
    """How long tasks have been waiting with nothing running, and what the user was notified of."""

    since: float | None = None
    asked_at: float = -1e9
    text: str = ""
    who: tuple[tuple[str, bool], ...] = ()
    noted_at: float = -1e9

    def clear(self) -> None:
        self.since, self.text, self.who = None, "", ()


@dataclass
class AgentRecord:
    """What is known of an agent's trustworthiness, and the offers of it that are in hand."""

    id: str
    hostname: str = ""
    offers: dict[str, Offer] = field(default_factory=dict)
    failures: int = 0
    """Failures of the cluster in a row."""
    failed_last: float = -1e18
    avoided: int = 0
    """Times in a row that it was avoided."""
    avoid_until: float = 0.0
    unlisted_until: float | None = None
    """Until then what is offered of it is kept if it looks like a crumb: the master may list the agent."""
    spell: int = 0
    """Counts the agent's bad times: of one, a task counts its failures there but once."""

    def offered(self) -> Resources:
        total = Resources()
        for offer in self.offers.values():
            total = total + offer.resources
        return total
