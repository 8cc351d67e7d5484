"""The policies by name, as settings choose them: NAME, or NAME=VALUE for a policy with a parameter."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, TypeVar

from mfmesos.core.policies.attribute import PreferAttribute
from mfmesos.core.policies.balanced import Balanced
from mfmesos.core.policies.best_fit import BestFit
from mfmesos.core.policies.by_data import ByData
from mfmesos.core.policies.conservative import Conservative
from mfmesos.core.policies.decline_at_once import DeclineAtOnce
from mfmesos.core.policies.easy import Easy
from mfmesos.core.policies.fair import Fair
from mfmesos.core.policies.fifo import Fifo
from mfmesos.core.policies.first_fit import FirstFit
from mfmesos.core.policies.hold_offers import HoldOffers
from mfmesos.core.policies.network import LeastNetwork
from mfmesos.core.policies.no_holds import NoHolds
from mfmesos.core.policies.pack import Pack
from mfmesos.core.policies.priority import Priority
from mfmesos.core.policies.protocols import OfferPolicy, Ordering, Placement, PlannedStarts, Policies
from mfmesos.core.policies.refuse_offers import RefuseOffers
from mfmesos.core.policies.shortest import Shortest
from mfmesos.core.policies.sjbf import ShortestFirst
from mfmesos.core.policies.spread import Spread
from mfmesos.core.policy import Policy
from mfmesos.core.state import State
from mfmesos.shared import choices

P = TypeVar("P")
Makers = Mapping[str, Callable[[str], P]]
"""By name; each is given the VALUE, or an empty string."""


def bare(make: Callable[[], P]) -> Callable[[str], P]:
    """Of a policy without a parameter."""
    def maker(value: str) -> P:
        choices.no_value(value)
        return make()
    return maker


def valued(make: Callable[[str], P]) -> Callable[[str], P]:
    """Of a policy with a parameter."""
    def maker(value: str) -> P:
        choices.some_value(value)
        return make(value)
    return maker


ORDERINGS: Makers[Ordering] = {
    "fifo": bare(Fifo), "priority": bare(Priority), "shortest": bare(Shortest), "fair": bare(Fair)}
PLACEMENTS: Makers[Placement] = {
    "first": bare(FirstFit), "pack": bare(Pack), "spread": Spread, "best": bare(BestFit),
    "balanced": bare(Balanced), "attribute": valued(PreferAttribute), "network": bare(LeastNetwork),
    "data": bare(ByData)}
"""Of choices.PLACEMENTS."""
OFFERS: Makers[OfferPolicy[State]] = {
    "polite": bare(DeclineAtOnce), "hold": HoldOffers, "refuse": RefuseOffers}
"""Of choices.OFFERS."""
PLANNED_STARTS: Makers[PlannedStarts[State]] = {
    "none": bare(NoHolds), "easy": bare(Easy), "sjbf": bare(ShortestFirst), "conservative": bare(Conservative)}


def chosen(policy: Policy) -> Policies[State]:
    """The policies that the settings name. Raises ValueError, as does `made`."""
    return Policies(made(ORDERINGS, policy.ordering), placement(policy.placement),
                    made(PLANNED_STARTS, policy.planned_start), made(OFFERS, policy.offers))


def placement(text: str) -> Placement:
    """The placement of that NAME or NAME=VALUE. Raises ValueError."""
    return made(PLACEMENTS, text)


def made(known: Makers[P], text: str) -> P:
    """The policy of that NAME or NAME=VALUE. An unknown name raises ValueError, as does a wrong VALUE."""
    name, value = choices.named(known, text)
    return known[name](value)
