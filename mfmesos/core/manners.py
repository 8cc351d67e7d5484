"""What a run knows of other frameworks that may wait, and how it has tried them: one record per cluster."""
from __future__ import annotations

import math
from dataclasses import dataclass, field

from mfmesos.core.model import Rival

FIRST_PAUSE_S = 5.0
"""After something that was given back was not taken; doubled for each further time."""
MOST_MISSES = 8
HABIT = 4
"""A framework that has declined all that it was ever offered counts as one that was tried in vain this many times."""


@dataclass
class Suitor:
    """A framework that asks for offers."""

    accepted: int
    declined: int
    misses: int = 0
    """How many times in a row something was given back that it did not take."""
    ask_at: float = -math.inf
    """It is not tried before."""
    takes: bool = False
    """Whether it takes what it is offered: it has accepted something meanwhile, or is known to suppress otherwise."""

    def missed(self, now: float) -> None:
        self.misses = min(self.misses + 1, MOST_MISSES)
        self.ask_at = now + FIRST_PAUSE_S * 2.0 ** (self.misses - 1)


@dataclass
class Manners:
    asked_at: float = -math.inf
    """When the master was asked who uses the cluster."""
    answered_at: float = -math.inf
    suitors: dict[tuple[str, str], Suitor] = field(default_factory=dict)
    """By id and role."""
    fair: float | None = None
    """Cores that are the run's share while others wait; None: nobody waits, as far as known."""
    owed: float = 0.0
    """Cores of claims that are still to be given back."""
    probes: bool = False
    """Whether only one slice is given back, to see whether anyone takes it."""
    destitute: bool = False
    """Whether others that wait have no task at all, more of them than can start in what is free, while the run has more
    than its share.
    """
    given_at: float | None = None
    """When something that was given back last became free; None: it was taken, or not wanted."""
    offered_at: float = -math.inf
    """When the run was last offered something."""
    cautious_until: float = -math.inf
    """Until then, or until the master has shown who else waits, the run takes room for one task."""
    turns: int = 0
    """How many times it gave its last claim back."""
    rests_until: float = -math.inf
    """It has had its turn, and leaves what it is offered to others that hold nothing."""

    def met(self, rival: Rival, now: float) -> Suitor:
        """The record of the rival; a new one for a new rival."""
        found = self.suitors.get((rival.id, rival.role))
        if found is None:
            found = self.suitors[rival.id, rival.role] = Suitor(rival.accepted, rival.declined, takes=rival.modest)
        declines = rival.declined and not rival.accepted and not rival.modest
        if declines and not found.misses and self.given_at is None:
            found.misses = HABIT - 1
            found.missed(now)
        return found
