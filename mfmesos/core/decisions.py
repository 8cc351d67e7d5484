"""What planning decides: values that a test can compare and a log can show. `applying.apply` carries them out."""
from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Union

from mfmesos.core.model import Resources
from mfmesos.core.records import PlannedStart


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
