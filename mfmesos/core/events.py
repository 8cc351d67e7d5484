"""Events: the core's inputs. Adapters create them; the core handles them one at a time."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import (
    Agent,
    Holder,
    Offer,
    Resources,
    Rival,
    RoleUse,
    SavedClaim,
    SavedTask,
    StagedInput,
    Steering,
    Task,
)
from mfmesos.shared.devices import Device
from mfmesos.shared.values import value
from mfmesos.shared.wire import PROTOCOL, Result


# --- from the workflow --------------------------------------------------------------------------
@value(frozen=True)
class TaskSubmitted:
    task: Task
    inputs: tuple[StagedInput, ...] = ()
    temporaries: tuple[str, ...] = ()
    """Its other inputs: temporary outputs of other tasks."""


@value(frozen=True)
class TaskRemembered:
    """An earlier run finished the task, whose temporary outputs a later task may read: it runs again then."""

    submitted: TaskSubmitted


@value(frozen=True)
class TemporariesUnneeded:
    """The last reader of these temporary outputs has ended, or there never was any."""

    names: tuple[str, ...]


@value(frozen=True)
class TemporaryReceived:
    """The scheduler has a copy of that temporary output."""

    digest: str


@value(frozen=True)
class Restored:
    """The saved state of an earlier scheduler; precedes all other events. A task is not restored if the engine knows
    that it has ended, or does not know it any more.
    """

    tasks: tuple[SavedTask, ...]
    claims: tuple[SavedClaim, ...]
    steered: tuple[tuple[int, Steering], ...] = ()
    """What the user has decided about tasks, by their numbers."""


@value(frozen=True)
class SharedFolders:
    """The shared folders of the run, and the name of the marker in each, empty if none; precedes all other events."""

    markers: Mapping[str, str]


@value(frozen=True)
class HistoryLoaded:
    """Attempts of earlier runs for the estimates, oldest first; precedes the first task, except restored ones."""

    attempts: tuple[Attempt, ...]


@value(frozen=True)
class TaskRefused:
    """A task that cannot run as stated (a missing input, an output outside the folder)."""

    task: Task
    reason: str


@value(frozen=True)
class TaskWithdrawn:
    """The engine cancelled the task; may precede its submission."""

    task_id: int


@value(frozen=True)
class NoneFollowsSoon:
    """All tasks that can start by now have been submitted: claims are sized without waiting for more."""


@value(frozen=True)
class TaskSteered:
    """The user has decided something about the task, which may not be submitted yet; None: no change."""

    task_id: int
    command: str = ""
    """See Steering."""
    held: bool | None = None
    cancelled: bool | None = None
    cores: float | None = None
    memory_mb: float | None = None
    disk_mb: float | None = None
    priority: float | None = None


@value(frozen=True)
class TaskRetried:
    """The user wants the task to run again: its present attempt is taken back, what it has failed is forgotten. A task
    that has ended is submitted again next.
    """

    task_id: int
    attempts: int = 0
    """Of a task that has ended: those that it had."""


@value(frozen=True)
class NoMoreTasks:
    """The task file is complete: the workflow ends when all known tasks have ended."""


@value(frozen=True)
class NothingNew:
    """Start nothing more; running attempts may finish, then the workflow ends. `follow`: not before NoMoreTasks."""

    reason: str
    follow: bool = False


@value(frozen=True)
class StopRequested:
    """The engine is done or gone: kill all attempts, release every claim, end."""

    reason: str


# --- from Mesos: `cluster` is empty if the run has only one ---------------------------------------
@value(frozen=True)
class Registered:
    """SUBSCRIBED, the first time or again."""

    framework_id: str
    master: str
    heartbeat_s: float = 15.0
    cluster: str = ""


@value(frozen=True)
class Disconnected:
    """The master is unreachable; the driver keeps trying. Every outstanding offer is void."""

    reason: str
    cluster: str = ""


@value(frozen=True)
class FrameworkEnded:
    """The framework cannot continue: removed, authentication refused, an https-only master, ..."""

    reason: str
    removed: bool = False
    """The master no longer knows the framework's id; another framework may be accepted."""
    cluster: str = ""


@value(frozen=True)
class OffersReceived:
    offers: tuple[Offer, ...]
    cluster: str = ""


@value(frozen=True)
class OfferRescinded:
    offer_id: str
    cluster: str = ""


@value(frozen=True)
class InverseOfferReceived:
    """The operator wants the agent (or all) drained from `unavailable_from` on (seconds since the epoch)."""

    inverse_offer_id: str
    agent_id: str | None
    unavailable_from: float
    cluster: str = ""


@value(frozen=True)
class ClaimUpdated:
    """A status update of a claim (a Mesos task). `uuid` is None if no acknowledgement is needed."""

    claim_id: str
    state: str
    """"TASK_RUNNING", "TASK_LOST", ..., Mesos's name."""
    reason: str = ""
    """"REASON_CONTAINER_LIMITATION_MEMORY", ..., Mesos's name, or empty."""
    message: str = ""
    agent_id: str | None = None
    uuid: str | None = None
    """Base64, as Mesos sent it."""
    source: str = ""
    cluster: str = ""


@value(frozen=True)
class LaunchDropped:
    """An ACCEPT that never reached the master (not connected, refused): the claim does not exist."""

    claim_id: str
    reason: str
    cluster: str = ""


@value(frozen=True)
class ExecutorExited:
    """FAILURE event with an executor id: the claim's executor ended with `status` (a wait status) on the agent."""

    claim_id: str
    agent_id: str
    status: int
    cluster: str = ""


@value(frozen=True)
class AgentFailed:
    agent_id: str
    cluster: str = ""


@value(frozen=True)
class AgentsListed:
    """The master's list of agents; the answer to actions.ListAgents."""

    agents: tuple[Agent, ...]
    holders: tuple[Holder, ...] | None = None
    """None: not requested. Empty also if the master does not show them."""
    cluster: str = ""


@value(frozen=True)
class UseListed:
    """Who uses the cluster, and who may wait for resources; the answer to actions.ListUse."""

    total: Resources
    """Of the cluster; zero if it has no other framework."""
    roles: tuple[RoleUse, ...] = ()
    rivals: tuple[Rival, ...] | None = ()
    """None: the master does not show them."""
    cluster: str = ""


# --- from executors -----------------------------------------------------------------------------
@value(frozen=True)
class ClaimSynced:
    """An executor's sync arrived (see wire.SyncRequest; the outputs in it are staged already).

    The core answers with actions.AnswerSync at once or later; a newer sync supersedes an older one.
    """

    claim_id: str
    seq: int
    got: int
    running: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    closing: bool = False
    memory_mb: float = 0.0
    lacking: tuple[str, ...] = ()
    protocol: int = PROTOCOL
    slices: tuple[int, ...] = ()
    """Those that the executor holds."""
    devices: tuple[Device, ...] = ()
    """The GPUs that it knows, each with its state."""


@value(frozen=True)
class OutputsPublished:
    """Every output of the attempt has its final name: the answer to actions.PublishOutputs."""

    attempt_id: str


@value(frozen=True)
class OutputsRefused:
    """The outputs could not be published. `local`: this machine is at fault (for example permissions); `full`: only
    disk space is missing.
    """

    attempt_id: str
    reason: str
    local: bool = False
    full: bool = False


# --- time ---------------------------------------------------------------------------------------
@value(frozen=True)
class Tick:
    """Time has passed; the core checks its timers. At least once a second."""


Event = Union[
    SharedFolders, Restored, HistoryLoaded, TaskRemembered, TemporariesUnneeded, TemporaryReceived,
    TaskSubmitted, TaskRefused, TaskWithdrawn, TaskSteered, TaskRetried,
    NoneFollowsSoon, NoMoreTasks, NothingNew, StopRequested,
    Registered, Disconnected, FrameworkEnded, OffersReceived, OfferRescinded, InverseOfferReceived,
    ClaimUpdated, LaunchDropped, ExecutorExited, AgentFailed, AgentsListed, UseListed,
    ClaimSynced, OutputsPublished, OutputsRefused, Tick,
]
