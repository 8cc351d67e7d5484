"""What the core wants done. The scheduler turns each into one call of an adapter, in the order given."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Offer, Resources, SavedClaim, SavedTask, StagedInput, Task
from mfmesos.shared.wire import Result, SyncAnswer


# --- to Mesos -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class OpenClaim:
    """ACCEPT these offers, all of one agent, and launch one Mesos task, the claim, with an executor of its own."""

    claim_id: str
    offers: tuple[Offer, ...]
    agent_id: str
    resources: Resources
    """For tasks. The executor's own memory comes on top of it."""
    executor_memory_mb: float


@dataclass(frozen=True)
class DeclineOffers:
    offer_ids: tuple[str, ...]
    refuse_s: float


@dataclass(frozen=True)
class Revive:
    pass


@dataclass(frozen=True)
class Suppress:
    pass


@dataclass(frozen=True)
class AcknowledgeUpdate:
    claim_id: str
    agent_id: str
    uuid: str


@dataclass(frozen=True)
class KillClaim:
    """KILL of the Mesos task: for claims that do not sync; others are released by their sync."""

    claim_id: str
    agent_id: str | None
    grace_s: float


@dataclass(frozen=True)
class Reconcile:
    """Explicit for the claims named (claim id, agent id or None), implicit when there are none."""

    claims: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class AcceptInverseOffer:
    inverse_offer_id: str


@dataclass(frozen=True)
class ListAgents:
    """Ask the master for its agents; answered by events.AgentsListed."""

    holders: bool = False
    """And which frameworks hold what."""


# --- to executors and the workflow's folder -----------------------------------------------------
@dataclass(frozen=True)
class GrantAttempt:
    """The claim may fetch these inputs and deliver these outputs from now on."""

    claim_id: str
    attempt_id: str
    task: Task
    inputs: tuple[StagedInput, ...]


@dataclass(frozen=True)
class RevokeAttempt:
    """No more of that; what it had delivered and was not published is thrown away."""

    claim_id: str
    attempt_id: str


@dataclass(frozen=True)
class AnswerSync:
    """Answer the claim's held sync `seq`."""

    claim_id: str
    seq: int
    answer: SyncAnswer


@dataclass(frozen=True)
class PublishOutputs:
    """Move the delivered outputs to their final names; answered by OutputsPublished or OutputsRefused."""

    claim_id: str
    attempt_id: str


@dataclass(frozen=True)
class CloseClaim:
    """The claim has ended: its token is void."""

    claim_id: str


@dataclass(frozen=True)
class ReportTask:
    """The task has ended for good: one line in the state file. `reason` is for the user, empty when it finished."""

    task: Task
    finished: bool
    withdrawn: bool = False
    reason: str = ""
    exit_code: int = 0
    result: Result | None = None
    allocation: Resources | None = None
    attempts: int = 0
    claim_id: str = ""
    category: str = ""
    """Empty when it was not looked for yet."""
    attempt_id: str = ""
    """Of the last attempt; empty when there was none."""
    inputs: tuple[StagedInput, ...] = ()
    """As it ran with them."""


@dataclass(frozen=True)
class RecordAttempt:
    """An attempt has ended by itself or over a limit: for the history. Its `ended_at` and `workflow` are to be set."""

    attempt: Attempt


# --- to the journal -----------------------------------------------------------------------------
@dataclass(frozen=True)
class SaveClaim:
    """To be on disk before any other action that came with it is carried out."""

    claim: SavedClaim


@dataclass(frozen=True)
class SaveTask:
    """Likewise."""

    task: SavedTask


@dataclass(frozen=True)
class DropClaim:
    """It has ended. To be removed after the actions that came with it were carried out."""

    claim_id: str


@dataclass(frozen=True)
class DropTask:
    """It has ended and was reported. Likewise."""

    task_id: int


JOURNALED = (SaveClaim, SaveTask, DropClaim, DropTask)


# --- to the user --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Note:
    """One line for the user and the log. level: "info", "warning" or "error"."""

    level: str
    text: str
    task_id: int | None = None


@dataclass(frozen=True)
class Over:
    """Nothing is left to do and no claim is left: tear down and end. `failure` is None or why it ended badly."""

    failure: str | None = None


Action = Union[
    OpenClaim, DeclineOffers, Revive, Suppress, AcknowledgeUpdate, KillClaim, Reconcile, AcceptInverseOffer, ListAgents,
    GrantAttempt, RevokeAttempt, AnswerSync, PublishOutputs, CloseClaim, ReportTask, RecordAttempt,
    SaveClaim, SaveTask, DropClaim, DropTask, Note, Over,
]
