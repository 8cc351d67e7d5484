"""What planning decides: values that a test can compare and a log can show. `applying` carries them out."""
from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Union

from mfmesos.core.actions import DeclineOffers, Revive, Suppress
from mfmesos.core.model import AgentId, Offer, Resources
from mfmesos.core.records import PlannedStart, Shape


class Reason(Enum):
    """Why a task starts in that claim."""

    FIRST = "first"
    """The first task that fits."""
    NEAR = "near"
    """Most of its inputs are there."""
    AHEAD = "ahead"
    """Queued behind short attempts."""
    ALONE = "alone"
    """It runs alone in its own claim."""


class Why(Enum):
    """Why a task does not start in that claim."""

    ELSEWHERE = "elsewhere"
    """Its temporary inputs are in another claim."""
    LONG = "long"
    """Only short tasks are queued behind running attempts."""
    SHUNNED = "shunned"
    """It failed on this agent, or the agent lacks a shared folder."""
    CONSTRAINT = "constraint"
    """Its agent does not meet a constraint of the task, or not now."""
    GPUS = "gpus"
    """It needs none of the agent's GPUs, and others may have room."""
    LARGE = "large"
    """The claim is too small."""
    FULL = "full"
    """The claim has too little free room."""
    HELD = "held"
    """The claim is held for an earlier task."""


class Assignment(NamedTuple):
    """The task starts in the claim with that allocation."""

    task_id: int
    claim_id: str
    allocation: Resources
    reason: Reason
    passed: int | None = None
    """An earlier task of its shape that is passed over."""


class Hold(NamedTuple):
    """A claim is held for a task until there is room, or until a deadline."""

    start: PlannedStart


class Refusal(NamedTuple):
    """The task does not start in the claim; without a claim: no claim can be held for it."""

    task_id: int
    claim_id: str
    why: Why


class Release(NamedTuple):
    """The claim has no task left that may run in it."""

    claim_id: str


Decision = Union[Assignment, Hold, Refusal, Release]


class WhyNot(Enum):
    """Why no claim is opened on the offers of an agent."""

    AVOIDED = "avoided"
    """It failed several attempts in a row."""
    LEAVING = "leaving"
    """Its maintenance is planned."""
    UNLISTED = "unlisted"
    """The offers look like a crumb, and the master will list the agent in a moment."""
    EMPTY = "empty"
    """They have no cores or no memory."""
    BOUND = "bound"
    """The run may hold no more."""
    RESTING = "resting"
    """The run has had its turn: it is that of frameworks that hold nothing."""
    SMALL = "small"
    """No waiting task fits that may run there."""


class Opening(NamedTuple):
    """A claim is opened on all offers of an agent."""

    agent_id: AgentId
    offers: tuple[Offer, ...]
    resources: Resources
    solo_task: int | None
    """The only task of the claim; None: any task that fits."""
    expects: tuple[tuple[Shape, int], ...]
    """The waiting tasks that it is opened for."""
    slices: tuple[Resources, ...] = ()
    """The parts of it that can be given back alone."""


class Wait(NamedTuple):
    """The agent's offers are kept until the master has listed its agents, or until then."""

    agent_id: AgentId
    until: float
    ask: bool
    """Whether the master has yet to be asked."""


class AgentRefusal(NamedTuple):
    """No claim is opened there."""

    agent_id: AgentId
    why: WhyNot


OfferDecision = Union[Opening, Wait, AgentRefusal, DeclineOffers, Revive, Suppress]
"""Actions that say all there is to a decision are decisions themselves."""
