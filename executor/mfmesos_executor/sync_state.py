"""When a claim sends its next sync, what that sync reports, and when the claim ends.

Pure: no I/O, no clock, no randomness. Whoever owns the state reports each event with its time and carries out what
comes back. tests/executor/test_executor_sync_state.py lists every situation with its decision and the reason.

A result goes through three places until it is acknowledged: it is *unreported*, then *in flight* (in a sync that has
no answer yet, where a newer sync need not repeat it), then acknowledged. A sync that is lost, superseded or overtaken
by a newer sync's answer puts its results back to unreported.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, Collection

from mfmesos.shared.log_pieces import MOST_PIECES, Piece, Wanted
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import Result, Run, SyncAnswer, SyncRequest

BATCH_S, MOST_BATCH_S, BUSY_BATCH_S = 0.004, 0.02, 0.04
"""Results that come this soon after a sync wait for each other, since a sync is not cheap (docs/performance.md,
Executor). The wait grows with the number of attempts from BATCH_S to MOST_BATCH_S; it is BUSY_BATCH_S while enough
attempts queue in the claim, since nobody is idle then."""
BUSY = 4
"""So many, and more than results wait: these last until the scheduler has sent others for the results."""
HEARTBEAT_S = 30.0
"""A newer sync follows one that was held for this long, so that a dead scheduler is noticed."""
FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
"""After a lost sync; doubled for each further one."""
MOST_SYNC_BYTES = 4 << 20
"""Of results in one sync, approximately; the server takes 32 MiB."""
RESULT_BYTES = 500
"""Approximate size of a result without its outputs and output streams."""
PATIENCE_SLACK_S = 0.01
"""Waiting for the end of the patience takes this much longer, so that the patience is over when the wait ends."""
FINAL_STATUSES = (401, 403, 404, 410, 495)
"""Of HTTP, and 495 for a certificate that is not the scheduler's: trying again would not help."""
NEVER = float("inf")


@dataclass
class Close:
    """End the claim. `state` and `message` go to Mesos; `grace_s` bounds the attempts' own ends."""

    state: str
    message: str = ""
    grace_s: float | None = None
    say_goodbye: bool = True
    """Whether a last sync makes sense."""
    over: bool = False
    """Whether nobody waits for the claim's room: its end is reported before its files are removed."""


@dataclass
class Orders:
    """What an answer asks the claim to do, in this order. A release is in `SyncState.close`."""

    forget: list[str] = field(default_factory=list)
    """Attempts whose results were acknowledged."""
    give_back: list[int] = field(default_factory=list)
    """Slices of the claim."""
    run: list[Run] = field(default_factory=list)
    """Attempts that no earlier answer named."""
    kill: list[str] = field(default_factory=list)
    send: list[str] = field(default_factory=list)
    """Temporary outputs that the scheduler needs, by digest."""
    drop: list[str] = field(default_factory=list)
    """Temporary outputs that nobody needs any more."""
    show: list[Wanted] = field(default_factory=list)
    """Attempts whose output so far the next sync shows."""
    pins: list[str] | None = None
    """If given, all those that somebody needs, of attempts that are not here any more."""


class Phase(Enum):
    """What decides when the next sync is due. The first that applies counts."""

    FULL = "every connection carries a sync: the next one waits for an answer"
    OPEN = "no sync awaits its answer, so the scheduler cannot send work: the next one is due as soon as it is needed"
    URGENT = "the newest sync is held, but results are unreported: a newer one overtakes it after a short wait"
    QUIET = "the newest sync is held and says everything: the next one is the heartbeat"


class SyncState:
    """Belongs to one thread. Times are those of one monotonic clock, in seconds."""

    def __init__(self, give_up_s: float, deserted_s: float, now: float, jitter: Callable[[], float]) -> None:
        """`give_up_s`, `deserted_s`: see wire.ClaimData; `jitter()`: the part of a pause to wait, 0.5 to 1."""
        self.results: dict[str, Result] = {}
        """How attempts ended, until acknowledged."""
        self.close: Close | None = None
        """Set once, by whatever ends the claim first."""
        self._give_up_s = give_up_s
        self._deserted_s = deserted_s
        self._heartbeat_s = min(HEARTBEAT_S, max(0.05, give_up_s / 4))
        self._jitter = jitter
        self._known: set[str] = set()
        """Attempts that an answer named: one that is named twice runs once."""
        self._seq = 0
        """Of the last sync sent."""
        self._got = 0
        """Number of the latest answer."""
        self._newest: int | None = None
        """The last sync sent, while it has no answer."""
        self._in_flight: dict[int, list[str]] = {}
        """For each sync that may still be answered, the attempts whose results it reports."""
        self._lacking: dict[str, int] = {}
        """Requested temporary outputs that are not there, with the first sync that reports it; 0: none yet."""
        self._printed: list[Piece] = []
        """For the next sync alone."""
        self._repeat: set[str] = set()
        """Results whose sync was lost or superseded: the scheduler may not have them."""
        self._news = True
        """Something that the newest sync does not report, or, at the beginning, no sync yet."""
        self._truncated = False
        """A sync left out results for its size; they follow once some of the others are acknowledged."""
        self._sent_at = 0.0
        self._not_before = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._heard_at = now
        self._deserted_since: float | None = None
        """Since when nothing has listened at the scheduler's port; None when that is unknown or untrue."""

    # --- due times ---
    def phase(self, lane_free: bool) -> Phase:
        if not lane_free:
            return Phase.FULL
        if self._newest is None:
            return Phase.OPEN
        return Phase.URGENT if self._news or self._repeat else Phase.QUIET

    def due_at(self, lane_free: bool, attempts: int, queued: int) -> float:
        """When to send the next sync. `attempts`: not acknowledged; `queued`: those of them that wait for room."""
        phase = self.phase(lane_free)
        is_busy = queued >= BUSY and queued > len(self.results) - sum(map(len, self._in_flight.values()))
        if phase is Phase.FULL:
            return NEVER
        if phase is Phase.OPEN:
            return max(self._not_before, self._sent_at + BUSY_BATCH_S if is_busy else 0.0)
        if phase is Phase.QUIET:
            return self._sent_at + self._heartbeat_s
        batch_s = BUSY_BATCH_S if is_busy else min(MOST_BATCH_S, BATCH_S * (1 + attempts / 8))
        return self._sent_at + batch_s

    def patience_ends_at(self) -> float:
        """When a scheduler that stays silent is given up."""
        return self._heard_at + self._give_up_s + PATIENCE_SLACK_S

    # --- content of a sync ---
    def next_sync(self, attempts: Collection[str], now: float) -> SyncRequest:
        """The sync to send now, without its measurements. It becomes the newest, the one to be answered."""
        # What a sync in flight reports is not repeated for the sake of news alone; a heartbeat reports everything.
        news_only = self._news and not self._repeat
        request = self._request(attempts, self._reported_in_flight() if news_only else set())
        self._newest = self._seq
        self._news = False
        self._repeat.clear()
        self._sent_at = now
        return request

    def last_sync(self, attempts: Collection[str]) -> SyncRequest:
        """The sync of a claim that has ended: everything, whatever is in flight."""
        request = self._request(attempts, set())
        request.closing = True
        return request

    def _request(self, attempts: Collection[str], left_out: set[str]) -> SyncRequest:
        self._seq += 1
        results: dict[str, Result] = {}
        room = MOST_SYNC_BYTES
        for name, result in self.results.items():
            if name in left_out:
                continue
            room -= len(result.tar or "") + len(result.stdout) + len(result.stderr) + RESULT_BYTES
            if results and room < 0:
                self._truncated = True
                break
            results[name] = result
        self._in_flight[self._seq] = list(results)
        self._lacking = {digest: first or self._seq for digest, first in self._lacking.items()}
        printed, self._printed = self._printed[:MOST_PIECES], self._printed[MOST_PIECES:]
        return SyncRequest(seq=self._seq, got=self._got, running=[name for name in attempts if name not in results],
                           results=list(results.values()), lacking=list(self._lacking), printed=printed)

    def _reported_in_flight(self) -> set[str]:
        return {name for names in self._in_flight.values() for name in names}

    # --- events ---
    def ended(self, result: Result) -> None:
        """An attempt has ended."""
        self.results[result.attempt] = result
        self._news = True

    def lacks(self, digest: str) -> None:
        """A requested temporary output is not there."""
        self._lacking.setdefault(digest, 0)
        self._news = True

    def has_news(self) -> None:
        """What is added to each sync has changed."""
        self._news = True

    def shows(self, piece: Piece) -> None:
        """What an attempt has printed so far, for the next sync."""
        self._printed.append(piece)
        self._news = True

    def answered(self, seq: int, answer: SyncAnswer, now: float) -> Orders:
        """The scheduler answered sync `seq`."""
        reported = self._settle(seq)
        self._heard_at = now
        self._deserted_since = None
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
        if answer.superseded:
            self._report_again(reported)
            return Orders()
        # Whatever became of older syncs: what they reported, and this answer does not acknowledge, is reported again.
        self._in_flight = {newer: names for newer, names in self._in_flight.items() if newer > seq}
        orders = Orders(forget=self._acknowledge(answer.acked), drop=answer.drop)
        if answer.number > self._got:  # otherwise a newer answer was here before: attempts may have ended since
            self._got, orders.pins = answer.number, answer.pins
        self._lacking = {digest: first for digest, first in self._lacking.items() if not 0 < first <= seq}
        if self.close is None:
            orders.run = [run for run in answer.run if self._is_first(run.attempt)]
            orders.give_back, orders.kill = answer.give_back, answer.kill
            orders.send, orders.show = answer.send, answer.show
            if answer.release:
                self.end(Close("TASK_FINISHED", say_goodbye=False, over=answer.over))
        return orders

    def lost(self, seq: int, now: float, *, nobody: bool) -> bool:
        """Sync `seq` got no answer that makes sense; `nobody`: nothing listens at the scheduler's port.
        True when it was the newest, so that a pause follows."""
        was_newest = seq == self._newest
        reported = self._settle(seq)
        if was_newest:
            self._pause(now, nobody)
        self._report_again(reported)
        return was_newest

    def refused(self, seq: int, status: int, reason: str, now: float) -> bool:
        """The scheduler refused sync `seq`. True when that counts as a loss of the newest, as with `lost`."""
        if status not in FINAL_STATUSES:
            return self.lost(seq, now, nobody=False)
        self._settle(seq)
        self.end(Close("TASK_FAILED", m.CLAIM_REFUSED_BY_SCHEDULER(why=reason), 0.0, False))
        return False

    def check_patience(self, now: float, at_stake_s: Callable[[], float]) -> None:
        """End the claim when the scheduler has been silent, or gone, for too long. `at_stake_s()`: how long the
        longest of the attempts has run that would have to run again."""
        silent_s = now - self._heard_at
        if silent_s > self._give_up_s:
            self.end(Close("TASK_FAILED", m.SCHEDULER_SILENT(silent=silent_s)))
        if self.close is None and self._deserted_since is not None:
            gone_s = now - self._deserted_since
            if gone_s > max(self._deserted_s, at_stake_s()):
                # Nobody's failure: whoever resumes the run is not to blame the agent.
                self.end(Close("TASK_FINISHED", m.SCHEDULER_GONE(gone=gone_s), 0.0, False))

    def end(self, close: Close) -> None:
        """The first reason to end is the one that counts."""
        self.close = self.close or close

    # --- helpers of the events ---
    def _settle(self, seq: int) -> list[str]:
        """Sync `seq` is no longer held; the attempts whose results it reported."""
        if seq == self._newest:
            self._newest = None
        return self._in_flight.pop(seq, [])

    def _report_again(self, names: list[str]) -> None:
        self._repeat.update((self.results.keys() & set(names)) - self._reported_in_flight())

    def _acknowledge(self, names: list[str]) -> list[str]:
        """Those of them that had a result."""
        if self._truncated and names:
            self._truncated, self._news = False, True
        found = [name for name in names if self.results.pop(name, None) is not None]
        self._repeat.difference_update(found)
        return found

    def _is_first(self, attempt: str) -> bool:
        if attempt in self._known:
            return False
        self._known.add(attempt)
        return True

    def _pause(self, now: float, nobody: bool) -> None:
        if not nobody:
            self._deserted_since = None
        elif self._deserted_since is None:
            self._deserted_since = now
        self._not_before = now + self._pause_s * self._jitter()
        self._pause_s = min(self._pause_s * 2, MOST_PAUSE_S)
