"""Politeness: a run gives back what is more than its share while other frameworks wait.

Offers show nothing while the run holds everything. So the master is asked every few seconds who uses the cluster, and
which frameworks ask for offers. A framework that asks may wait; whether it does shows when something is given back:
what ends next, a slice of a claim or a small claim as a whole. A framework that takes it gets more, down to the run's
own share; one that does not is tried again after 5 s x 2^k. The cluster's allocator decides who is offered what, so the
run need not wait before it takes offers again; unless it gave all, because its share is less than one task: then it
rests until the others have had their turns.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from mfmesos.core.actions import KillClaim, ListUse, SaveClaim
from mfmesos.core.claim_table import Claim
from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.events import UseListed
from mfmesos.core.holding import gathers
from mfmesos.core.manners import HABIT, Manners, only_declines
from mfmesos.core.model import Resources, Rival, RoleUse
from mfmesos.core.sizing import AHEAD_PACE_S
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.resources import FIELDS
from mfmesos.shared.slices import slice_id

EVERY_S, SOON_S = 2.0, 1.0
EACH_S = 0.1
"""The least pause for each other framework that is connected: all runs together ask the master ten times a second."""
LATE_S = 90.0
"""A master that has not answered by then is asked again."""
TAKEN_WITHIN_S = 2.5
"""Two allocation intervals of Mesos's default, and a moment: what is free for this long was not wanted."""
SHORTEST_TURN_S, LONGEST_TURN_S = 3.0, 12.0
"""A run whose share is less than its last claim keeps that claim for so long, longer each time."""
HANDOVER_S = 1.5
"""From the end of a turn until the next framework's task runs: a claim ends, Mesos offers its room, another starts."""
FULL_AFTER_S = 0.5
"""A master offers what is free at once to whoever comes or revives: what comes later was in use."""
KNOWN_S = 30.0
"""A run that waits with nothing asks again after this."""
STALE_S = 2.5
"""An answer of the master that is not older shows who waits."""
CAUTIOUS_S = 5.0
"""The master's answer comes sooner."""
LEAST = 0.001


def look(state: State) -> None:
    """Ask the masters of clusters where the run holds something; where it waits with nothing, now and then."""
    if state.policy.per_task_claims or state.stopping:
        return
    for cluster in state.live():
        own = cluster.manners
        if cluster.connected and _is_due(state, cluster) and (
                own.rests_until > state.now or own.cautious_until > state.now
                or (state.queue and state.now - own.answered_at >= KNOWN_S)
                or any(claim.agent_id.cluster == cluster.name for claim in state.claims)):
            own.asked_at = state.now
            state.emit(ListUse(cluster.name))


def _is_due(state: State, cluster: ClusterState) -> bool:
    """Whether the last answer is old enough: sooner while an executor starts, since what its claim has too much is free
    at once until then.
    """
    own = cluster.manners
    if own.answered_at < own.asked_at:
        return state.now - own.asked_at >= LATE_S
    age = state.now - own.answered_at
    if age < max(SOON_S, own.answered_at - own.asked_at, EACH_S * own.others):
        return False
    return age >= EVERY_S or any(claim.agent_id.cluster == cluster.name and claim.slices
                                 for claim in state.claims.each_in(ClaimState.LAUNCHING))


def offered(state: State, cluster: ClusterState) -> None:
    """Offers come. If the run holds nothing and has waited for them, the cluster was full: others may wait as well."""
    own = cluster.manners
    since = max(state.now if state.wanted_since is None else state.wanted_since, own.offered_at)
    stale = state.now - own.answered_at >= STALE_S
    if own.suitors and stale and state.now - since >= FULL_AFTER_S and not state.claims.of_cluster(cluster.name):
        own.cautious_until = state.now + CAUTIOUS_S
    own.offered_at = state.now


def holds_back(state: State, cluster: ClusterState) -> bool:
    """Whether offers are left to others: it is their turn, or the run has taken something and does not know yet who
    else waits.
    """
    own = cluster.manners
    return own.rests_until > state.now or (
        own.cautious_until > state.now and bool(state.claims.of_cluster(cluster.name)))


def listed(state: State, cluster: ClusterState, use: UseListed) -> None:
    """The master has answered."""
    own = cluster.manners
    if own.cautious_until > state.now:
        own.cautious_until = cluster.revive_after = -math.inf
    first, own.answered_at = own.answered_at == -math.inf, state.now
    if use.rivals is None:
        use = _blind(state, cluster, use)
    own.others = len(use.rivals or ())
    rivals = [rival for rival in use.rivals or () if rival.asks]
    _try_again(own, rivals, state.now, first)
    wanting = [rival for rival in rivals if own.suitors[rival.id, rival.role].ask_at <= state.now]
    own.owed, own.fair, own.destitute = 0.0, None, False
    empty_handed = sum(not rival.busy for rival in wanting)
    if not empty_handed:
        own.rests_until = -math.inf
    if not wanting:
        return
    held = _held(state, cluster)
    share = _share(held, use, wanting)
    if share is None:
        return
    own.fair = held.cores * share.fair / share.own if share.own > 0 else use.total.cores * share.fair
    own.probes = not any(own.suitors[rival.id, rival.role].takes for rival in wanting)
    if own.probes and _is_tried(state, cluster):
        return
    if share.own <= 0:
        return
    own.owed = held.cores * max(share.own - share.fair - share.free, 0.0) / share.own
    own.destitute = share.own > share.fair and empty_handed * share.own > share.free + LEAST
    if own.owed > LEAST or own.destitute:
        for claim in state.claims.of_cluster(cluster.name):
            claim.touch()


def _is_tried(state: State, cluster: ClusterState) -> bool:
    """Whether something that was given back has yet to become free, or to be taken."""
    return cluster.manners.given_at is not None or any(
        claim.leaving or claim.state is not ClaimState.OPEN for claim in state.claims.of_cluster(cluster.name)
        if claim.state is not ClaimState.LAUNCHING)


def _blind(state: State, cluster: ClusterState, use: UseListed) -> UseListed:
    """Nothing is shown: there may be one rival. What the run gives back, and is not offered again, somebody took."""
    own = cluster.manners
    known = own.suitors.get(("", ""))
    accepted, declined = (known.accepted, known.declined) if known is not None else (0, 0)
    if own.given_at is not None and state.now - own.given_at >= TAKEN_WITHIN_S:
        taken = own.offered_at < own.given_at
        accepted, declined = accepted + taken, declined + (not taken)
    total = sum(cluster.known.here(), Resources())
    return replace(use, total=total, roles=(), rivals=(Rival("", "", True, False, accepted, declined),))


def _try_again(own: Manners, rivals: Sequence[Rival], now: float, first: bool) -> None:
    """Whom to try now, by what they did with what was given back."""
    asking = {(rival.id, rival.role) for rival in rivals}
    own.suitors = {key: suitor for key, suitor in own.suitors.items() if key in asking}
    suitors = [(rival, own.met(rival, now, first)) for rival in rivals]
    takers = [suitor for rival, suitor in suitors if rival.accepted > suitor.accepted]
    for suitor in takers:
        suitor.misses, suitor.ask_at, suitor.takes = 0, now, True
    if takers:
        own.given_at = None
    elif own.given_at is not None and now - own.given_at >= TAKEN_WITHIN_S:
        own.given_at = None
        for rival, suitor in suitors:
            if suitor.ask_at <= now:
                suitor.missed(now, HABIT if only_declines(rival) else 1)
    for rival, suitor in suitors:
        suitor.accepted, suitor.declined = rival.accepted, rival.declined


class _Share:
    """Parts of the cluster, in the resource of which the run holds the largest part."""

    def __init__(self, own: float, fair: float, free: float) -> None:
        self.own, self.fair, self.free = own, fair, free


def _held(state: State, cluster: ClusterState) -> Resources:
    """What the run holds there, executors included."""
    claims = state.claims.of_cluster(cluster.name)
    executors = Resources(memory_mb=state.policy.executor_memory_mb * len(claims))
    return sum((claim.resources for claim in claims), executors)


def _share(held: Resources, use: UseListed, wanting: Sequence[Rival]) -> _Share | None:
    """By Mesos's own rule: roles by weight, then the frameworks of a role alike; what belongs to frameworks that do not
    ask is not divided. None: nothing is known of the cluster's size.
    """
    names = [name for name in FIELDS if use.total.of(name) > 0]
    if not names:
        return None
    name = max(names, key=lambda n: held.of(n) / use.total.of(n))
    whole = use.total.of(name)
    own = held.of(name) / whole
    role = next((role for role in use.roles if role.own), RoleUse("", 1.0, held, True))
    asking = {rival.role for rival in wanting} | {role.name}
    divided = [r for r in use.roles if r.name in asking and not r.own]
    others = sum(r.held.of(name) for r in use.roles if r.name not in asking) / whole
    of_role = role.weight / (role.weight + sum(r.weight for r in divided)) * (1.0 - others)
    beside = max(role.held.of(name) / whole - own, 0.0)
    fair = (of_role - _content(use.rivals or (), wanting, role.name) * beside) / (
        1 + sum(rival.role in (role.name, "") for rival in wanting))
    free = 1.0 - sum(r.held.of(name) for r in use.roles) / whole if use.roles else 0.0
    return _Share(own, max(fair, 0.0), max(free, 0.0))


def _content(rivals: Sequence[Rival], wanting: Sequence[Rival], role: str) -> float:
    """The part of what others of the role hold that belongs to frameworks that do not ask, as far as their number
    shows.
    """
    busy = sum(rival.busy for rival in rivals if rival.role == role)
    want = sum(rival.busy for rival in wanting if rival.role == role)
    return 1.0 - want / busy if busy else 0.0


def most_cores(state: State, cluster: ClusterState) -> float:
    """Cores that the run may claim now: up to its share while others wait."""
    fair = cluster.manners.fair
    if cluster.manners.cautious_until > state.now:
        return 0.0
    return math.inf if fair is None else max(fair - _held(state, cluster).cores, 0.0)


def rests_until(state: State) -> float:
    """Until when the run leaves offers to others, in all clusters (the clock's seconds); in the past if it does not."""
    return min((cluster.manners.rests_until for cluster in state.live()), default=-math.inf)


def give_way(state: State) -> None:
    """Give back what others wait for, as far as it is free, before tasks start there."""
    for cluster in state.live():
        own = cluster.manners
        if own.owed <= LEAST and not own.destitute:
            continue
        changed = [claim for claim in state.claims.changed.values()
                   if claim.table is not None and claim.agent_id.cluster == cluster.name and claim.solo_task is None]
        for claim in changed:
            if claim.state is ClaimState.LAUNCHING and not claim.restored and not own.probes:
                _withdraw(state, own, claim)
        for claim in changed:
            if claim.state is ClaimState.OPEN and claim.synced and not gathers(state, claim):
                _give_back(state, own, claim)


def _withdraw(state: State, own: Manners, claim: Claim) -> None:
    """Slices of a claim whose executor still starts are free as soon as Mesos hears of it."""
    found = sorted(claim.slices.items(), key=lambda one: -one[1].cores)
    for number, part in found:
        if part.cores <= own.owed + LEAST:
            own.owed -= part.cores
            claim.shrink(number)
            state.emit(KillClaim(slice_id(claim.id, number), claim.agent_id.agent, state.policy.kill_grace_s,
                                 claim.agent_id.cluster))
    if len(claim.slices) < len(found):
        state.emit(SaveClaim(claim.saved()))


def _give_back(state: State, own: Manners, claim: Claim) -> None:
    given = False
    while own.owed > LEAST and (number := _next_slice(own, claim)) is not None:
        own.owed = 0.0 if own.probes else own.owed - claim.slices[number].cores
        claim.shrink(number)
        given = True
    if given:
        state.emit(SaveClaim(claim.saved()))
    if not claim.slices and _has_room(claim) and _may_leave(state, own, claim):
        own.owed = 0.0 if own.probes else own.owed - claim.resources.cores
        claim.move(ClaimState.DRAINING)


def _has_room(claim: Claim) -> bool:
    """Attempts of milliseconds are queued ahead: then there is never free room, and soon there is."""
    return claim.free.cores > LEAST or (claim.pace_s is not None and claim.pace_s <= AHEAD_PACE_S)


def _next_slice(own: Manners, claim: Claim) -> int | None:
    """The largest slice that is free and not too much; if none is free, the smallest: nothing new starts until it is.
    None: not yet.
    """
    found = sorted((part.cores, number) for number, part in claim.slices.items() if part.cores <= own.owed + LEAST)
    if not found or not _has_room(claim):
        return None
    free = [number for cores, number in found if cores <= claim.free.cores + LEAST]
    return free[-1] if free and not own.probes else found[0][1]


def _may_leave(state: State, own: Manners, claim: Claim) -> bool:
    """Whether the claim as a whole is given back: it is more than the run's share, or it was the run's turn."""
    if claim.resources.cores <= own.owed + LEAST:
        return True
    others = [c for c in state.claims.of_cluster(claim.agent_id.cluster) if c is not claim]
    turn_s = min(SHORTEST_TURN_S * 2.0**own.turns, LONGEST_TURN_S)
    if others or not own.destitute or not claim.worked or state.now - claim.opened_at < turn_s:
        return False
    own.turns += 1
    _rest(state, own, claim)
    return True


def _rest(state: State, own: Manners, claim: Claim) -> None:
    """Suppress offers until the others have had a turn of the same length. The master's allocator does not ensure
    that: it treats all frameworks that hold nothing alike, and often serves the one that revives first.
    """
    if own.fair:
        lasted_s = min(state.now - claim.opened_at, LONGEST_TURN_S)
        round_s = (lasted_s + HANDOVER_S) * claim.resources.cores / own.fair
        own.rests_until = state.now + max(round_s - lasted_s, 0.0)
