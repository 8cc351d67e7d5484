"""How long a run keeps what it is offered, and how much of the cluster is idle meanwhile: nobody else is offered it."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mfmesos.core.model import Offer


@dataclass
class OfferUse:
    """Of one cluster. Times in seconds."""

    count: int = 0
    used: int = 0
    """Offers on which claims were opened."""
    kept_s: float = 0.0
    """All times from an offer to its answer, or until the master withdrew it."""
    longest_s: float = 0.0
    idle_core_s: float = 0.0
    """Core-seconds that were offered and not in use yet, or in vain."""
    open: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Offers without an answer: when each came, and its cores."""

    def came(self, offer: Offer, now: float) -> None:
        self.count += 1
        self.open[offer.id] = now, offer.resources.cores

    def gone(self, offer_ids: Iterable[str], now: float, used: bool = False) -> None:
        """Answered or withdrawn; those that are not known were before."""
        for offer_id in offer_ids:
            found = self.open.pop(offer_id, None)
            if found is not None:
                kept_s = now - found[0]
                self.used += used
                self.kept_s += kept_s
                self.longest_s = max(self.longest_s, kept_s)
                self.idle_core_s += found[1] * kept_s
