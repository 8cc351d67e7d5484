"""Which executor fetches a large input from which other one: one chain of holders, as far as it may be one.

Pure. An executor sends on what it receives. Links carry as much in each direction as in one, so in a chain, where each
executor sends to one other, all receive at the speed of one transfer; a second child would halve that. Where a chain
cannot be (executors behind NAT send to nobody, a chain may be too long), executors have several children, and at last
the scheduler is the source.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mfmesos.shared import peer_wire
from mfmesos.shared.peer_wire import SourceRequest
from mfmesos.shared.values import value

MOST_CHILDREN = 4
MOST_MOVES = 3
"""A slow executor changes its source this many times; then its own link is the slow one."""
SILENT_S = 30.0
"""An executor that has not reported for this long is not offered, unless it has the whole input."""
RATE_S = 2.5
"""The least time over which a rate is measured."""
SETTLED_S = 6.0
"""The first rate after a change of the source says little."""
SLOW = 4
"""Slow is a rate below this part of the best rate of the same input."""
CAUGHT_UP = 2
"""Blocks. An executor that lags behind its source by at most this waits for its source."""
BEST_S = 30.0
"""For this long the best rate is remembered: networks have better and worse times."""
LONG_S = 60.0
"""If the scheduler's only reader needs longer than this, a second one finds out whether the first is just slow."""


@value(frozen=True)
class Serving:
    """Where an executor serves. `site`: empty if everyone may reach it; otherwise the address from which the scheduler
    sees it, and only executors behind the same address may.
    """

    address: str
    fingerprint: str
    site: str = ""


@dataclass
class _Peer:
    """What is known of a claim, whatever the input."""

    serving: Serving | None = None
    behind: str = ""
    """The address from which the scheduler sees it."""
    reached: bool = False
    unreached_by: set[str] = field(default_factory=set)
    banned: bool = False


@dataclass
class _Member:
    """A claim that has an input, or is receiving it."""

    seen: float
    source: str = ""
    """Another member; empty for the scheduler."""
    have: int = 0
    whole: bool = False
    children: int = 0
    since: float = 0.0
    """When it got its source."""
    moves: int = 0
    rate: float | None = None
    """Bytes per second, of late."""
    marked_have: int = 0
    marked_at: float = 0.0
    refused: set[str] = field(default_factory=set)
    """Sources that it does not want again."""
    from_peers: int = 0
    from_scheduler: int = 0


@dataclass
class _Swarm:
    """All members of one input."""

    size: int
    members: dict[str, _Member] = field(default_factory=dict)
    best: float = 0.0
    """The best rate of late, in bytes per second."""
    best_at: float = 0.0
    probed: bool = False

    @property
    def block(self) -> int:
        return peer_wire.block_bytes(self.size)

    def deepest(self) -> int:
        """A chain of this many executors takes about a quarter longer than one transfer."""
        return max(8, peer_wire.blocks_in(self.size) // 4)

    def above(self, name: str) -> Iterator[str]:
        """The sources of a member, one above the other, without the scheduler."""
        while name:
            yield name
            member = self.members.get(name)
            name = member.source if member is not None and not member.whole else ""

    def slow(self, member: _Member) -> bool:
        return member.rate is not None and not member.whole and member.rate * SLOW < self.best

    def waits(self, member: _Member) -> bool:
        """Whether it has nearly all that its source has."""
        source = self.members.get(member.source)
        return source is not None and not source.whole and source.have - member.have <= CAUGHT_UP * self.block


class Tracker:
    """Not thread-safe; `now` is in seconds, from any clock."""

    def __init__(self) -> None:
        self._swarms: dict[str, _Swarm] = {}
        self._peers: dict[str, _Peer] = {}
        self.from_peers = 0
        self.from_scheduler = 0
        """Bytes that arrived at executors, from each."""

    def serving(self, claim: str) -> Serving | None:
        """Where that claim serves."""
        peer = self._peers.get(claim)
        return peer.serving if peer is not None else None

    def introduce(self, claim: str, serving: Serving | None, behind: str) -> None:
        """Where the claim serves now, and the address from which the scheduler sees it."""
        peer = self._peers.setdefault(claim, _Peer())
        peer.serving, peer.behind = serving, behind

    def forget(self, claim: str) -> None:
        """The claim has ended."""
        self._peers.pop(claim, None)
        for digest, swarm in list(self._swarms.items()):
            self._drop(swarm, claim)
            if not swarm.members:
                del self._swarms[digest]

    def ask(self, claim: str, digest: str, size: int, request: SourceRequest, now: float) -> str:
        """The claim of the peer from which this claim, which was introduced, should fetch the next bytes; empty: the
        scheduler. What the request says of the member is noted.
        """
        swarm = self._swarms.setdefault(digest, _Swarm(size))
        me = swarm.members.get(claim)
        known = me is not None
        if me is None:
            me = swarm.members[claim] = _Member(now, since=now, marked_at=now, marked_have=request.have)
        source = request.source if request.source in swarm.members and request.source != claim else ""
        agreed = known and source == me.source == request.source
        self._note(swarm, me, request, now)
        if me.whole:
            self._attach(swarm, me, "", now)
            return ""
        if agreed and request.failed and source:
            self._blame(swarm, claim, me, source, request.failed)
        elif agreed and not (source and self._peers[source].banned) and not self._moves(swarm, me, now):
            return source
        self._attach(swarm, me, self._choose(swarm, claim, me, now), now)
        return me.source

    # --- what is known --------------------------------------------------------------------------
    def _note(self, swarm: _Swarm, me: _Member, request: SourceRequest, now: float) -> None:
        if me.source and request.source == me.source and request.have > me.have:
            self._peers[me.source].reached = True
        have = min(request.have, swarm.size)
        me.seen, me.have, me.whole = now, have, have >= swarm.size
        if now - me.marked_at >= RATE_S:
            me.rate = max(0, have - me.marked_have) / (now - me.marked_at)
            me.marked_at, me.marked_have = now, have
            if me.rate >= swarm.best or now - swarm.best_at > BEST_S:
                swarm.best, swarm.best_at = me.rate, now
        self.from_peers += max(0, request.from_peers - me.from_peers)
        self.from_scheduler += max(0, request.from_scheduler - me.from_scheduler)
        me.from_peers, me.from_scheduler = request.from_peers, request.from_scheduler

    def _blame(self, swarm: _Swarm, claim: str, me: _Member, source: str, failure: str) -> None:
        me.refused.add(source)
        peer = self._peers[source]
        if failure == peer_wire.DAMAGED:
            peer.banned = True
        elif failure == peer_wire.MISSING:
            self._drop(swarm, source)
        elif failure == peer_wire.UNREACHABLE:
            # One executor that reaches nobody must not take the others' peers away.
            peer.unreached_by.add(claim)
            peer.banned = peer.banned or not peer.reached or len(peer.unreached_by) > 1

    def _drop(self, swarm: _Swarm, claim: str) -> None:
        member = swarm.members.pop(claim, None)
        if member is None:
            return
        above = swarm.members.get(member.source)
        if above is not None:
            above.children -= 1
        for other in swarm.members.values():
            if other.source == claim:
                other.source = ""

    def _attach(self, swarm: _Swarm, me: _Member, source: str, now: float) -> None:
        if me.source in swarm.members:
            swarm.members[me.source].children -= 1
        if source:
            swarm.members[source].children += 1
        me.source, me.since, me.marked_at, me.marked_have, me.rate = source, now, now, me.have, None

    # --- slowness -------------------------------------------------------------------------------
    def _moves(self, swarm: _Swarm, me: _Member, now: float) -> bool:
        """Whether it should leave its source, a peer, because that is slow; notes so."""
        above = swarm.members.get(me.source)
        if above is None or now - me.since < SETTLED_S:
            return False
        if self._probes(swarm, me, above):
            swarm.probed = True
        elif me.moves >= MOST_MOVES or not swarm.slow(me) or not self._at_fault(swarm, me, above):
            return False
        me.moves += 1
        me.refused.add(me.source)
        return True

    def _at_fault(self, swarm: _Swarm, me: _Member, above: _Member) -> bool:
        """Whether the slow place is between the two or, since another source did not help `above`, before `above`; not
        if it is further up, where others take care of it.
        """
        if not swarm.waits(me):
            return True
        return swarm.slow(above) and not swarm.waits(above) and (not above.source or above.moves > 0)

    def _probes(self, swarm: _Swarm, me: _Member, above: _Member) -> bool:
        if swarm.probed or above.source or not above.rate or above.whole or not swarm.waits(me):
            return False
        return (swarm.size - above.have) / above.rate > LONG_S

    # --- the choice -----------------------------------------------------------------------------
    def _choose(self, swarm: _Swarm, claim: str, me: _Member, now: float) -> str:
        """The least burdened member that may be its source, and of those the nearest to the scheduler."""
        by_children: dict[int, list[str]] = {}
        for name in self._candidates(swarm, claim, me, now):
            by_children.setdefault(swarm.members[name].children, []).append(name)
        for _, names in sorted(by_children.items()):
            depths = {name: list(swarm.above(name)) for name in names}
            fit = [name for name in names if claim not in depths[name] and len(depths[name]) < swarm.deepest()]
            if fit:
                return min(fit, key=lambda name: len(depths[name]))
        return ""

    def _candidates(self, swarm: _Swarm, claim: str, me: _Member, now: float) -> Iterable[str]:
        mine = self._peers[claim]
        for name, other in swarm.members.items():
            peer = self._peers[name]
            if name == claim or name in me.refused or peer.serving is None or peer.banned:
                continue
            if peer.serving.site not in ("", mine.behind) or other.children >= MOST_CHILDREN:
                continue
            if other.whole or (now - other.seen < SILENT_S and not swarm.slow(other)
                               and (not me.have or other.have > me.have)):
                yield name
