"""The core under random events in any order (Hypothesis): what must never happen never happens.

World asserts on the way: no task reported twice, none reported as finished before its outputs were published, no offer
accepted that is not in hand, no claim larger than its offers, no claim given more than it has. Here in the end:
everything that was submitted is reported, and no claim is left.
"""
from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import examples
from world import Master, World

from mfmesos.core import events as ev
from mfmesos.core import filling
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Constraint, Holder, Request, Resources, Task
from mfmesos.core.needs import FILL, OFF, OVERRIDE
from mfmesos.core.policies.registry import ORDERINGS, PLANNED_STARTS
from mfmesos.core.policy import Policy
from mfmesos.shared import wire
from mfmesos.shared.resources import named
from mfmesos.shared.wire import FOLDER_GONE

STARTS_AT_ONCE = filling.STARTS_AT_ONCE
STEPS = int(os.environ.get("MFMESOS_MODEL_STEPS") or settings().stateful_step_count)
EXAMPLES = int(os.environ.get("MFMESOS_MODEL_EXAMPLES") or examples(200))
REASONS = ("", "REASON_CONTAINER_LIMITATION_MEMORY", "REASON_AGENT_REMOVED", "REASON_EXECUTOR_TERMINATED")

LASTS = {"long": 100.0, "short": 10.0}
"""Run times, in seconds, of tasks of these categories."""
OTHERS = (None, None, {"licences": 1}, {"licences": 2}, {"bandwidth": 2.5}, {"licences": 1, "bandwidth": 10}, {"no": 1})

WHERE = ((), (), (), (Constraint("hostname", "unique"),), (Constraint("rack", "max_per", "1"),))
PLACED = ("first", "pack", "spread", "best", "balanced", "data", "attribute=rack")


class CoreMachine(RuleBasedStateMachine):
    @initialize(
        ahead=st.booleans(), per_task=st.booleans(), retries=st.integers(0, 2), limit=st.sampled_from([None, 3]),
        lists=st.booleans(), idle=st.sampled_from([0.0, 5.0]), worklife=st.sampled_from([0.0, 3600.0]),
        estimates=st.sampled_from([OFF, FILL, OVERRIDE]), tries=st.sampled_from([2, 1000]),
        nonce=st.sampled_from(["", "n"]), clusters=st.integers(1, 3), ordering=st.sampled_from(sorted(ORDERINGS)),
        placement=st.sampled_from(PLACED), planned=st.sampled_from(sorted(PLANNED_STARTS)),
        at_once=st.sampled_from([2, 128]), busy=st.booleans())
    def start(self, ahead: bool, per_task: bool, retries: int, limit: int | None, lists: bool, idle: float,
              worklife: float, estimates: str, tries: int, nonce: str, clusters: int, ordering: str, placement: str,
              planned: str, at_once: int, busy: bool) -> None:
        self.submitted = 0
        filling.STARTS_AT_ONCE = at_once
        self.world = World(
            Policy(workdir="/w", batch_delay_s=0.0, retries=retries, per_task_claims=per_task, max_running=limit,
                   cluster_retries=tries, avoid_s=0.5, launch_failures=10**6, claim_idle_s=idle,
                   claim_worklife_s=worklife, estimates=estimates, nonce=nonce, ordering=ordering,
                   placement=placement, planned_start=planned),
            clusters={name: {"a1": Resources(4, 4096, 20000, 0, named({"licences": 3, "bandwidth": 10})),
                             "a2": Resources(2, 1024, 9000, 2, named({"licences": 1}))}
                      for name in ("", "east", "west")[:clusters]})
        self.world.ahead = ahead
        for master in self.world.masters.values():
            master.lists = lists
            master.attributes = {"a1": {"rack": "r1"}}
        self.world.send(ev.HistoryLoaded(tuple(
            Attempt(1e9, category, "finished", measured_memory_mb=40.0, wall_s=lasts)
            for category, lasts in LASTS.items() for _ in range(10))))
        self.world.register()
        if busy:
            self._submit(*["short"] * 8)
            self.world.offer(*self.world.masters)
            for executor in self.world.live() * 2:
                self.world.sync(executor)

    @rule(n=st.integers(1, 5), cores=st.sampled_from([None, 1, 2, 4]), memory=st.sampled_from([None, 100, 900]),
          gpus=st.sampled_from([None, None, 1, 2]), others=st.sampled_from(OTHERS), priority=st.integers(0, 1),
          group=st.sampled_from(["", "g"]), where=st.sampled_from(WHERE))
    def submit(self, n: int, cores: float | None, memory: float | None, gpus: float | None,
               others: dict[str, float] | None, priority: float, group: str, where: tuple[Constraint, ...]) -> None:
        wanted = (("cores", cores), ("memory_mb", memory), ("gpus", gpus), ("others", others and named(others)))
        request = {k: v for k, v in wanted if v is not None}
        self.world.submit(*range(self.submitted + 1, self.submitted + n + 1), priority=priority, group=group,
                          where=where, **request)
        self.submitted += n

    @rule()
    def submitted_again(self) -> None:
        """By an engine that does not know better; of those that have ended it knows."""
        self.world.send(*(e for i, e in self.world.stated.items() if i not in self.world.reports))

    @precondition(lambda self: any(not m.suppressed and not m.ended for m in self.world.masters.values()))
    @rule(data=st.data())
    def offer(self, data: st.DataObject) -> None:
        asked = [name for name, m in self.world.masters.items() if not m.suppressed and not m.ended]
        self.world.offer(data.draw(st.sampled_from(asked)))

    @precondition(lambda self: any(m.offers for m in self.world.masters.values()))
    @rule(data=st.data())
    def rescind(self, data: st.DataObject) -> None:
        outstanding = [(name, offer) for name, m in self.world.masters.items() for offer in sorted(m.offers)]
        cluster, offer = data.draw(st.sampled_from(outstanding))
        del self.world.masters[cluster].offers[offer]
        self.world.send(ev.OfferRescinded(offer, cluster))

    @rule(data=st.data(), at_once=st.booleans())
    def reconnect(self, data: st.DataObject, at_once: bool) -> None:
        master = self._master(data)
        self.world.disconnect(master.cluster)
        if at_once:
            self.world.register(master.cluster)

    @precondition(lambda self: sum(not m.ended for m in self.world.masters.values()) > 1)
    @rule(data=st.data())
    def framework_ends(self, data: st.DataObject) -> None:
        """In all clusters but one."""
        self.world.end_framework(self._master(data).cluster)

    @precondition(lambda self: self.world.executors)
    @rule(data=st.data(), lose=st.booleans())
    def sync(self, data: st.DataObject, lose: bool) -> None:
        self.world.sync(self._one(data), lose_answer=lose)

    @precondition(lambda self: any(e.running for e in self.world.live()))
    @rule(data=st.data(), outcome=st.sampled_from(wire.OUTCOMES), resource=st.sampled_from(["memory", "disk", "wall"]))
    def attempt_ends(self, data: st.DataObject, outcome: str, resource: str) -> None:
        executor = data.draw(st.sampled_from([e for e in self.world.live() if e.running]))
        attempt = data.draw(st.sampled_from(sorted(executor.running)))
        self.world.finish(executor, attempt, outcome, reason=outcome, resource=resource)

    @precondition(lambda self: any(e.claim.resources.cores > 1 for e in self.world.live()))
    @rule(data=st.data(), behind=st.lists(st.sampled_from(sorted(LASTS)), min_size=2, max_size=6))
    def large_among_small(self, data: st.DataObject, behind: list[str]) -> None:
        """A claim is busy when a task of all its cores comes, and others behind it: mostly, one is held."""
        executor = data.draw(st.sampled_from([e for e in self.world.live() if e.claim.resources.cores > 1]))
        cores = executor.claim.resources.cores
        self._submit("long", *["short"] * (int(cores) - 1))
        self.world.sync(executor)
        self.world.sync(executor)
        self._submit("large", *behind, cores=cores)
        for attempt in list(executor.running)[:2]:
            lasts = LASTS.get(self.world.stated[int(attempt.partition(".")[0])].task.category or "", 10.0)
            self.world.finish(executor, attempt, usage=wire.Usage(50.0, 1.0, 1.0, lasts, lasts))
        self.world.sync(executor)

    def _submit(self, *categories: str, cores: float = 1.0) -> None:
        """The first one has that many cores, the others have one."""
        for category in categories:
            self.submitted += 1
            self.world.send(ev.TaskSubmitted(Task(
                self.submitted, f"cmd {self.submitted}", (), ("o",), Request(cores, 50.0), category)))
            cores = 1.0

    @precondition(lambda self: any(e.running for e in self.world.live()))
    @rule(data=st.data())
    def executor_forgets(self, data: st.DataObject) -> None:
        executor = data.draw(st.sampled_from([e for e in self.world.live() if e.running]))
        executor.running.pop(data.draw(st.sampled_from(sorted(executor.running))))

    @precondition(lambda self: self.world.executors)
    @rule(
        data=st.data(), state=st.sampled_from(["TASK_LOST", "TASK_FAILED", "TASK_GONE"]), why=st.sampled_from(REASONS))
    def claim_dies(self, data: st.DataObject, state: str, why: str) -> None:
        self.world.end(self._one(data), state, why)

    @precondition(lambda self: self.world.executors)
    @rule(data=st.data(), state=st.sampled_from(["TASK_RUNNING", "TASK_STARTING", "TASK_UNREACHABLE"]))
    def harmless_update(self, data: st.DataObject, state: str) -> None:
        claim = self._one(data).claim
        self.world.send(ev.ClaimUpdated(
            claim.claim_id, state, "", "", claim.agent_id, "dXVpZA==", cluster=claim.cluster))

    @precondition(lambda self: self.world.executors)
    @rule(data=st.data(), status=st.sampled_from([9, FOLDER_GONE << 8, 82 << 8]))
    def executor_dies(self, data: st.DataObject, status: int) -> None:
        self.world.die(self._one(data), status)

    @precondition(lambda self: self.world.executors)
    @rule(data=st.data())
    def launch_is_dropped(self, data: st.DataObject) -> None:
        executor = self._one(data)
        if not executor.seq:
            self.world.drop_launch(executor)

    @precondition(lambda self: self.world.executors)
    @rule(data=st.data(), outcome=st.sampled_from(wire.OUTCOMES), final=st.booleans())
    def executor_talks_nonsense(self, data: st.DataObject, outcome: str, final: bool) -> None:
        """Attempts that nobody gave it or that have ended, twice, running and ended, of other claims."""
        executor = self._one(data)
        tasks, own = self.world.core.state.tasks.values(), executor.claim.claim_id
        names = ["99.1", "x", "", *(record.attempt_id for record in tasks if record.claim_id != own)]
        name = data.draw(st.sampled_from(sorted(set(names))))
        results = tuple(wire.Result(name, outcome, "odd", final=final) for _ in range(2))
        executor.seq += data.draw(st.sampled_from([0, 1, 5]))
        self.world.send(ev.ClaimSynced(
            executor.claim.claim_id, executor.seq, executor.got, (*executor.running, "99.2", name),
            (*executor.results.values(), *results)))
        self.world.send(ev.ClaimSynced("nobody", 1, 0, ("1.1",), results, True))

    @precondition(lambda self: any(not e.running for e in self.world.live()))
    @rule(data=st.data())
    def executor_closes(self, data: st.DataObject) -> None:
        executor = data.draw(st.sampled_from([e for e in self.world.live() if not e.running]))
        executor.seq += 1
        self.world.send(ev.ClaimSynced(executor.claim.claim_id, executor.seq, executor.got, (),
                                       tuple(executor.results.values()), True))
        if executor.alive:
            self.world.end(executor, "TASK_KILLED")

    @rule(data=st.data(), agent=st.sampled_from([None, "a1", "a2"]))
    def maintenance_is_planned(self, data: st.DataObject, agent: str | None) -> None:
        self.world.send(ev.InverseOfferReceived("i1", agent, 1e9, self._master(data).cluster))

    @rule(data=st.data(), agent=st.sampled_from(["a1", "a2"]), away=st.booleans(), reserved=st.booleans(),
          named=st.booleans())
    def a_master_lists_agents(
            self, data: st.DataObject, agent: str, away: bool, reserved: bool, named: bool) -> None:
        """One may be away, in part reserved for others, or not named at all."""
        master = self._master(data)
        (master.away.add if away else master.away.discard)(agent)
        master.reserved = {agent: (("other", Resources(0, 500)),)} if reserved else {}
        master.holders = (Holder("f-2", "another", Resources(1, 100)),)
        if named:
            self.world.list_agents(True, master.cluster)
        else:
            self.world.send(ev.AgentsListed((), (), master.cluster))

    @precondition(lambda self: self.submitted)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        self.world.send(ev.TaskWithdrawn(data.draw(st.integers(1, self.submitted))))

    @rule(after=st.integers(0, 6))
    def the_scheduler_dies(self, after: int) -> None:
        """In the middle of what it does next."""
        self.world.crash_after = after

    @rule(full=st.booleans())
    def the_folder_fills(self, full: bool) -> None:
        self.world.full = full

    @rule(undelivered=st.booleans())
    def outputs_do_not_arrive(self, undelivered: bool) -> None:
        self.world.undelivered = undelivered

    @rule(now=st.booleans())
    def outputs_take_time(self, now: bool) -> None:
        self.world.auto_place = now
        if now:
            self.world.place_all()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 70.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @invariant()
    def books_balance(self) -> None:
        """Free plus taken is all of each claim, and each task is counted where it is."""
        if not hasattr(self, "world"):
            return
        state = self.world.core.state
        for claim in state.claims.values():
            taken = Resources()
            for attempt_id, task_id in claim.attempts.items():
                record = state.tasks.get(task_id)
                if record is not None and record.attempt_id == attempt_id:
                    taken = taken + record.allocation
            assert (claim.free + taken).fits_in(claim.resources)
            assert claim.resources.fits_in(claim.free + taken)
        if state.policy.max_running is not None and not state.restored:  # a start was saved, the end before it was not
            assert state.running() <= state.policy.max_running
        assert len(state.tasks) + len(self.world.reports) == self.submitted

    def teardown(self) -> None:
        """So that no other test gets what this one has set."""
        try:
            self.everything_ends()
        finally:
            filling.STARTS_AT_ONCE = STARTS_AT_ONCE

    def everything_ends(self) -> None:
        """Whatever has happened: from here on all goes well, and everything comes to its end."""
        if not hasattr(self, "world"):
            return
        self.world.full = self.world.undelivered = False
        self.world.auto_place = True
        for master in self.world.masters.values():
            master.away.clear()
            master.lists = True
        self.world.send(ev.NoMoreTasks())
        self.world.place_all()
        for name, cluster in self.world.core.state.clusters.items():
            if not cluster.connected:
                self.world.register(name)
        self.world.list_agents()
        self.world.run_to_end()
        assert len(self.world.reports) == self.submitted
        assert not self.world.core.state.claims

    def _master(self, data: st.DataObject) -> Master:
        """One that has not ended the framework."""
        names = [name for name, m in self.world.masters.items() if not m.ended]
        return self.world.masters[data.draw(st.sampled_from(names))]

    def _one(self, data: st.DataObject):
        executors = self.world.executors
        return executors[data.draw(st.sampled_from(sorted(executors)))]


TestCoreModel = CoreMachine.TestCase
# In CI a failure is shown as it was found: making it smaller can take longer than a test may. Elsewhere it may take
# its time, which Hypothesis bounds to 300 s.
CI = bool(os.environ.get("CI"))
PHASES = [p for p in Phase if p is not Phase.shrink] if CI else list(Phase)
pytestmark = [] if CI and STEPS <= 60 else [pytest.mark.timeout(400 + EXAMPLES * STEPS // 60)]
TestCoreModel.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
