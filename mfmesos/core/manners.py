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

    def missed(self, now: float, least: int = 1) -> None:
        """Counts as `least` times if it is the first."""
        self.misses = min(max(self.misses + 1, least), MOST_MISSES)
        self.ask_at = now + FIRST_PAUSE_S * 2.0 ** (self.misses - 1)


@dataclass
class Manners:
    asked_at: float = -math.inf
    """When the master was asked who uses the cluster."""
    answered_at: float = -math.inf
    others: int = 0
    """Other frameworks that are connected, as far as known."""
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

    def met(self, rival: Rival, now: float, first: bool) -> Suitor:
        """The record of the rival; a new one for a new rival. `first`: it was there when the run came, and what it has
        declined was not just what the run leaves over.
        """
        found = self.suitors.get((rival.id, rival.role))
        if found is None:
            found = self.suitors[rival.id, rival.role] = Suitor(rival.accepted, rival.declined, takes=rival.modest)
            if first and only_declines(rival):
                found.missed(now, HABIT)
        return found


def only_declines(rival: Rival) -> bool:
    """Whether the rival has declined all that it was ever offered."""
    return bool(rival.declined) and not rival.accepted and not rival.modest
