"""What estimates learn from an attempt, of this run or of the history."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Request
from mfmesos.estimates.estimators import Estimates, Usage

SHORT_S = 1.0
"""The cores of a shorter attempt are not known: most of its processor time is its start. Such attempts are many, and
each can waste little: less is learned from each."""
PER_CATEGORY = 300
"""The newest attempts of a category that are learned from the history."""
JUDGED, JUDGED_SHORT = 100, 30
"""An attempt judges the candidates if it is among this many newest of its category; JUDGED_SHORT is for those below
SHORT_S. Older ones have faded, and judging is most of what learning costs (docs/performance.md, Estimates)."""


def newest(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, bool]]:
    """What to learn of a category's attempts, oldest first, and whether it is to judge."""
    attempts = attempts[-PER_CATEGORY:]
    for i, attempt in enumerate(attempts):
        yield attempt, len(attempts) - i <= (JUDGED_SHORT if is_short(attempt) else JUDGED)


def is_short(attempt: Attempt) -> bool:
    return (attempt.wall_s or 0.0) < SHORT_S


def exact_command(attempt: Attempt) -> str:
    """The digest of the whole command; empty in what an older version has recorded."""
    return attempt.signature.partition(".")[2]


def recall(estimates: Estimates, attempts: Sequence[Attempt]) -> None:
    """Of those that are too old to be learned, what their commands used."""
    for attempt in attempts[:-PER_CATEGORY]:
        if attempt.outcome == "finished":
            estimates.commands.add(exact_command(attempt), attempt.input_mb, attempt.measured_memory_mb,
                                   attempt.measured_disk_mb)


def learn(estimates: Estimates, attempt: Attempt, *, judge: bool = True) -> None:
    """A finished attempt shows what the task needs; one that exhausted its allocation shows that the task needs more.
    `judge` as in Estimator.observe."""
    outcome, _, resource = attempt.outcome.partition(":")
    if outcome == "finished":
        estimates.observe(
            attempt.category, attempt.input_mb,
            Usage(attempt.measured_memory_mb or None, attempt.measured_disk_mb,
                  attempt.measured_cores if not is_short(attempt) else None, attempt.wall_s),
            declared=Request(attempt.requested_cores, attempt.requested_memory_mb, attempt.requested_disk_mb),
            context=attempt.context, judge=judge, command=exact_command(attempt))
    elif resource in ("memory", "disk"):
        # Without a limit of its own it may have been ended for the sake of others, when it used more than its due.
        known = (getattr(attempt, f"{kind}_{resource}_mb") for kind in ("allocated", "measured"))
        most = max((amount for amount in known if amount is not None), default=0.0)
        if most > 0.0:
            estimates.exhausted(attempt.category, resource, most)
