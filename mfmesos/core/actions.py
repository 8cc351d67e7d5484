"""Actions: the core's outputs. The scheduler turns each into one call of an adapter, in order."""
from __future__ import annotations

from typing import Union

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Ids, Moment, Offer, Resources, SavedClaim, SavedTask, StagedInput, Steering, Task
from mfmesos.shared.values import value
from mfmesos.shared.wire import Result, SyncAnswer


# --- to Mesos: `cluster` is empty if the run has only one -----------------------------------------
@value(frozen=True)
class OpenClaim:
    """ACCEPT these offers, all of one agent, and launch one Mesos task, the claim, with its own executor."""

    claim_id: str
    offers: tuple[Offer, ...]
    agent_id: str
    resources: Resources
    """For tasks. The executor's own memory is added to it."""
    executor_memory_mb: float
    cluster: str = ""
    slices: tuple[Resources, ...] = ()
    """The parts of `resources` that can be given back alone: each gets a Mesos task of its own."""
    ids: Ids = ()
    """Of sets and ranges: which items of the offers it takes."""


@value(frozen=True)
class DeclineOffers:
    offer_ids: tuple[str, ...]
    refuse_s: float
    cluster: str = ""


@value(frozen=True)
class Revive:
    cluster: str = ""


@value(frozen=True)
class Suppress:
    cluster: str = ""


@value(frozen=True)
class AcknowledgeUpdate:
    claim_id: str
    agent_id: str
    uuid: str
    cluster: str = ""


@value(frozen=True)
class KillClaim:
    """KILL of the Mesos task: for claims that do not sync; others are released by their sync."""

    claim_id: str
    agent_id: str | None
    grace_s: float
    cluster: str = ""


@value(frozen=True)
class Reconcile:
    """Explicit for these claims (claim id, agent id or None), implicit without any."""

    claims: tuple[tuple[str, str | None], ...] = ()
    cluster: str = ""


@value(frozen=True)
class AcceptInverseOffer:
    inverse_offer_id: str
    cluster: str = ""


@value(frozen=True)
class ListAgents:
    """Ask the master for its agents; answered by events.AgentsListed."""

    holders: bool = False
    """Also ask what each framework holds."""
    cluster: str = ""


@value(frozen=True)
class ListUse:
    """Ask the master who uses the cluster; answered by events.UseListed."""

    cluster: str = ""


# --- to executors and the workflow's folder -----------------------------------------------------
@value(frozen=True)
class PermitAttempt:
    """Permit the claim to fetch these inputs and deliver these outputs from now on."""

    claim_id: str
    attempt_id: str
    task: Task
    inputs: tuple[StagedInput, ...]
    outputs: tuple[str, ...]
    """Those that it delivers."""


@value(frozen=True)
class WithdrawPermit:
    """Withdraw the permit; unpublished deliveries are discarded."""

    claim_id: str
    attempt_id: str


@value(frozen=True)
class AnswerSync:
    """Answer the claim's held sync `seq`."""

    claim_id: str
    seq: int
    answer: SyncAnswer


@value(frozen=True)
class ReceiveTemporary:
    """The claim was asked to send a temporary output; answered by TemporaryReceived."""

    claim_id: str
    digest: str
    size: int


@value(frozen=True)
class DropTemporary:
    """Nobody needs the scheduler's copy of that temporary output any more."""

    digest: str


@value(frozen=True)
class PublishOutputs:
    """Publish the received outputs; answered by OutputsPublished or OutputsRefused."""

    claim_id: str
    attempt_id: str


@value(frozen=True)
class CloseClaim:
    """The claim has ended: its token is void."""

    claim_id: str
    gpus_isolated: bool | None = None
    """Whether the agent kept its GPUs apart from other claims; None: it had none."""


@value(frozen=True)
class ReportTask:
    """The task has ended for good: one line in the state file. `reason` is for the user, empty if it finished."""

    task: Task
    finished: bool
    withdrawn: bool = False
    cancelled: bool = False
    """The user cancelled this task; the run continues."""
    reason: str = ""
    exit_code: int = 0
    result: Result | None = None
    allocation: Resources | None = None
    attempts: int = 0
    claim_id: str = ""
    category: str = ""
    attempt_id: str = ""
    """Id of the last attempt; empty if there was none."""
    inputs: tuple[StagedInput, ...] = ()
    """The inputs of that attempt."""
    story: tuple[Moment, ...] = ()
    limit_memory_mb: float | None = None
    limit_disk_mb: float | None = None
    """The limits of that attempt."""


@value(frozen=True)
class ReportAttempt:
    """An attempt has ended, and its task waits again."""

    task: Task
    attempt_id: str
    attempt: int
    """Its number among the attempts of the task."""
    claim_id: str
    assigned_at: float
    """Monotonic seconds, as the core's."""
    reason: str
    """For the user."""
    result: Result | None
    """None: lost with its claim, or taken back."""
    allocation: Resources
    limit_memory_mb: float | None = None
    limit_disk_mb: float | None = None


@value(frozen=True)
class RecordAttempt:
    """An attempt has ended by itself or over a limit: store it in the history. The caller sets `ended_at` and
    `workflow`.
    """

    attempt: Attempt


# --- to the journal -----------------------------------------------------------------------------
@value(frozen=True)
class SaveClaim:
    """Must be on disk before any other action of the same batch is carried out."""

    claim: SavedClaim


@value(frozen=True)
class SaveTask:
    """The same for a task."""

    task: SavedTask


@value(frozen=True)
class SaveSteering:
    """What the user has decided about the task; the same. It stays until the run ends."""

    task_id: int
    steering: Steering


@value(frozen=True)
class DropClaim:
    """The claim has ended. Removed after the other actions of the batch are carried out."""

    claim_id: str


@value(frozen=True)
class DropTask:
    """The task has ended and was reported. The same."""

    task_id: int


JOURNALED = (SaveClaim, SaveTask, SaveSteering, DropClaim, DropTask)


# --- to the user --------------------------------------------------------------------------------
@value(frozen=True)
class Note:
    """One line for the user and the log. level: "info", "warning" or "error"."""

    level: str
    text: str
    task_id: int | None = None


@value(frozen=True)
class Over:
    """Nothing is left to do and no claim is left: tear down and end. `failure` is None or the reason."""

    failure: str | None = None


Action = Union[
    OpenClaim, DeclineOffers, Revive, Suppress, AcknowledgeUpdate, KillClaim, Reconcile, AcceptInverseOffer, ListAgents,
    ListUse, PermitAttempt, WithdrawPermit, AnswerSync, ReceiveTemporary, DropTemporary, PublishOutputs, CloseClaim,
    ReportTask, ReportAttempt, RecordAttempt,
    SaveClaim, SaveTask, SaveSteering, DropClaim, DropTask, Note, Over,
]
