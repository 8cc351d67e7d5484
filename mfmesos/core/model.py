"""The core's values. Units everywhere: cores, MB (2**20 bytes), seconds."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple, Union

from mfmesos.shared.resources import Named, Resources
from mfmesos.shared.values import EMPTY, value

__all__ = ["Agent", "AgentId", "Constraint", "Holder", "Ids", "MadeTemporary", "Moment", "Named", "Offer", "Pieces",
           "Remote", "Request", "Resources", "SavedClaim", "SavedPart", "SavedTask", "StagedInput", "Steering", "Task"]


Ids = tuple[tuple[str, tuple[str, ...]], ...]
"""Ids by the name of their resource: of GPUs ("gpus"), sets and ranges."""
Pieces = tuple[tuple[str, tuple[Union[str, tuple[int, int]], ...]], ...]
"""Items of sets, and first and last numbers of ranges, by name: those that are reserved for the role come first."""
Moment = tuple[float, str, str]
"""Of a task's story: when (monotonic seconds), its state from then on, and the claim or the reason."""


class AgentId(NamedTuple):
    """An agent: two clusters may use the same id."""

    cluster: str
    """Empty if the run has only one."""
    agent: str
    """Mesos's id."""


@value(frozen=True)
class Request:
    """What the user asked for; None without a request."""

    cores: float | None = None
    memory_mb: float | None = None
    disk_mb: float | None = None
    wall_s: float | None = None
    gpus: float | None = None
    others: Named = ()
    """Other resources of Mesos, by name; of sets and ranges the number of items."""

    def is_full(self) -> bool:
        """Whether it leaves none of cores, memory and disk open."""
        return None not in (self.cores, self.memory_mb, self.disk_mb)


class Remote(NamedTuple):
    """A file on a web server."""

    url: str
    """http or https; may hold secrets, so messages and logs name it by shared.webrequest.shown."""
    sha256: str = ""
    """Of its content, hex; empty: any content, see shared.webrequest.Version."""


class Constraint(NamedTuple):
    """On the agents where a task may start, by one of their attributes (see core.constraints)."""

    attribute: str
    op: str
    value: str = ""

    @property
    def counted(self) -> bool:
        """Whether it depends on what runs."""
        return self.op in COUNTED or self.op == OF_RUN

    def __str__(self) -> str:
        return " ".join((self.attribute, self.op.replace("_", " "), self.value)).rstrip()


NETWORK = "network_mbps"
"""The attribute of agents that tasks with the key of that name take."""
COMPARED, COUNTED = ("equals", "like", "unlike"), ("max_per", "unique", "group_by", "takes")
OF_RUN = "counts"
"""Takes so much of a counter of the settings, such as licences, wherever it runs; not for task files."""
GPU_TYPE = "gpu_type"
"""The attribute of agents that names the type of their GPUs."""


@value(frozen=True)
class Task:
    """One task as the engine submitted it.

    `id` is the engine's number, unique within the task file. `inputs` and `outputs` are names relative to the
    workflow's folder (inputs may begin with ../); an input outside the folder may also be absolute.
    """

    id: int
    command: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    request: Request = Request()
    category: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    read: tuple[str, ...] | None = None
    """The outputs that later tasks read; None if that is unknown."""
    urls: Mapping[str, Remote] = field(default_factory=lambda: EMPTY)
    """Further inputs, by name: the executor fetches them from web servers."""
    temporary: tuple[str, ...] = ()
    """Outputs that stay where they were made; normalised, and some of `outputs`."""
    also_read: tuple[str, ...] = ()
    """The inputs that later tasks read as well, as far as known."""
    shared: tuple[str, ...] = ()
    """The shared folders (--shared-fs) that it uses in place; set when it is submitted to the core."""
    not_on: tuple[str, ...] = ()
    """Names of hosts on which it never starts."""
    priority: float = 0.0
    """Of `--order priority`: higher ones start first."""
    group: str = ""
    """Of `--order fair`; empty: the category."""
    where: tuple[Constraint, ...] = ()
    """On which agents it may start."""
    placement: str = ""
    """Where it starts, as NAME or NAME=VALUE; empty: that of its category, or of the run."""
    retries: int | None = None
    """After failures of its own; None: as for all tasks of the run."""

    def retried(self, otherwise: int) -> int:
        """How many times it runs again after failures of its own."""
        return otherwise if self.retries is None else self.retries


@value(frozen=True)
class Steering:
    """What the user has decided about a task during the run; None: as submitted."""

    held: bool = False
    """It does not start until the user releases it."""
    cancelled: bool = False
    cores: float | None = None
    memory_mb: float | None = None
    disk_mb: float | None = None
    priority: float | None = None
    command: str = ""
    """Of the task: after an edit of the task file the number may be that of another one. Empty: not known."""


@value(frozen=True)
class StagedInput:
    """An input in the workflow's folder, or on a web server, when its task was submitted (see wire.Input)."""

    name: str
    digest: str
    size: int
    mode: int
    kind: str = "file"
    stamp: str = field(default="", compare=False)
    """Its stat result (see staging.stamps); empty if not reliable."""
    mtime_ns: int = field(default=0, compare=False)
    sparse: bool = field(default=False, compare=False)
    temporary: bool = False
    """Whether it is a temporary output of another task (see temporaries)."""
    url: str = ""
    tag: str = ""
    late: bool = False
    in_place: str = ""


@value(frozen=True)
class Offer:
    """A Mesos offer: resources of this role and unreserved ones, as far as usable; the rest is named, not dropped."""

    id: str
    agent_id: str
    hostname: str
    resources: Resources
    attributes: Mapping[str, str] = field(default_factory=dict)
    unavailable_from: float | None = None
    """Start of planned maintenance in seconds since the epoch; None for none."""
    raw_resources: tuple[Mapping[str, object], ...] = ()
    """The offer's resources as Mesos sent them: an ACCEPT must name the same role and reservations."""
    items: Pieces = ()
    """Of its sets and ranges, as far as usable."""


@value(frozen=True)
class Agent:
    """An agent in the master's list, with all its resources, used or not."""

    id: str
    hostname: str
    resources: Resources
    active: bool = True
    used: Resources = Resources()
    """By every framework."""
    reserved: tuple[tuple[str, Resources], ...] = ()
    """Reserved for other roles, by role; not included in `resources`."""
    attributes: Mapping[str, str] | None = None
    """None: the list does not name them."""


@value(frozen=True)
class Holder:
    """A framework that holds resources of the agents."""

    id: str
    name: str
    used: Resources
    """By its tasks and executors and, for another framework, its outstanding offers."""
    active: bool = True
    """Whether its scheduler is connected."""
    own: bool = False


@value(frozen=True)
class RoleUse:
    """A role of the cluster."""

    name: str
    weight: float
    held: Resources
    """By all its frameworks together, outstanding offers included."""
    own: bool = False


@value(frozen=True)
class Rival:
    """Another framework that is connected, in one of its roles."""

    id: str
    role: str
    asks: bool
    """Whether it has not suppressed offers for the role."""
    busy: bool
    """Whether it has tasks on agents."""
    accepted: int
    """Number of offers that it has accepted so far."""
    declined: int
    modest: bool = False
    """Whether it is known to suppress offers when it needs nothing: another run of mfmesos."""


@value(frozen=True)
class SavedClaim:
    """A claim in the journal, for the next scheduler."""

    id: str
    agent_id: str
    hostname: str
    resources: Resources
    solo_task: int | None = None
    cluster: str = ""
    slices: tuple[tuple[int, Resources], ...] = ()
    """By number: those that were not given back."""
    ids: Ids = ()
    """Of what it holds by id."""


@value(frozen=True)
class MadeTemporary:
    """A temporary output and its copies, in the journal."""

    file: StagedInput
    holders: Mapping[str, str] = field(default_factory=dict)
    """Claim -> the attempt that made it there."""
    here: bool = False
    """Whether the scheduler has a copy."""


@value(frozen=True)
class SavedPart:
    """A further part of an attempt: what it holds in a claim of its own."""

    claim_id: str
    allocation: Resources = Resources()
    given: Ids = ()


@value(frozen=True)
class SavedTask:
    """A task with attempts in the journal."""

    task: Task
    inputs: tuple[StagedInput, ...]
    order: int
    context: str
    attempts: int
    claim_id: str = ""
    """The claim of the current attempt; empty while the task waits."""
    allocation: Resources = Resources()
    limit_memory_mb: float | None = None
    limit_disk_mb: float | None = None
    own_failures: int = 0
    cluster_failures: int = 0
    floor_memory_mb: float = 0.0
    floor_disk_mb: float = 0.0
    solo: bool = False
    stem: str = ""
    """The prefix of its attempt ids (see core.attemptid), even if its number has changed."""
    failed_at: tuple[str, ...] = ()
    """Agents at which the cluster failed it."""
    deaths: int = 0
    """Executors that ended by themselves while the task ran alone in them."""
    temporaries: tuple[str, ...] = ()
    """Its inputs that are temporary outputs of other tasks."""
    made: tuple[MadeTemporary, ...] = ()
    """Its own temporary outputs, once it has finished."""
    finished: bool = False
    again: bool = False
    """It had finished, and makes its temporary outputs again."""
    remakes: int = 0
    """How many times it did so."""
    failed_clusters: tuple[str, ...] = ()
    """The cluster of each agent in `failed_at`; empty if the run has only one."""
    parts: tuple[SavedPart, ...] = ()
    """The parts of the attempt after the first."""
    given: Ids = ()
    """What the first part has by id."""
