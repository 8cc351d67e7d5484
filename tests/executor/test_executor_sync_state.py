"""Syncs as a table: each row is a situation, what is decided in it, and the reason. No clock, no thread, no server."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mfmesos_executor.sync_state import (
    BATCH_S,
    BUSY,
    BUSY_BATCH_S,
    HEARTBEAT_S,
    MOST_BATCH_S,
    MOST_PAUSE_S,
    MOST_SYNC_BYTES,
    NEVER,
    RESULT_BYTES,
    Close,
    Orders,
    Phase,
    SyncState,
)
from support import examples

from mfmesos.shared.wire import FINISHED, Result, Run, SyncAnswer, SyncRequest

GIVE_UP_S, DESERTED_S, START = 900.0, 60.0, 1000.0
LARGE = 3 << 20
"""Bytes of outputs: one such result fits in a sync, two do not."""


class Talk:
    """A claim without anything but its state, and a clock that only the test moves."""

    def __init__(self, give_up_s: float = GIVE_UP_S) -> None:
        self.now = START
        self.state = SyncState(give_up_s, DESERTED_S, self.now, lambda: 1.0)
        self.attempts: list[str] = []
        self.at_stake_s = 0.0
        self.orders = Orders()
        """Of the last answer."""
        self.is_loss = False
        """Whether the last failure was one of the newest sync."""


Step = Callable[[Talk], None]


def run_of(name: str) -> Run:
    return Run(name, "true", [], [], "/w", 1.0, 1.0, 1.0)


def after(seconds: float) -> Step:
    def step(talk: Talk) -> None:
        talk.now += seconds
    return step


def sync(talk: Talk) -> None:
    """One is sent."""
    talk.state.next_sync(talk.attempts, talk.now)


def news(talk: Talk) -> None:
    """What goes with each sync has changed."""
    talk.state.has_news()


def runs(*names: str) -> Step:
    """Attempts are taken on."""
    def step(talk: Talk) -> None:
        talk.attempts += names
    return step


def ended(*names: str, size: int = 0) -> Step:
    def step(talk: Talk) -> None:
        talk.attempts += [name for name in names if name not in talk.attempts]
        for name in names:
            talk.state.ended(Result(name, FINISHED, tar="x" * size))
    return step


def answered(seq: int, *acked: str, number: int = 1, run: tuple[str, ...] = (), kill: tuple[str, ...] = (),
             release: bool = False, superseded: bool = False, over: bool = False) -> Step:
    def step(talk: Talk) -> None:
        answer = SyncAnswer(number, list(acked), [run_of(name) for name in run], list(kill), release, superseded,
                            over=over)
        talk.orders = talk.state.answered(seq, answer, talk.now)
        talk.attempts = [name for name in talk.attempts if name not in talk.orders.forget]
    return step


def superseded(seq: int) -> Step:
    return answered(seq, number=0, superseded=True)


def lost(seq: int, nobody: bool = False) -> Step:
    def step(talk: Talk) -> None:
        talk.is_loss = talk.state.lost(seq, talk.now, nobody=nobody)
    return step


def refused(seq: int, status: int) -> Step:
    def step(talk: Talk) -> None:
        talk.is_loss = talk.state.refused(seq, status, "no", talk.now)
    return step


def at_stake(seconds: float) -> Step:
    def step(talk: Talk) -> None:
        talk.at_stake_s = seconds
    return step


def patience(talk: Talk) -> None:
    """The claim looks whether it has waited for too long."""
    talk.state.check_patience(talk.now, lambda: talk.at_stake_s)


def closes(close: Close) -> Step:
    def step(talk: Talk) -> None:
        talk.state.end(close)
    return step


def play(given: list[Step], give_up_s: float = GIVE_UP_S) -> Talk:
    talk = Talk(give_up_s)
    for step in given:
        step(talk)
    return talk


@dataclass
class When:
    """In this situation the next sync is due in `due_in` seconds, because of `phase`."""

    why: str
    given: list[Step]
    phase: Phase
    due_in: float
    lane_free: bool = True
    attempts: int = 0
    queued: int = 0
    give_up_s: float = GIVE_UP_S


WHEN = [
    When("the first sync comes at once: Mesos has just started us, and the scheduler waits for it",
         [], Phase.OPEN, 0.0),
    When("a held sync that says everything is followed by the heartbeat",
         [sync], Phase.QUIET, HEARTBEAT_S),
    When("the heartbeat comes several times within the patience",
         [sync], Phase.QUIET, 4.0, give_up_s=16.0),
    When("a short patience does not make the heartbeat a busy loop",
         [sync], Phase.QUIET, 0.05, give_up_s=0.1),
    When("an answer is followed by the next sync at once: only a sync brings work",
         [sync, answered(1)], Phase.OPEN, 0.0),
    When("a result overtakes the held sync, after a moment for others that end now",
         [sync, ended("a")], Phase.URGENT, BATCH_S),
    When("with more attempts more end together: the moment is longer",
         [sync, ended("a")], Phase.URGENT, 3 * BATCH_S, attempts=16),
    When("the moment is bounded, however many attempts",
         [sync, ended("a")], Phase.URGENT, MOST_BATCH_S, attempts=1000),
    When("while enough attempts queue here, nobody is idle: the moment is longest",
         [sync, ended("a")], Phase.URGENT, BUSY_BATCH_S, queued=BUSY),
    When("fewer in the queue may be gone before the scheduler has sent more",
         [sync, ended("a")], Phase.URGENT, BATCH_S, queued=BUSY - 1),
    When("so may no more than results that wait",
         [sync, ended(*"abcde")], Phase.URGENT, BATCH_S, queued=BUSY + 1),
    When("results that are on their way do not wait",
         [ended(*"abcd"), sync, ended("e")], Phase.URGENT, BUSY_BATCH_S, queued=BUSY),
    When("after an answer nobody is idle, either, while more attempts queue here than results wait",
         [sync, answered(1), ended(*"abcd")], Phase.OPEN, BUSY_BATCH_S, queued=BUSY + 1),
    When("from then on more work is needed soon",
         [sync, answered(1), ended(*"abcde")], Phase.OPEN, 0.0, queued=BUSY + 1),
    When("a result long after the last sync waits for nobody",
         [sync, after(1.0), ended("a")], Phase.URGENT, 0.0),
    When("what the scheduler knows of the agent's GPUs is no longer true",
         [sync, news], Phase.URGENT, BATCH_S),
    When("a result in flight is no news",
         [sync, ended("a"), sync], Phase.QUIET, HEARTBEAT_S),
    When("both connections carry a sync: even results wait for an answer",
         [sync, ended("a"), sync, ended("b")], Phase.FULL, NEVER, lane_free=False),
    When("the older sync is superseded by the newest, which stays held",
         [sync, ended("a"), sync, superseded(1)], Phase.QUIET, HEARTBEAT_S),
    When("the results of a superseded sync may not have been read: they are repeated soon",
         [ended("a"), sync, ended("b"), sync, superseded(1)], Phase.URGENT, BATCH_S),
    When("so are those of an older sync that was lost; the scheduler is well, no pause is due",
         [ended("a"), sync, ended("b"), sync, lost(1)], Phase.URGENT, BATCH_S),
    When("once they are repeated, nothing is unreported",
         [ended("a"), sync, ended("b"), sync, lost(1), sync], Phase.QUIET, HEARTBEAT_S),
    When("a heartbeat has repeated them already",
         [ended("a"), sync, after(HEARTBEAT_S), sync, lost(1)], Phase.QUIET, HEARTBEAT_S),
    When("an acknowledgement comes before they are repeated (a connection is free a moment before its loss is handled)",
         [ended("a"), sync, ended("b"), sync, ended("c"), sync, lost(1), answered(2, "a", "b")], Phase.QUIET,
         HEARTBEAT_S),
    When("a lost older sync that reported nothing leaves nothing to repeat",
         [sync, ended("a"), sync, lost(1)], Phase.QUIET, HEARTBEAT_S),
    When("an older sync's answer has read its results: they are acknowledged in time, or repeated by the heartbeat",
         [ended("a"), sync, ended("b"), sync, answered(1)], Phase.QUIET, HEARTBEAT_S),
    When("the newest sync is lost: a pause, since the scheduler may be starting again",
         [sync, lost(1)], Phase.OPEN, 0.1),
    When("results do not shorten the pause",
         [sync, lost(1), ended("a")], Phase.OPEN, 0.1),
    When("the pause doubles",
         [sync, lost(1), sync, lost(2)], Phase.OPEN, 0.2),
    When("the pause is bounded",
         [step for seq in range(1, 11) for step in (sync, lost(seq))], Phase.OPEN, MOST_PAUSE_S),
    When("any answer ends the pause, and the next pause is a first one",
         [sync, lost(1), sync, lost(2), sync, answered(3), sync, lost(4)], Phase.OPEN, 0.1),
    When("a superseded sync was answered, too: the scheduler is well",
         [sync, ended("a"), sync, lost(2), superseded(1)], Phase.OPEN, 0.0),
    When("a refusal that does not end the claim is a loss",
         [sync, refused(1, 413)], Phase.OPEN, 0.1),
    When("such a refusal of an older sync says nothing of the newest",
         [sync, ended("a"), sync, refused(1, 413)], Phase.QUIET, HEARTBEAT_S),
    When("acknowledged results make room for those that a sync left out",
         [ended("a", "b", "c", size=LARGE), sync, ended("d"), sync, answered(1, "a")], Phase.URGENT, BATCH_S),
    When("without an acknowledgement there is no room for them",
         [ended("a", "b", "c", size=LARGE), sync, ended("d"), sync, answered(1)], Phase.QUIET, HEARTBEAT_S),
]


@pytest.mark.parametrize("row", WHEN, ids=lambda row: row.why)
def test_when_the_next_sync_is_due(row):
    talk = play(row.given, row.give_up_s)
    assert talk.state.phase(row.lane_free) is row.phase
    due_at = talk.state.due_at(row.lane_free, row.attempts, row.queued)
    assert max(0.0, due_at - talk.now) == pytest.approx(row.due_in, abs=1e-9)


@dataclass
class What:
    """In this situation the next sync reports these results and these attempts as running."""

    why: str
    given: list[Step]
    results: list[str]
    running: list[str] = field(default_factory=list)
    got: int = 0


WHAT = [
    What("nothing has happened: an empty sync asks for work",
         [], []),
    What("what runs is reported by every sync: the scheduler takes an attempt that is missing for lost",
         [runs("a", "b"), sync], [], ["a", "b"]),
    What("a result is reported by the next sync",
         [runs("a", "b"), ended("a")], ["a"], ["b"]),
    What("while a result is in flight, a sync for other news does not repeat it; it counts as running",
         [ended("a"), sync, ended("b")], ["b"], ["a"]),
    What("a heartbeat repeats what is in flight: that connection may be dead without anybody noticing",
         [ended("a"), sync, after(HEARTBEAT_S)], ["a"]),
    What("an acknowledged result is forgotten",
         [ended("a"), sync, answered(1, "a", number=7)], [], got=7),
    What("a result that the answer does not acknowledge is reported again",
         [ended("a"), sync, answered(1, number=7)], ["a"], got=7),
    What("after a lost sync its results are reported again",
         [ended("a"), sync, lost(1)], ["a"]),
    What("the answer of a newer sync leaves nothing in flight: what an older one reported comes again",
         [ended("a"), sync, ended("b"), sync, answered(2, "b")], ["a"], got=1),
    What("also beside news",
         [ended("a"), sync, ended("b"), sync, answered(2, "b"), ended("c")], ["a", "c"], got=1),
    What("an older answer says nothing of the newer sync, which stays in flight",
         [ended("a"), sync, ended("b"), sync, answered(1, "a"), ended("c")], ["c"], ["b"], got=1),
    What("when some results may be lost, the sync reports all of them",
         [ended("a"), sync, ended("b"), sync, lost(1)], ["a", "b"]),
    What("also what is in flight elsewhere, and what has just ended",
         [ended("a"), sync, ended("b"), sync, lost(1), ended("c")], ["a", "b", "c"]),
    What("the same after a superseded sync",
         [ended("a"), sync, ended("b"), sync, superseded(1)], ["a", "b"]),
    What("a superseded sync is no answer that was received",
         [sync, answered(1, number=7), sync, superseded(2)], [], got=7),
    What("answers that arrive in the wrong order: the later one stays the last",
         [sync, ended("a"), sync, answered(2, "a", number=8), answered(1, number=7)], [], got=8),
    What("a sync is bounded: what does not fit counts as running",
         [ended("a", "b", size=LARGE)], ["a"], ["b"]),
    What("a result that alone exceeds the bound is sent alone",
         [ended("a", "b", size=3 * LARGE)], ["a"], ["b"]),
    What("results stay in order: behind one that does not fit, smaller ones wait, too",
         [ended("a"), sync, ended("b", size=2 * LARGE), sync, superseded(1), ended("c")], ["a"], ["b", "c"]),
    What("what was left out follows once others are acknowledged",
         [ended("a", "b", size=LARGE), sync, answered(1, "a")], ["b"], got=1),
    What("what was left out is reported by a sync for news, too",
         [ended("a", "b", size=LARGE), sync, ended("c")], ["b", "c"], ["a"]),
]


@pytest.mark.parametrize("row", WHAT, ids=lambda row: row.why)
def test_what_the_next_sync_reports(row):
    talk = play(row.given)
    request = talk.state.next_sync(talk.attempts, talk.now)
    assert [result.attempt for result in request.results] == row.results
    assert request.running == row.running
    assert request.got == row.got
    assert not request.closing


SILENT = Close("TASK_FAILED", "the scheduler did not answer for 901 s")
REFUSED = Close("TASK_FAILED", "the scheduler refused this claim: no", 0.0, False)
RELEASED = Close("TASK_FINISHED", say_goodbye=False)
SHUTDOWN = Close("TASK_KILLED", "shutdown", 2.0)


def deserted(seconds: int) -> Close:
    return Close("TASK_FINISHED", f"the scheduler has been gone for {seconds} s", 0.0, False)


@pytest.mark.parametrize(("numbers", "counts"), [
    ([7], ["a x"]), ([8, 7], None), ([7, 7], None)], ids=["an answer", "an older answer", "the same answer"])
def test_pins_are_those_of_the_latest_answer(numbers: list[int], counts: list[str] | None):
    """An older answer that comes later is older than what has ended since."""
    talk = play([sync, ended("a"), sync])
    for seq, number in zip((2, 1), numbers):
        orders = talk.state.answered(seq, SyncAnswer(number, pins=["a x"]), talk.now)
    assert orders.pins == counts
    assert not talk.state.answered(9, SyncAnswer(9), talk.now).pins


@dataclass
class Ends:
    """After these steps the claim has ended this way, or lives on (None)."""

    why: str
    given: list[Step]
    close: Close | None


ENDS = [
    Ends("a claim lives", [sync, answered(1), sync, patience], None),
    Ends("a release ends the claim; the scheduler knows it, and needs no last sync",
         [sync, answered(1, release=True)], RELEASED),
    Ends("with the run: its end is reported before its files are removed",
         [sync, answered(1, release=True, over=True)], Close("TASK_FINISHED", say_goodbye=False, over=True)),
    Ends("a superseded sync says nothing, no release either",
         [sync, answered(1, release=True, superseded=True)], None),
    *(Ends(f"{status}: this claim, or this server, is no longer ours: no further try, no grace, no last sync",
           [sync, refused(1, status)], REFUSED) for status in (401, 403, 404, 410, 495)),
    Ends("the same when it is an older sync that is refused",
         [sync, ended("a"), sync, refused(1, 403)], REFUSED),
    *(Ends(f"{status}: this request was refused, not the claim", [sync, refused(1, status)], None)
      for status in (400, 409, 413)),
    Ends("patience is for the whole of give_up_s",
         [sync, after(GIVE_UP_S), patience], None),
    Ends("a scheduler that is silent for longer is given up; it may still read a last sync",
         [sync, after(GIVE_UP_S + 1), patience], SILENT),
    Ends("lost syncs are silence",
         [sync, after(GIVE_UP_S), lost(1), after(1.0), patience], SILENT),
    Ends("any answer is a sign of life, that of a superseded sync included",
         [sync, after(GIVE_UP_S), ended("a"), sync, superseded(1), after(1.0), patience], None),
    Ends("a port where nothing listens is tried for deserted_s",
         [sync, lost(1, nobody=True), after(DESERTED_S), patience], None),
    Ends("then its scheduler has gone: nobody's failure, and nobody reads a last sync",
         [sync, lost(1, nobody=True), after(DESERTED_S + 1), patience], deserted(61)),
    Ends("it counts from the first try that found nobody",
         [sync, lost(1, nobody=True), after(50.0), sync, lost(2, nobody=True), after(11.0), patience], deserted(61)),
    Ends("work that would be lost is kept for as long as it took",
         [at_stake(100.0), sync, lost(1, nobody=True), after(100.0), patience], None),
    Ends("and no longer",
         [at_stake(100.0), sync, lost(1, nobody=True), after(101.0), patience], deserted(101)),
    Ends("another kind of failure: something is there, the count starts again",
         [sync, lost(1, nobody=True), after(50.0), sync, lost(2), after(50.0), patience], None),
    Ends("an answer: the count starts again",
         [sync, lost(1, nobody=True), after(50.0), sync, answered(2), after(50.0), patience], None),
    Ends("what an older sync met may be out of date: only the newest counts",
         [sync, ended("a"), sync, lost(1, nobody=True), after(DESERTED_S + 1), patience], None),
    Ends("after both, silence is the reason: it is worse",
         [sync, lost(1, nobody=True), after(GIVE_UP_S + 1), patience], SILENT),
    Ends("the first reason to end stays",
         [closes(SHUTDOWN), sync, refused(1, 403), after(GIVE_UP_S + 1), patience, closes(RELEASED)], SHUTDOWN),
    Ends("Mesos's reason comes too late after a release",
         [sync, answered(1, release=True), closes(SHUTDOWN)], RELEASED),
]


@pytest.mark.parametrize("row", ENDS, ids=lambda row: row.why)
def test_when_the_claim_ends(row):
    assert play(row.given).state.close == row.close


@dataclass
class Obeys:
    """After these steps this is what the last answer made the claim do."""

    why: str
    given: list[Step]
    forget: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    kill: list[str] = field(default_factory=list)


OBEYS = [
    Obeys("attempts are taken on and killed as the scheduler asks",
          [sync, answered(1, run=("a", "b"), kill=("c",))], run=["a", "b"], kill=["c"]),
    Obeys("an attempt that is named twice runs once: the scheduler does not know whether its answer arrived",
          [sync, answered(1, run=("a",)), sync, answered(2, run=("a", "b", "b"))], run=["b"]),
    Obeys("also after its result was acknowledged: ids are never used again",
          [sync, answered(1, run=("a",)), ended("a"), sync, answered(2, "a"), sync, answered(3, run=("a",))]),
    Obeys("an acknowledged result is forgotten",
          [ended("a", "b"), sync, answered(1, "a")], forget=["a"]),
    Obeys("what still runs is not forgotten, whatever the answer acknowledges",
          [runs("a"), sync, answered(1, "a", "z")]),
    Obeys("a superseded sync orders nothing",
          [ended("a"), sync, answered(1, "a", run=("b",), kill=("c",), superseded=True)]),
    Obeys("a claim that ends takes on nothing, and still learns what was acknowledged",
          [ended("a"), sync, closes(SHUTDOWN), answered(1, "a", run=("b",), kill=("c",))], forget=["a"]),
    Obeys("what comes with a release is obeyed; the claim ends right after it",
          [ended("a"), sync, answered(1, "a", kill=("c",), release=True)], forget=["a"], kill=["c"]),
]


@pytest.mark.parametrize("row", OBEYS, ids=lambda row: row.why)
def test_what_an_answer_orders(row):
    orders = play(row.given).orders
    assert (orders.forget, [run.attempt for run in orders.run], orders.kill) == (row.forget, row.run, row.kill)


def test_the_last_sync_reports_everything():
    """Nothing waits for a sync in flight: its reports are repeated, and `closing` marks the last sync."""
    talk = play([ended("a"), sync, ended("b"), runs("c")])
    request = talk.state.last_sync(talk.attempts)
    assert request.closing
    assert request.seq == 2
    assert [result.attempt for result in request.results] == ["a", "b"]
    assert request.running == ["c"]


@pytest.mark.parametrize(("step", "is_loss"), [
    (lost(2), True), (lost(1), False), (refused(2, 413), True), (refused(1, 413), False), (refused(2, 403), False),
])
def test_only_a_loss_of_the_newest_sync_is_worth_a_line_in_the_log(step, is_loss):
    """An older one is lost whenever its connection is, and a final refusal is the end's reason already."""
    assert play([sync, ended("a"), sync, step]).is_loss is is_loss


def test_the_patience_is_over_when_its_wait_is():
    """Else the claim would look again and again in the last moment."""
    talk = play([sync])
    talk.now = talk.state.patience_ends_at()
    patience(talk)
    assert talk.state.close is not None
    assert talk.now == pytest.approx(START + GIVE_UP_S, abs=0.1)


def bytes_of(result: Result) -> int:
    return len(result.tar or "") + RESULT_BYTES


def size_of(request: SyncRequest) -> int:
    return sum(map(bytes_of, request.results))


class AnyConversation(RuleBasedStateMachine):
    """Results of any size, syncs whenever they are due, answers, losses and refusals in any order."""

    LANES = 2

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.names = 0
        self.sent: list[SyncRequest] = []
        self.carried: list[SyncRequest] = []
        """Those without an answer, the older first."""
        self.number = 0
        self.got = 0
        self.unacknowledged: set[str] = set()
        self.reported: set[str] = set()
        self.close: Close | None = None

    @rule(count=st.integers(1, 3))
    def take_on(self, count: int) -> None:
        runs(*(f"{self.names + i}.1" for i in range(count)))(self.talk)
        self.names += count

    @rule(data=st.data(), size=st.sampled_from([0, 0, 1000, 1 << 20, LARGE, 2 * LARGE]))
    def attempt_ends(self, data: st.DataObject, size: int) -> None:
        running = [name for name in self.talk.attempts if name not in self.talk.state.results]
        if running:
            name = data.draw(st.sampled_from(running))
            ended(name, size=size)(self.talk)
            self.unacknowledged.add(name)

    @rule(seconds=st.sampled_from([0.001, 0.005, 0.05, 1.0, 31.0, 200.0]), queued=st.integers(0, 5))
    def time_passes(self, seconds: float, queued: int) -> None:
        self.talk.now += seconds
        self.sync_if_due(queued)

    @rule()
    def the_claim_waits(self) -> None:
        due_at = self.due_at()
        if due_at < NEVER:
            self.talk.now = max(self.talk.now, due_at)
            self.sync_if_due()
            assert self.sent

    def due_at(self, queued: int = 0) -> float:
        return self.talk.state.due_at(len(self.carried) < self.LANES, len(self.talk.attempts), queued)

    def sync_if_due(self, queued: int = 0) -> None:
        if self.due_at(queued) <= self.talk.now:
            self.send()

    def send(self) -> None:
        state = self.talk.state
        in_flight = {result.attempt for older in self.carried for result in older.results}
        request = state.next_sync(self.talk.attempts, self.talk.now)
        results = {result.attempt for result in request.results}
        self.carried.append(request)
        self.sent.append(request)
        self.reported |= results
        assert len(self.carried) <= self.LANES
        assert request.seq == len(self.sent), "each sync has the next number"
        assert request.got == self.got, "the latest answer is confirmed"
        assert sorted([*results, *request.running]) == sorted(self.talk.attempts), "each attempt is reported once"
        assert results <= self.unacknowledged, "nothing is reported again after its acknowledgement"
        assert size_of(request) <= MOST_SYNC_BYTES or len(results) == 1
        left_out = self.unacknowledged - results
        if left_out - in_flight:
            # A sync that repeats ends at the first result that does not fit, which may be one in flight.
            largest = max(bytes_of(state.results[name]) for name in left_out)
            assert results, "no sync is empty while results wait"
            assert size_of(request) + largest > MOST_SYNC_BYTES, "a result waits only where one does not fit"

    @precondition(lambda self: self.carried)
    @rule(data=st.data(), release=st.integers(0, 30))
    def answer(self, data: st.DataObject, release: int) -> None:
        """Any of the carried syncs; acknowledged is whatever was ever reported."""
        request = self.carried.pop(data.draw(st.integers(0, len(self.carried) - 1)))
        acked = data.draw(st.lists(st.sampled_from(sorted(self.reported)), unique=True)) if self.reported else []
        self.take_answer(request, acked, release=release == 30)

    def take_answer(self, request: SyncRequest, acked: list[str], release: bool = False) -> None:
        self.number += 1
        self.got = max(self.got, self.number)
        self.unacknowledged -= set(acked)
        answered(request.seq, *acked, number=self.number, release=release)(self.talk)
        assert set(self.talk.orders.forget) <= set(acked)

    @precondition(lambda self: len(self.carried) == self.LANES)
    @rule()
    def supersede(self) -> None:
        superseded(self.carried.pop(0).seq)(self.talk)

    @precondition(lambda self: self.carried)
    @rule(data=st.data(), how=st.sampled_from(["lost", "nobody", "refused", "ended"]))
    def lose(self, data: st.DataObject, how: str) -> None:
        request = self.carried.pop(data.draw(st.integers(0, len(self.carried) - 1)))
        if how in ("lost", "nobody"):
            lost(request.seq, how == "nobody")(self.talk)
        else:
            refused(request.seq, 413 if how == "refused" else 410)(self.talk)

    @rule()
    def look_at_the_patience(self) -> None:
        patience(self.talk)

    @invariant()
    def results_are_kept_until_acknowledged(self) -> None:
        assert set(self.talk.state.results) == self.unacknowledged

    @invariant()
    def there_is_one_newest_sync_at_most(self) -> None:
        """The last one sent, until something becomes of it."""
        is_held = bool(self.carried) and self.carried[-1] is self.sent[-1]
        assert (self.talk.state.phase(True) is not Phase.OPEN) == is_held

    @invariant()
    def the_next_sync_is_never_far_away(self) -> None:
        assert self.talk.state.due_at(True, 1, 0) <= self.talk.now + HEARTBEAT_S

    @invariant()
    def the_end_is_decided_once(self) -> None:
        self.close = self.close or self.talk.state.close
        assert self.talk.state.close is self.close

    def teardown(self) -> None:
        """Whatever happened: with a scheduler that answers from now on, every result is acknowledged soon."""
        while self.carried:
            lost(self.carried.pop().seq)(self.talk)
        for _ in range(len(self.unacknowledged) + 1):
            self.the_claim_waits()
            request = self.carried.pop()
            self.take_answer(request, [result.attempt for result in request.results])
        assert not self.unacknowledged
        assert not self.talk.state.results


TestAnyConversation = AnyConversation.TestCase
TestAnyConversation.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
