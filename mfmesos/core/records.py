"""The core's records of each task and agent. Only the core's own modules change them."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mfmesos.core.attemptid import attempt_id
from mfmesos.core.model import (
    AgentId,
    Constraint,
    Ids,
    Moment,
    Named,
    Offer,
    Resources,
    SavedPart,
    SavedTask,
    StagedInput,
    Task,
)
from mfmesos.core.nearness import Large
from mfmesos.core.states import TASK_MOVES, TaskState, move
from mfmesos.shared.devices import GPUS
from mfmesos.shared.values import slotted
from mfmesos.shared.wire import Result

INPUT_STEP = 1.05
LEAST_INPUT_MB = 0.01


class Known(NamedTuple):
    """The largest earlier usage of a command in MB; 0 if unknown."""

    memory_mb: float = 0.0
    disk_mb: float = 0.0


class Kind(NamedTuple):
    """Everything known about a task before it runs, on which its estimates depend."""

    category: str
    context: str
    """The category of the task submitted before it."""
    input_mb: float
    own: Known = Known()
    """Earlier usage of exactly the same command."""

    def rough(self, requested: bool = False) -> Kind:
        """The same for all tasks with inputs of about the same size, so that kinds stay fewer than tasks; without what
        no estimate depends on if all is `requested`.
        """
        kind = self._replace(context="", own=Known()) if requested else self
        if self.input_mb < LEAST_INPUT_MB:
            return kind._replace(input_mb=0.0)
        steps = round(math.log(self.input_mb) / math.log(INPUT_STEP))
        return kind._replace(input_mb=INPUT_STEP**steps)


class Shape(NamedTuple):
    """The known needs of a waiting task: the matcher treats tasks of one shape alike.

    None without a request; then `floor_*` (0 at first) grows with each exhaustion. A `solo` task gets its own claim.
    `kind` is None if nothing is estimated. `failed_at`: agents to be shunned. `shared`: folders that agents must have.
    """

    cores: float | None
    memory_mb: float | None
    disk_mb: float | None
    gpus: float
    floor_memory_mb: float
    floor_disk_mb: float
    solo: bool
    others: Named = ()
    kind: Kind | None = None
    failed_at: tuple[AgentId, ...] = ()
    at: str = ""
    """The only claim in which it may start, since its temporary inputs are there; NOWHERE; empty: any."""
    shared: tuple[str, ...] = ()
    group: str = ""
    """See policies.protocols.Ordering."""
    not_on: tuple[str, ...] = ()
    """Names of hosts on which it never starts."""
    where: tuple[Constraint, ...] = ()
    scope: str = ""
    """The group or category whose tasks are counted for `where`."""
    placement: str = ""
    """Empty: that of the run."""


NOWHERE = "-"
NOT_YET = AgentId("", "")
Rank = tuple[float, float, int]
"""Of a waiting task: the rank of its group, its key, and its number in the order of submission."""
FIRST_OF_ALL = -math.inf


class Part(NamedTuple):
    """What a part of an attempt holds: an ordinary task has one part."""

    claim_id: str
    """Empty while the task waits."""
    agent_id: AgentId
    allocation: Resources
    given: Ids = ()
    """What of it is given by id."""


NOWHERE_YET: Mapping[AgentId, int] = {}
NO_PARTS = (Part("", NOT_YET, Resources()),)
WAITING = TaskState.WAITING.value
MOST_MOMENTS = 40
"""Of a story; of a longer one the first half and the latest stay."""


@slotted
class TaskRecord:
    task: Task
    inputs: tuple[StagedInput, ...]
    waiting_since: float
    order: int
    """Number in the order of submission."""
    kind: Kind
    stem: str
    """The prefix of its attempt ids (see core.attemptid)."""
    signature: str = ""
    """See Needs.signature; empty if the task names its category, so that its command was not parsed yet."""
    group: str = ""
    key: float = 0.0
    """Its position in the queue, with `order` (see policies.protocols.Ordering): a retried task keeps its position."""
    placement: str = ""
    """See Shape."""
    estimated: bool = False
    """Whether missing requests are estimated."""
    requested: bool = False
    """Whether all that could be estimated was requested, and is given: then its run time alone is estimated."""
    state: TaskState = TaskState.WAITING
    attempts: int = 0
    attempt_id: str = ""
    parts: tuple[Part, ...] = NO_PARTS
    """Of the current attempt or, while the task waits, the first of the last one, without its claim."""
    assigned_at: float = 0.0
    limit_memory_mb: float | None = None
    """Enforced for the current attempt; None if its size is a default."""
    limit_disk_mb: float | None = None
    own_failures: int = 0
    cluster_failures: int = 0
    floor_memory_mb: float = 0.0
    floor_disk_mb: float = 0.0
    solo: bool = False
    failed_at: Mapping[AgentId, int] = field(default_factory=lambda: NOWHERE_YET)
    """Agents at which the cluster failed it, with the agent's spell (see AgentRecord) at the last failure."""
    deaths: int = 0
    """Executors that ended by themselves while the task ran alone in them."""
    large: Large = ()
    """Its large inputs."""
    passed: int = 0
    """How often a later task of its shape was started before it, since that one's inputs lay nearer."""
    copies: bool = False
    """Whether the current attempt has its own copies of its inputs."""
    temporaries: tuple[str, ...] = ()
    """Its inputs that are temporary outputs of other tasks."""
    at: str = ""
    """See Shape."""
    again: bool = False
    """It had finished, and makes its temporary outputs again."""
    remakes: int = 0
    stated: Task | None = None
    """As submitted, if the user has changed its request or priority since."""
    user_holds: bool = False
    """It does not start until the user releases it."""
    gpus: float = 0.0
    others: Named = ()
    where: tuple[Constraint, ...] = ()
    """What the task, its category and the run's counters make of its request (see categories)."""
    result: Result | None = None
    """Set while its outputs are being published."""
    queued_as: Shape | None = None
    """Its shape when it came to the queue the last time: the same object for all tasks that wait under it."""
    story: tuple[Moment, ...] = ()
    """Its moves so far; empty while it waits for its first attempt."""

    @property
    def claim_id(self) -> str:
        """Of the first part."""
        return self.parts[0].claim_id

    @property
    def agent_id(self) -> AgentId:
        return self.parts[0].agent_id

    @property
    def allocation(self) -> Resources:
        return self.parts[0].allocation

    def part_ids(self) -> list[tuple[str, Part]]:
        """The parts of the current attempt with their ids."""
        if len(self.parts) == 1:
            return [(self.attempt_id, self.parts[0])]
        return [(attempt_id(self.stem, self.attempts, n), part) for n, part in enumerate(self.parts)]

    def failed_on(self, agent: AgentRecord) -> None:
        self.failed_at = {**self.failed_at, agent.id: agent.spell}

    def rename_gpus(self, claim_id: str, names: Mapping[str, str]) -> None:
        """Those that the attempt has in that claim are called otherwise from now on."""
        self.parts = tuple(part if part.claim_id != claim_id else part._replace(given=tuple(
            (name, tuple(names.get(one, one) for one in some) if name == GPUS else some)
            for name, some in part.given)) for part in self.parts)

    def move(self, new: TaskState, now: float, note: str = "") -> None:
        """Into another state. `note`: the claim, or why it waits again or has ended."""
        self.state = move(TASK_MOVES, self.state, new)
        story = self.story or ((self.waiting_since, WAITING, ""),)
        if len(story) == MOST_MOMENTS:
            story = story[:MOST_MOMENTS // 2] + story[MOST_MOMENTS // 2 + 1:]
        self.story = (*story, (now, new.value, note))

    def saved(self) -> SavedTask:
        """As stored in the journal."""
        failed_at = sorted(self.failed_at)
        return SavedTask(
            self.stated or self.task, self.inputs, self.order, self.kind.context, self.attempts, self.claim_id,
            self.allocation, self.limit_memory_mb, self.limit_disk_mb, self.own_failures, self.cluster_failures,
            self.floor_memory_mb, self.floor_disk_mb, self.solo, self.stem, tuple(a.agent for a in failed_at),
            self.deaths, self.temporaries,
            again=self.again, remakes=self.remakes,
            failed_clusters=tuple(a.cluster for a in failed_at) if any(a.cluster for a in failed_at) else (),
            parts=tuple(SavedPart(part.claim_id, part.allocation, part.given) for part in self.parts[1:]),
            given=self.parts[0].given)

    def shape(self) -> Shape:
        r = self.task.request
        return Shape(
            r.cores, r.memory_mb, r.disk_mb, self.gpus, self.floor_memory_mb, self.floor_disk_mb,
            self.solo or self.gpus > 0, self.others,  # Mesos keeps claims apart, not tasks
            self.kind.rough(self.requested) if self.estimated else None, tuple(sorted(self.failed_at)),
            NOWHERE if self.user_holds else self.at,
            self.task.shared, self.group, self.task.not_on, self.where,
            self.scope if self.where else "", self.placement)

    @property
    def scope(self) -> str:
        """The tasks that its constraints count; empty if they count none."""
        return self.task.group or self.kind.category if any(one.counted for one in self.where) else ""


@dataclass(frozen=True, order=True)
class PlannedStart:
    rank: Rank
    """Of the task; one that waited for very long is the first of all."""
    task_id: int
    attempts: int
    """That the task had before."""
    claim_id: str
    at: float
    """When there will be room, by the usual run times of what runs there; infinity if that is unknown."""
    until: float
    """The deadline."""
    spare: Resources = Resources()
    """What the task will leave over of the claim's free room at that time, beside all others planned there."""
    need: Resources = Resources()
    """What it will be given there; with `lasts_s` the room that later planned starts leave to it."""
    lasts_s: float = math.inf


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
    """An agent's trustworthiness, and its present offers."""

    id: AgentId
    hostname: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """As its last offer named them."""
    offers: dict[str, Offer] = field(default_factory=dict)
    offered_at: float = -1e18
    """When the first of these came."""
    failures: int = 0
    """Failures of the cluster in a row."""
    failed_last: float = -1e18
    avoided: int = 0
    """How many times in a row it was avoided."""
    avoid_until: float = 0.0
    unlisted_until: float | None = None
    """Until then an offer of it that looks like a crumb is kept: the master may list the agent."""
    spell: int = 0
    """Counts the agent's bad spells: a task counts its failures there once per spell."""
    gpu_ids: tuple[str, ...] = ()
    """Of its GPUs, as an executor named them; empty: not known."""
    faulty: dict[str, str] = field(default_factory=dict)
    """Of these those that are out for good, and why."""
    doubtful: set[str] = field(default_factory=set)
    """Of these those of claims that were given up, whose executors may still run: they are given out last."""
    had: Resources = Resources()
    """Of the last claim there that was given up for tasks that it could not hold."""
    had_until: float = -1e18
    """Until then the tasks that ran there are expected again."""
    lacks: dict[str, float] = field(default_factory=dict)
    """The shared folders that it does not have, and until when that counts."""

    @property
    def name(self) -> str:
        """For people."""
        return self.hostname or self.id.agent

    def offered(self) -> Resources:
        total = Resources()
        for offer in self.offers.values():
            total = total + offer.resources
        return total
