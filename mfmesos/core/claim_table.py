"""The core's records of its claims, and the table that finds them: by agent, by state, and those that have changed."""
from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, ValuesView
from dataclasses import dataclass, field

from mfmesos.core.ids import HeldIds
from mfmesos.core.model import AgentId, Ids, Resources, SavedClaim
from mfmesos.core.records import Shape
from mfmesos.core.states import CLAIM_MOVES, ClaimState, move
from mfmesos.shared.devices import Device
from mfmesos.shared.resources import SLACK


@dataclass
class Claim:
    id: str
    agent_id: AgentId
    hostname: str
    resources: Resources
    """For tasks; without the executor's own memory."""
    opened_at: float
    solo_task: int | None = None
    """The only task of this claim; None: any task that fits."""
    state: ClaimState = ClaimState.LAUNCHING
    free: Resources = Resources()
    """Negative while attempts are queued ahead."""
    pace_s: float | None = None
    """Recent duration of attempts here; None before the first has ended."""
    attempts: dict[str, int] = field(default_factory=dict)
    """Attempt id -> task id, for all attempts that hold resources here."""
    running: set[str] = field(default_factory=set)
    """Those of them that the executor has reported."""
    unsent: dict[str, None] = field(default_factory=dict)
    """Attempts for the next answer, in order."""
    sent: dict[str, int] = field(default_factory=dict)
    """Attempt -> number of the answer that named it, until the executor confirms it."""
    to_ack: dict[str, None] = field(default_factory=dict)
    to_kill: set[str] = field(default_factory=set)
    to_send: dict[str, None] = field(default_factory=dict)
    """Digests of temporary outputs that the scheduler needs."""
    to_drop: dict[str, None] = field(default_factory=dict)
    """Temporary outputs that nobody needs any more."""
    asked: dict[tuple[str, bool], int] = field(default_factory=dict)
    """Both, with the number of the answer that named them, until the executor confirms it; True: to send."""
    stale_pins: bool = False
    """Whether its executor may keep temporary outputs that an earlier scheduler could not drop."""
    pins_named: int = 0
    """Number of the newest answer with all those that count."""
    held_back_since: float | None = None
    """Since when it could end but for its temporary outputs."""
    publishing: set[str] = field(default_factory=set)
    """Attempts whose outputs are being published."""
    publishing_until: float = 0.0
    """An answer waits until then for the publishing, to acknowledge these attempts and to fill their resources."""
    seq: int = 0
    """Number of the newest sync."""
    held: bool = False
    """Whether sync `seq` waits for its answer."""
    number: int = 0
    """Number of the newest answer."""
    heard_at: float = 0.0
    synced: bool = False
    idle_since: float = 0.0
    releasing_since: float = 0.0
    asked_at: float = 0.0
    """Time of the last reconciliation because of its silence."""
    restored: bool = False
    """Opened by an earlier scheduler."""
    silence_noted: bool = False
    """Whether the user was notified of its silence."""
    exit_reason: str = ""
    """Why its executor ended, by its exit status."""
    worked: bool = False
    """Whether it was ever assigned an attempt."""
    broken: int = 0
    """Broken attempts in a row."""
    expects: dict[Shape, int] = field(default_factory=dict)
    """Waiting tasks that it was opened for, until it is open."""
    portion: dict[Shape, int] = field(default_factory=dict)
    """The same from the moment when it is open until tasks have started there."""
    slices: dict[int, Resources] = field(default_factory=dict)
    """Parts of `resources` that can be given back alone, by number."""
    leaving: dict[int, Resources] = field(default_factory=dict)
    """Those that are being given back, until Mesos reports the end of their tasks."""
    named_slices: set[int] = field(default_factory=set)
    """Those of them that an answer named."""
    ids: HeldIds = field(default_factory=lambda: HeldIds({}))
    """What it holds by id: GPUs, items of sets and ranges."""
    devices: tuple[Device, ...] = ()
    """The GPUs that its executor knows, as it reported them last."""
    busy: frozenset[str] = frozenset()
    """Those that its executor has found in use since, when an attempt was to start on them."""
    isolated: bool = False
    """Whether the agent isolates its GPUs for it alone."""
    table: ClaimTable | None = field(default=None, repr=False)
    """The table that it is in."""

    def __post_init__(self) -> None:
        self.free = self.resources
        self.count_gpus()
        self.heard_at = self.idle_since = self.opened_at

    def saved(self) -> SavedClaim:
        """As stored in the journal."""
        return SavedClaim(
            self.id, self.agent_id.agent, self.hostname, self.resources, self.solo_task, self.agent_id.cluster,
            tuple(self.slices.items()), self.ids.saved())

    def count_gpus(self) -> None:
        """Those that are out are not free."""
        if self.resources.gpus:
            self.free = self.free._replace(gpus=float(self.ids.gpus_left()))

    def touch(self) -> None:
        """Something about it has changed: it is looked at in this call of the core."""
        if self.table is not None:
            self.table.changed[self.id] = self

    def move(self, new: ClaimState) -> None:
        old, self.state = self.state, move(CLAIM_MOVES, self.state, new)
        if self.table is not None:
            self.table.moved(self, old)

    def reserve(self, task_id: int) -> None:
        """From now on the claim is that task's alone."""
        if self.table is not None:
            self.table.reserved(self, task_id)
        self.solo_task = task_id

    def take(self, attempt_id: str, task_id: int, allocation: Resources, given: Ids = ()) -> Ids:
        """Allocate resources to a new attempt and queue it for the next answer. Returns what it has by id; `given` by
        an earlier scheduler.
        """
        self.worked = True
        self.touch()
        self.attempts[attempt_id] = task_id
        self.unsent[attempt_id] = None
        self.free = self.free - allocation
        if not self.ids:
            return ()
        if given:
            self.ids.hold(given)
        else:
            given = self.ids.give(allocation)
        self.count_gpus()
        return given

    def shrink(self, number: int) -> None:
        """The slice is to be given back: nothing new starts in its room, and the executor hears of it as soon as that
        is free.
        """
        part = self.slices.pop(number)
        self.leaving[number] = part
        self.resources, self.free = self.resources - part, self.free - part
        if self.table is not None:
            self.table.shrunk(self, part)
        self.touch()

    def slices_to_name(self) -> list[int]:
        """For the next answer."""
        if not self.leaving or not self.has_left:
            return []
        return [number for number in self.leaving if number not in self.named_slices]

    @property
    def has_left(self) -> bool:
        """Whether nothing uses the room of the slices that are being given back."""
        return Resources().fits_in(self.free)

    @property
    def shrinks(self) -> bool:
        """Whether the executor has yet to hear of a slice that is being given back."""
        return len(self.leaving) > len(self.named_slices)

    def took(self, wall_s: float) -> None:
        """An attempt ended after that time."""
        self.pace_s = wall_s if self.pace_s is None else 0.7 * self.pace_s + 0.3 * wall_s

    def recall(self, attempt_id: str) -> None:
        """The executor must end it, if it received it: in the same answer that assigns its resources to another
        attempt.
        """
        if attempt_id in self.attempts and attempt_id not in self.unsent:
            self.to_kill.add(attempt_id)
            self.touch()

    def acknowledge(self, attempt_id: str) -> None:
        """In the next answer."""
        self.to_ack[attempt_id] = None
        self.touch()

    def ask_for(self, digest: str) -> None:
        """In the next answer."""
        self.to_send[digest] = None
        self.touch()

    def unpin(self, pin: str) -> None:
        """In the next answer."""
        self.to_drop[pin] = None
        self.touch()

    def named(self) -> tuple[list[str], list[str]]:
        """What the answer `number` asks for and drops."""
        send, drop = list(self.to_send), list(self.to_drop)
        self.asked.update({(what, True): self.number for what in send})
        self.asked.update({(what, False): self.number for what in drop})
        self.to_send.clear()
        self.to_drop.clear()
        return send, drop

    def confirmed(self, got: int) -> None:
        """The executor has carried out the answers up to `got`; a later one did not arrive."""
        if self.pins_named and got >= self.pins_named:
            self.stale_pins = False
        for (what, is_send), number in list(self.asked.items()):
            del self.asked[what, is_send]
            if number > got:
                (self.to_send if is_send else self.to_drop)[what] = None

    def drop(self, attempt_id: str, allocation: Resources, now: float, given: Ids = ()) -> None:
        """The attempt holds no resources here any more."""
        self.publishing.discard(attempt_id)
        self.running.discard(attempt_id)
        self.touch()
        if self.attempts.pop(attempt_id, None) is None:
            return
        self.unsent.pop(attempt_id, None)
        self.sent.pop(attempt_id, None)
        self.free = self.free + allocation if self.attempts else self.resources  # no rounding error left over
        self.ids.take_back(given)
        self.count_gpus()
        if not self.attempts:
            self.idle_since = now


class ClaimTable:
    """The claims that have not ended, in the order in which they were opened."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._by_agent: defaultdict[AgentId, dict[str, Claim]] = defaultdict(dict)
        self._by_state: dict[ClaimState, dict[str, Claim]] = {state: {} for state in ClaimState}
        self._solo: dict[int, Claim] = {}
        self.changed: dict[str, Claim] = {}
        """Claims about which something has changed since the core last looked at them; ended ones, too."""
        self.held = Resources()
        """By all of them together, without their executors."""
        self.expected: Counter[Shape] = Counter()
        """Waiting tasks for which claims are being launched."""
        self.cores: dict[ClaimState, float] = dict.fromkeys(ClaimState, 0.0)
        """Of the claims in each state together."""
        self.moves = 0
        """Counts claims that were added, moved to another state, or ended."""

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, claim_id: str) -> bool:
        return claim_id in self._claims

    def __getitem__(self, claim_id: str) -> Claim:
        return self._claims[claim_id]

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims.values())

    def get(self, claim_id: str) -> Claim | None:
        return self._claims.get(claim_id)

    def values(self) -> ValuesView[Claim]:
        return self._claims.values()

    def add(self, claim: Claim) -> None:
        self._claims[claim.id] = self._by_agent[claim.agent_id][claim.id] = claim
        self._by_state[claim.state][claim.id] = claim
        if claim.solo_task is not None:
            self._solo[claim.solo_task] = claim
        self.expected.update(claim.expects)
        self.held = self.held + claim.resources
        self.cores[claim.state] += claim.resources.cores
        claim.table = self
        self.moves += 1
        claim.touch()

    def remove(self, claim: Claim) -> None:
        """The claim has ended."""
        del self._claims[claim.id]
        self.held = self.held - claim.resources if self._claims else Resources()  # no rounding error left over
        del self._by_state[claim.state][claim.id]
        self._leave(claim, claim.state)
        del self._by_agent[claim.agent_id][claim.id]
        if not self._by_agent[claim.agent_id]:
            del self._by_agent[claim.agent_id]
        if claim.solo_task is not None and self._solo.get(claim.solo_task) is claim:
            del self._solo[claim.solo_task]
        claim.table = None
        self.moves += 1

    def reserved(self, claim: Claim, task_id: int) -> None:
        """It becomes that task's own."""
        if claim.solo_task is not None and self._solo.get(claim.solo_task) is claim:
            del self._solo[claim.solo_task]
        self._solo[task_id] = claim

    def touch_own(self, task_id: int) -> None:
        """The task has ended or started: the claim that is its own, if any, may have no reason to stay."""
        claim = self._solo.get(task_id)
        if claim is not None:
            claim.touch()

    def moved(self, claim: Claim, old: ClaimState) -> None:
        """Its state was `old` before."""
        del self._by_state[old][claim.id]
        self._leave(claim, old)
        self._by_state[claim.state][claim.id] = claim
        self.cores[claim.state] += claim.resources.cores
        self.moves += 1
        claim.portion = claim.expects
        self._expect(claim, {})
        claim.touch()

    def _expect(self, claim: Claim, expects: dict[Shape, int]) -> None:
        """No more tasks than these are expected to start in it, of the shapes that were."""
        for shape, count in claim.expects.items():
            self.expected[shape] -= count - expects.get(shape, 0)
            if self.expected[shape] <= 0:
                del self.expected[shape]
        claim.expects = expects

    def _leave(self, claim: Claim, state: ClaimState) -> None:
        """The last claim that leaves a state leaves no rounding error."""
        self.cores[state] = self.cores[state] - claim.resources.cores if self._by_state[state] else 0.0

    def shrunk(self, claim: Claim, part: Resources) -> None:
        """That part of it is given back."""
        self.held = self.held - part
        self.cores[claim.state] -= part.cores
        left = claim.resources.cores / (claim.resources.cores + part.cores)
        self._expect(claim, {shape: math.ceil(count * left - SLACK) for shape, count in claim.expects.items()})

    def own(self, task_id: int) -> Claim | None:
        """The claim that is that task's alone, the newest if it had several."""
        return self._solo.get(task_id)

    def of_agent(self, agent_id: AgentId) -> list[Claim]:
        return list(self._by_agent.get(agent_id, {}).values())

    def of_cluster(self, cluster: str) -> list[Claim]:
        """Costs as much as there are claims."""
        return [claim for claim in self._claims.values() if claim.agent_id.cluster == cluster]

    def in_states(self, *states: ClaimState) -> list[Claim]:
        """By state, and in each in the order in which they came to it."""
        return list(self.each_in(*states))

    def each_in(self, *states: ClaimState) -> Iterator[Claim]:
        """The same one by one, while none changes its state."""
        for state in states:
            yield from self._by_state[state].values()

    def touch_all(self) -> None:
        """Something changed that concerns all of them."""
        for claim in self._claims.values():
            claim.touch()

    def take_changed(self) -> list[Claim]:
        """The changed claims that have not ended, once, in the order in which they changed."""
        changed, self.changed = self.changed, {}
        return [claim for claim in changed.values() if claim.id in self._claims]
