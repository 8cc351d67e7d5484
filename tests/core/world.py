"""A small world for the core: agents that make offers, executors that sync, a folder that takes outputs.

Everything happens at the level of events and actions, in simulated time; nothing is real. Each `step` lets one
thing happen, so a test (or Hypothesis) chooses the order. The invariants of ARCHITECTURE.md are checked on the way.
"""
from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.core import Core
from mfmesos.core.demand import RETRIED_EVERY_S
from mfmesos.core.holding import is_held
from mfmesos.core.keeping_off import HOLDS_S
from mfmesos.core.model import (
    Agent,
    Constraint,
    Holder,
    Offer,
    Pieces,
    Request,
    Resources,
    SavedClaim,
    SavedTask,
    Steering,
    Task,
)
from mfmesos.core.offer_use import OfferUse
from mfmesos.core.policies.decline_at_once import DeclineAtOnce
from mfmesos.core.policy import Policy
from mfmesos.core.sizing import AHEAD_MOST, how_many_fit
from mfmesos.core.states import ClaimState
from mfmesos.core.trust import shunned
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.shared import wire
from mfmesos.shared.devices import Device
from mfmesos.shared.kept_files import Kept, attempt_of, pin
from mfmesos.shared.slices import of_slice, slice_id


def oldest_s(use: OfferUse, now: float) -> float:
    """For how long the run has kept the oldest offer that has no answer; 0: there is none."""
    return max((now - came for came, _ in use.open.values()), default=0.0)


def core_with(policy: Policy, *clusters: str) -> Core:
    """With the estimates that runs use."""
    return Core(policy, needs_for(policy), clusters or ("",))


def digest_of(name: str) -> str:
    """Of what any attempt makes under that name."""
    return hashlib.sha256(name.encode()).hexdigest()


DIES = "dies"
"""The attempt takes its executor along."""


@dataclass
class FakeExecutor:
    claim: act.OpenClaim
    running: dict[str, wire.Run] = field(default_factory=dict)
    results: dict[str, wire.Result] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    seq: int = 0
    got: int = 0
    pins: set[str] = field(default_factory=set)
    """Temporary outputs that it keeps, see kept_files.pin."""
    outputs: dict[str, list[str]] = field(default_factory=dict)
    """Temporary outputs of its attempts."""
    slices: dict[int, Resources] = field(default_factory=dict)
    """Those that were not given back."""
    unlaunched: set[int] = field(default_factory=set)
    """Those of them whose Mesos tasks were killed before it started: it does not know."""
    devices: tuple[Device, ...] = ()
    """What it reports of GPUs from its next sync on."""
    reported: tuple[Device, ...] = ()
    alive: bool = True
    released: bool = False
    protocol: int = wire.PROTOCOL

    def given(self) -> Resources:
        """What of the claim was given back."""
        return sum((part for n, part in enumerate(self.claim.slices, 1)
                    if n not in self.slices or n in self.unlaunched), Resources())


@dataclass
class Master:
    """One cluster, as its master knows it."""

    cluster: str
    agents: dict[str, Resources]
    used: dict[str, Resources] = field(init=False)
    away: set[str] = field(default_factory=set)
    """Agents that make no offers for the moment."""
    reserved: dict[str, tuple[tuple[str, Resources], ...]] = field(default_factory=dict)
    """What other roles keep, by agent; `agents` is without it."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By agent."""
    ids: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Items of sets, by agent and name; their numbers are in `agents`."""
    ids_used: set[tuple[str, str, str]] = field(default_factory=set)
    """Those that claims hold: agent, name, id."""
    offers: dict[str, Offer] = field(default_factory=dict)
    offer_number: int = 0
    suppressed: bool = False
    holders: tuple[Holder, ...] = ()
    lists: bool = True
    """Whether it lists its agents when asked."""
    disconnected: bool = False
    ended: bool = False
    """Whether it has ended the framework."""

    def __post_init__(self) -> None:
        self.used = {a: Resources() for a in self.agents}

    def make_offers(self) -> tuple[Offer, ...]:
        """Of what each agent has free and not in an outstanding offer."""
        if self.disconnected or self.ended:
            return ()
        fresh = []
        for agent, total in self.agents.items():
            if agent in self.away:
                continue
            free = total - self.used[agent]
            for offer in self.offers.values():
                if offer.agent_id == agent:
                    free = free - offer.resources
            if free.cores > 0.001 or free.memory_mb > 0.001:
                self.offer_number += 1
                offer = Offer(f"O{self.offer_number}", agent, agent, free.at_least_zero(),
                              self.attributes.get(agent, {}), items=self._items(agent))
                self.offers[offer.id] = offer
                fresh.append(offer)
        return tuple(fresh)

    def _items(self, agent: str) -> Pieces:
        """Those of the agent that are free and not in an outstanding offer."""
        offered = {(offer.agent_id, name, one) for offer in self.offers.values()
                   for name, some in offer.items for one in some}
        free = ((name, tuple(one for one in some if (agent, name, one) not in self.ids_used | offered))
                for name, some in self.ids.get(agent, {}).items())
        return tuple((name, some) for name, some in free if some)

    def listed(self, holders: bool) -> ev.AgentsListed:
        return ev.AgentsListed(tuple(
            Agent(a, a, r, active=a not in self.away, used=self.used[a], reserved=self.reserved.get(a, ()),
                  attributes=self.attributes.get(a))
            for a, r in self.agents.items()), self.holders if holders else None, self.cluster)


def of_the_first(name: str) -> property:
    """What a world with one cluster calls its own."""
    return property(lambda world: getattr(world.first, name), lambda world, value: setattr(world.first, name, value))


class World:
    agents, used, away, reserved = map(of_the_first, ("agents", "used", "away", "reserved"))
    offers, suppressed, holders, lists = map(of_the_first, ("offers", "suppressed", "holders", "lists"))

    def __init__(self, policy: Policy | None = None, agents: dict[str, Resources] | None = None, *,
                 clusters: dict[str, dict[str, Resources]] | None = None) -> None:
        self.masters = {name: Master(name, there) for name, there in (
            clusters or {"": agents or {"a1": Resources(4, 4096, 20000)}}).items()}
        self.first = next(iter(self.masters.values()))
        self.core = core_with(policy or Policy(workdir="/w", batch_delay_s=0.0), *self.masters)
        self.now = 0.0
        self.executors: dict[str, FakeExecutor] = {}
        self.reports: dict[int, act.ReportTask] = {}
        self.notes: list[act.Note] = []
        self.published: Counter[int] = Counter()
        self.actions: list[act.Action] = []
        self.over: act.Over | None = None
        self.pending_place: list[str] = []
        self.auto_place = True
        self.full = False
        """Whether the workflow's folder has no room."""
        self.undelivered = False
        """Whether outputs that are announced never arrive."""
        self.fate: Callable[[FakeExecutor, wire.Run], str] = lambda executor, run: wire.FINISHED
        """How an attempt ends in `run_to_end`: an outcome, or DIES."""
        self.ahead = False
        """Whether attempts may be queued ahead; results say that they took 10 s when not."""

        self.given_back: list[tuple[FakeExecutor, int]] = []
        self.killed: list[tuple[str, int]] = []
        """Slices whose executors have not started."""
        """Slices that answers asked for."""
        self._same: dict[tuple[str, str], str] = {}
        """By agent and number of a GPU: the name that its executor gave it."""
        self.here: set[str] = set()
        """Temporary outputs that the scheduler has."""
        self.to_receive: list[tuple[str, str]] = []
        """(claim, digest): executors were asked for them."""
        self.remembered: list[ev.TaskRemembered] = []

        self.stated: dict[int, ev.TaskSubmitted] = {}
        self.said_later: list[ev.Event] = []
        self.saved_tasks: dict[int, SavedTask] = {}
        self.saved_claims: dict[str, SavedClaim] = {}
        self.saved_steering: dict[int, Steering] = {}
        self.dropped: list[act.Action] = []
        self.asked_of: list[tuple[str, str]] = []
        """(cluster, claim): masters were asked about them."""
        self.lives = 1
        self.crash_after: int | None = None
        """The scheduler dies when it has carried out so many of its next actions."""

    # --- talking to the core --------------------------------------------------------------------
    def send(self, *batch: ev.Event) -> list[act.Action]:
        for event in batch:
            if isinstance(event, ev.TaskSubmitted):
                self.stated[event.task.id] = event
            elif isinstance(event, (ev.TaskWithdrawn, ev.NoMoreTasks, ev.TemporariesUnneeded)):
                self.said_later.append(event)
        out = self.core.handle_all(batch, self.now)
        self._save(out)
        for n, action in enumerate(out):
            if self.crash_after is not None and n >= self.crash_after:
                self.restart()
                return out
            self._obey(action)
        for name, master in self.masters.items():
            asked = [a for a in out if isinstance(a, act.ListAgents) and a.cluster == name]
            if asked and master.lists and not master.ended:
                self.list_agents(any(a.holders for a in asked), name)
        self.dropped += [a for a in out if isinstance(a, (act.DropTask, act.DropClaim))]
        self._check()
        self._check_ids()
        self._check_started()
        self._check_offers()
        if self.auto_place:
            self.place_all()
        self._give_back()
        return out

    def _save(self, out: list[act.Action]) -> None:
        """The journal: saved before anything is carried out, dropped when something is saved after it was."""
        for action in (*self.dropped, *out):
            if isinstance(action, act.SaveTask):
                self.saved_tasks[action.task.task.id] = action.task
            elif isinstance(action, act.SaveClaim):
                self.saved_claims[action.claim.id] = action.claim
            elif isinstance(action, act.SaveSteering):
                self.saved_steering[action.task_id] = action.steering
            elif action in self.dropped:
                self.saved_tasks.pop(getattr(action, "task_id", None), None)
                self.saved_claims.pop(getattr(action, "claim_id", None), None)
        self.dropped.clear()

    def restart(self) -> None:
        """The scheduler has died and is started again. Mesos and the executors continue, and the engine submits every
        task again whose end it does not know."""
        self.crash_after = None
        self.lives += 1
        policy = self.core.state.policy
        nonce = policy.nonce and f"n{self.lives}"
        self.core = core_with(replace(policy, run_id=f"life{self.lives}", nonce=nonce), *self.masters)
        self.dropped.clear()
        self.pending_place.clear()
        for master in self.masters.values():
            master.offers.clear()
            master.suppressed = False
        # As an engine does: of the tasks that have ended, those that may have to make temporary outputs again.
        tasks = tuple(replace(t, finished=t.finished and i in self.reports) for i, t in self.saved_tasks.items()
                      if i not in self.reports or t.finished or t.again)
        self.send(ev.Restored(tasks, tuple(self.saved_claims.values()), tuple(self.saved_steering.items())))
        again, self.said_later = self.said_later, []
        self.send(*(e for i, e in self.stated.items() if i not in self.reports), *again)
        self.register()

    def _reconciled(self) -> None:
        """The master's answer about a claim that never reached it: no such task."""
        unknown, self.asked_of = self.asked_of, []
        for cluster, claim_id in unknown:
            if claim_id not in self.executors:
                self.send(ev.ClaimUpdated(claim_id, "TASK_LOST", "REASON_RECONCILIATION", cluster=cluster))

    def _obey(self, action: act.Action) -> None:
        self.actions.append(action)
        if isinstance(action, act.OpenClaim):
            self._take_ids(action)
            total, master = Resources(), self.masters[action.cluster]
            for offer in action.offers:
                del master.offers[offer.id]  # KeyError: an offer that is not ours to accept
                assert offer.agent_id == action.agent_id
                total = total + offer.resources
            taken = action.resources + Resources(memory_mb=action.executor_memory_mb)
            assert taken.fits_in(total), f"claim of {taken} on offers of {total}"
            master.used[action.agent_id] = master.used[action.agent_id] + taken
            self.executors[action.claim_id] = FakeExecutor(action, slices=dict(enumerate(action.slices, 1)))
        elif isinstance(action, act.DeclineOffers):
            for offer_id in action.offer_ids:
                del self.masters[action.cluster].offers[offer_id]
        elif isinstance(action, act.AnswerSync):
            self._answered(action)
        elif isinstance(action, act.PublishOutputs):
            self.pending_place.append(action.attempt_id)
        elif isinstance(action, act.DropTemporary):
            self.here.discard(action.digest)
        elif isinstance(action, act.ReportTask):
            assert action.task.id not in self.reports, f"task {action.task.id} reported twice"
            if action.finished:
                assert self.published[action.task.id] >= 1, "reported before its outputs were in place"
            self.reports[action.task.id] = action
        elif isinstance(action, act.Note):
            self.notes.append(action)
        elif isinstance(action, act.Over):
            assert self.over is None
            assert not self.core.state.tasks
            self.over = action
        else:
            self._to_master(action)

    def _take_ids(self, action: act.OpenClaim) -> None:
        offered = {(name, one) for offer in action.offers for name, some in offer.items for one in some}
        taken = {(name, one) for name, some in action.ids for one in some}
        assert taken <= offered, "a claim takes an id that was not offered"
        assert all(len(some) == action.resources.of(name) for name, some in action.ids)
        self.masters[action.cluster].ids_used |= {(action.agent_id, name, one) for name, one in taken}

    def _to_master(self, action: act.Action) -> None:
        if isinstance(action, act.Reconcile):
            self.asked_of += [(action.cluster, claim_id) for claim_id, _ in action.claims]
            for claim_id, _ in action.claims:
                executor = self.executors.get(claim_id)
                assert executor is None or executor.claim.cluster == action.cluster
        elif isinstance(action, (act.Suppress, act.Revive)):
            self.masters[action.cluster].suppressed = isinstance(action, act.Suppress)
        elif isinstance(action, act.KillClaim) and (found := of_slice(action.claim_id)) in self.unlaunched_slices():
            self.executors[found[0]].unlaunched.add(found[1])
            self.killed.append(found)

    def unlaunched_slices(self) -> set[tuple[str, int]]:
        """Those that still wait for their executors to start."""
        return {(claim_id, number) for claim_id, executor in self.executors.items() if not executor.seq
                for number in executor.slices.keys() - executor.unlaunched}

    def _answered(self, action: act.AnswerSync) -> None:
        executor = self.executors.get(action.claim_id)
        if executor is None or not executor.alive or action.answer.superseded or action.seq != executor.seq:
            return
        executor.got = max(executor.got, action.answer.number)
        for attempt in action.answer.acked:
            executor.results.pop(attempt, None)
        self.to_receive += [(action.claim_id, digest) for digest in action.answer.send]
        executor.pins -= set(action.answer.drop)
        if action.answer.pins is not None:
            here = executor.running.keys() | executor.results.keys()
            executor.pins = {p for p in executor.pins if p in action.answer.pins or attempt_of(p) in here}
        for run in action.answer.run:
            if run.attempt not in executor.known:
                self._check_temporaries(executor, run)
                self._check_given(executor, run)
                executor.outputs[run.attempt] = run.temporary
                executor.known.add(run.attempt)
                executor.running[run.attempt] = run
        for attempt in action.answer.kill:
            if executor.running.pop(attempt, None) is not None:
                executor.results[attempt] = wire.Result(attempt, wire.KILLED, "killed")
        executor.released = executor.released or action.answer.release
        self.given_back += [(executor, number) for number in action.answer.give_back if number in executor.slices]

    def _give_back(self) -> None:
        """The executors give back what answers asked for, and Mesos reports the end of the slices' tasks."""
        while self.killed:
            claim_id, number = self.killed.pop(0)
            executor = self.executors[claim_id]
            self._slice_ended(executor, number, executor.slices[number], "TASK_KILLED")
        while self.given_back:
            executor, number = self.given_back.pop(0)
            part = executor.slices.pop(number, None)
            if part is None or not executor.alive:
                continue
            claim = executor.claim
            used = sum((Resources(r.cores, r.memory_mb, r.disk_mb) for r in executor.running.values()), Resources())
            left = claim.resources - executor.given()
            assert self.ahead or used.fits_in(left), "a slice is given back while it is used"
            if number not in executor.unlaunched:
                self._slice_ended(executor, number, part, "TASK_FINISHED")

    def _slice_ended(self, executor: FakeExecutor, number: int, part: Resources, how: str) -> None:
        claim = executor.claim
        master = self.masters[claim.cluster]
        master.used[claim.agent_id] = master.used[claim.agent_id] - part
        self.send(ev.ClaimUpdated(slice_id(claim.claim_id, number), how, "", "", claim.agent_id, "dXVpZA==",
                                  cluster=claim.cluster))

    def _check_temporaries(self, executor: FakeExecutor, run: wire.Run) -> None:
        """Every temporary input of an attempt is in its claim, or with the scheduler."""
        pinned = {pin.rpartition(" ")[2] for pin in executor.pins}
        for item in run.inputs:
            if item.temporary:
                assert item.digest in pinned | self.here, f"{run.attempt} starts without {item.name}"

    def receive_all(self) -> None:
        """Executors send the temporary outputs that they were asked for."""
        asked, self.to_receive = self.to_receive, []
        for claim_id, digest in asked:
            executor = self.executors.get(claim_id)
            if executor is not None and any(pin.endswith(digest) for pin in executor.pins):
                self.here.add(digest)
                self.send(ev.TemporaryReceived(digest))

    def _check(self) -> None:
        """No claim is given more than it has; nor, when its attempts are short, more than what is queued ahead."""
        for claim_id, executor in self.executors.items():
            claim = self.core.state.claims.get(claim_id)
            if executor.alive and claim is not None:
                total = Resources()
                for run in executor.running.values():
                    record = self.core.state.tasks.get(int(run.attempt.partition(".")[0]))
                    asked = record.task.request if record is not None else Request()
                    counters = dict(self.core.state.policy.counters)
                    others = tuple(one for one in asked.others if one[0] not in counters)
                    total = total + Resources(run.cores, run.memory_mb, run.disk_mb, asked.gpus or 0.0, others)
                most = sum(claim.leaving.values(), claim.resources) * (1 if self.ahead is False else 1 + AHEAD_MOST)
                most = most._replace(gpus=claim.resources.gpus, others=claim.resources.others)
                assert total.fits_in(most), "a claim is given more than it has"

    def _check_ids(self) -> None:
        """No id is with two attempts; those of claims that the core has given up are found out by their agents."""
        seen = set()
        for executor in self.executors.values():
            claim = executor.claim
            if claim.claim_id not in self.core.state.claims:
                continue
            for run in executor.running.values():
                for name, some in run.given.items():
                    for one in some:
                        key = (claim.cluster, claim.agent_id, name, self._same.get((claim.agent_id, one), one))
                        assert key not in seen, f"{key} is with two attempts"
                        seen.add(key)

    def _check_given(self, executor: FakeExecutor, run: wire.Run) -> None:
        """As many as it asked for, and none that its executor has reported as out."""
        wanted = {name: amount for name, amount in (("gpus", run.gpus), *run.others.items())
                  if amount and (name == "gpus" or name in self.masters[executor.claim.cluster].ids.get(
                      executor.claim.agent_id, {}))}
        assert {name: len(some) for name, some in run.given.items()} == wanted
        out = {device.id for device in executor.reported if device.state != "free"}
        assert out.isdisjoint(run.given.get("gpus", ())), "a GPU that is out is given to an attempt"

    def _check_offers(self) -> None:
        """No offer is kept but for a moment, unless that is the policy; offers are suppressed while no task waits."""
        state = self.core.state
        if state.unfinished:
            return  # the core is called again at once
        for cluster in state.clusters.values():
            most_s = max(state.policy.list_wait_s, state.policy.batch_delay_s)
            if type(state.policies.offers) is DeclineAtOnce:
                most_s += HOLDS_S if state.gpu_agents else 0.0
                assert oldest_s(cluster.offer_use, state.now) <= most_s, "an offer is kept"
            if cluster.connected and not state.over:
                assert cluster.suppressed or state.queue, "offers are not suppressed although nothing waits"
            assert cluster.suppressed == self.masters[cluster.name].suppressed, "a SUPPRESS or REVIVE was lost"

    def _check_started(self) -> None:
        """What fits into an open claim has started there."""
        if self.core.state.unfinished:
            return  # the core is called again at once
        state = self.core.state
        limited = state.policy.max_running is not None and state.running() >= state.policy.max_running
        if state.over or state.stopping or state.now < state.paused_until or state.policy.per_task_claims or limited:
            return
        for claim in state.claims.each_in(ClaimState.OPEN):
            if claim.solo_task is not None or claim.free.cores <= 0 or is_held(state, claim):
                continue
            for shape, _, first in state.queue.shapes():
                if shape.solo or shape.at not in ("", claim.id) or shunned(state, shape, claim.agent_id):
                    continue
                if shape.failed_at and state.now - state.retried_at < RETRIED_EVERY_S:
                    continue  # where it may start depends on the time, and is looked at once a second
                need = state.allocation(shape, claim.resources, claim.agent_id)
                assert not (need.fits_in(claim.resources) and how_many_fit(need, claim.free, 1)), (
                    f"task {first.task.id} waits although {claim.id} has room")

    # --- what can happen ------------------------------------------------------------------------
    def submit(self, *ids: int, priority: float = 0.0, group: str = "", where: tuple[Constraint, ...] = (),
               **request: Any) -> None:
        self.send(*(ev.TaskSubmitted(Task(
            i, f"cmd {i}", (), (f"o{i}",), Request(**request), priority=priority, group=group,
            where=where)) for i in ids))

    def register(self, *clusters: str) -> None:
        """With these masters, or with all."""
        for name in clusters or self.masters:
            if self.masters[name].ended:
                self.send(ev.FrameworkEnded("framework has been removed", removed=True, cluster=name))
            else:
                self.masters[name].disconnected = False
                self.masters[name].offers.clear()
                self.send(ev.Registered(f"f-{name}", "m", cluster=name))

    def disconnect(self, cluster: str = "") -> None:
        self.masters[cluster].offers.clear()
        self.masters[cluster].disconnected = True
        self.send(ev.Disconnected("test", cluster))

    def end_framework(self, cluster: str) -> None:
        """Its master ends the framework, with all executors there."""
        master = self.masters[cluster]
        master.ended = True
        master.offers.clear()
        for executor in self.live():
            if executor.claim.cluster == cluster:
                self._free(executor)
        self.register(cluster)

    def offer(self, *clusters: str) -> bool:
        """Offer what each agent of these clusters, or of all, has free and not in an outstanding offer; False when that
        is nothing.
        """
        masters = [self.masters[name] for name in clusters or self.masters]
        fresh = {m.cluster: m.make_offers() for m in masters}
        for cluster, offers in fresh.items():
            if offers:
                self.send(ev.OffersReceived(offers, cluster))
        return any(fresh.values())

    def list_agents(self, holders: bool = False, *clusters: str) -> None:
        for name in clusters or self.masters:
            if not self.masters[name].ended:
                self.send(self.masters[name].listed(holders))

    def sync(self, executor: FakeExecutor, *, lose_answer: bool = False) -> None:
        executor.seq += 1
        event = ev.ClaimSynced(
            executor.claim.claim_id, executor.seq, executor.got, tuple(executor.running),
            tuple(executor.results.values()), protocol=executor.protocol, slices=tuple(executor.slices),
            devices=executor.devices)
        executor.reported = executor.devices
        for device in executor.devices:
            if device.index:
                self._same[executor.claim.agent_id, device.index] = device.id
        if lose_answer:
            alive, executor.alive = executor.alive, False
            self.send(event)
            executor.alive = alive
            return
        self.send(event)
        if executor.released and executor.alive:
            self.end(executor, "TASK_FINISHED")

    def finish(self, executor: FakeExecutor, attempt: str, outcome: str = wire.FINISHED, **kw: object) -> None:
        del executor.running[attempt]
        if outcome == wire.FINISHED:
            kept = [Kept(name, digest_of(name), 5 << 20) for name in executor.outputs.get(attempt, ())]
            executor.pins.update(pin(attempt, one.digest) for one in kept)
            kw.setdefault("kept", kept)
        kw.setdefault("usage", wire.Usage(wall_s=0.01 if self.ahead else 10.0, cores=1.0))
        executor.results[attempt] = wire.Result(attempt, outcome, **kw)  # type: ignore[arg-type]

    def end(self, executor: FakeExecutor, state: str, reason: str = "", message: str = "") -> None:
        claim = executor.claim
        self._free(executor)
        self.send(ev.ClaimUpdated(
            claim.claim_id, state, reason, message, claim.agent_id, "dXVpZA==", cluster=claim.cluster))

    def _free(self, executor: FakeExecutor) -> None:
        executor.alive = False
        claim = executor.claim
        taken = claim.resources - executor.given() + Resources(memory_mb=claim.executor_memory_mb)
        used = self.masters[claim.cluster].used
        used[claim.agent_id] = used[claim.agent_id] - taken
        self.masters[claim.cluster].ids_used -= {
            (claim.agent_id, name, one) for name, some in claim.ids for one in some}
        del self.executors[claim.claim_id]

    def place_all(self) -> None:
        while self.pending_place:
            attempt = self.pending_place.pop(0)
            if self.full:
                self.send(ev.OutputsRefused(attempt, "the disk is full", local=True, full=True))
                continue
            if self.undelivered:
                self.send(ev.OutputsRefused(attempt, "output o was not delivered"))
                continue
            self.published[self.core.state.publishing[attempt]] += 1
            self.send(ev.OutputsPublished(attempt))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self._reconciled()
        self.send(ev.Tick())

    def live(self) -> list[FakeExecutor]:
        return list(self.executors.values())

    def _run_all(self, executor: FakeExecutor) -> None:
        for attempt, run in list(executor.running.items()):
            fate = self.fate(executor, run)
            if fate == DIES:
                self.die(executor)
                return
            reason = "" if fate == wire.FINISHED else f"attempt {attempt} is {fate}"
            self.finish(executor, attempt, fate, reason=reason)

    def drop_launch(self, executor: FakeExecutor, reason: str = "not connected") -> None:
        """The ACCEPT never reached the master."""
        self._free(executor)
        self.send(ev.LaunchDropped(executor.claim.claim_id, reason, executor.claim.cluster))

    def die(self, executor: FakeExecutor, status: int = 9) -> None:
        """Its executor is killed, as by the kernel, or ends with that wait status, and Mesos reports that."""
        claim = executor.claim
        self.send(ev.ExecutorExited(claim.claim_id, claim.agent_id, status, claim.cluster))
        self.end(executor, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED")

    def run_to_end_of_tasks(self) -> None:
        """Let everything go well until no task is left; the run continues."""
        self.run_to_end(until=lambda: not self.core.state.tasks)

    def run_to_end(self, steps: int = 2000, until: Callable[[], bool] = lambda: False) -> None:
        """Let everything go well until it is over."""
        for _ in range(steps):
            if self.over or until():
                return
            for name, master in self.masters.items():
                if not master.suppressed:
                    self.offer(name)
            for executor in self.live():
                self._run_all(executor)
                if executor.alive:
                    self.sync(executor)
            self.receive_all()
            self.pass_time(0.1)
        raise AssertionError(f"not over after {steps} steps; {len(self.core.state.queue)} wait")
