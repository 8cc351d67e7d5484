"""How soon a run answers offers and suppresses them, by its event log: the times are those of the core's calls."""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from logged_calls import calls

from mfmesos.core import actions as act
from mfmesos.core import events as ev


@dataclass
class OfferTimes:
    """Seconds, one for each offer or each time that nothing waits any more."""

    declined_after: list[float] = field(default_factory=list)
    accepted_after: list[float] = field(default_factory=list)
    suppressed_after: list[float] = field(default_factory=list)
    revives: int = 0


def offer_times(folder: Path) -> OfferTimes:
    """Of the log in that folder (.mfmesos), which is of one scheduler."""
    found = OfferTimes()
    came: dict[str, float] = {}
    waiting: set[int] = set()
    wanted, idle_since = False, math.inf
    for now, events, actions in calls(folder):
        waiting |= {event.task.id for event in events if isinstance(event, ev.TaskSubmitted)}
        came.update((offer.id, now) for event in events if isinstance(event, ev.OffersReceived)
                    for offer in event.offers)
        for action in actions:
            if isinstance(action, (act.PermitAttempt, act.ReportTask)):
                waiting.discard(action.task.id)
            elif isinstance(action, act.DeclineOffers):
                found.declined_after += [now - came.pop(i) for i in action.offer_ids if i in came]
            elif isinstance(action, act.OpenClaim):
                found.accepted_after += [now - came.pop(o.id) for o in action.offers if o.id in came]
            elif isinstance(action, act.Revive):
                found.revives += 1
        if waiting:
            wanted, idle_since = True, math.inf
        elif wanted:
            idle_since = min(idle_since, now)
            if any(isinstance(action, act.Suppress) for action in actions):
                found.suppressed_after.append(now - idle_since)
                wanted = False
    return found
