"""What an event costs does not grow with the number of agents, nor with the kinds of tasks that wait."""
from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from world import FakeExecutor, core_with

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core import filling, sharing
from mfmesos.core.model import Agent, AgentId, Offer, Request, Resources, SavedTask, StagedInput, Task
from mfmesos.core.policy import Policy
from mfmesos.core.states import TaskState
from mfmesos.shared import wire

CORES = 4
ROOM = Resources(CORES, 8192, 50000)
ENDED = 60


Submit = Callable[[int, int], ev.Event]
"""Of a task's number and the number of kinds."""


def ordinary(number: int, kinds: int, **more: object) -> Task:
    kind = number % kinds
    return Task(number, f"p{kind} {number}", (), (), Request(1.0, 500.0 + kind), category=f"c{kind}",
                **more)  # type: ignore[arg-type]


def plain(number: int, kinds: int) -> ev.Event:
    return ev.TaskSubmitted(ordinary(number, kinds))


def in_shared_folder(number: int, kinds: int) -> ev.Event:
    return ev.TaskSubmitted(ordinary(number, kinds, shared=("/nfs",)))


def with_large_input(number: int, kinds: int) -> ev.Event:
    """Each input is read by a few tasks."""
    data = StagedInput("data", f"{number // 5:064x}", 100 << 20, 0o644)
    return ev.TaskSubmitted(ordinary(number, kinds), (data,))


def suspect(number: int, kinds: int) -> ev.Event:
    """A task that must run alone, of an earlier scheduler; all are of one size, since they take turns in a claim."""
    task = replace(ordinary(number, kinds), request=Request(1.0, 500.0))
    return ev.Restored((SavedTask(task, (), number, "", 1, solo=True),), ())


class Cluster:
    """Agents that are full, with as much again waiting in `kinds` kinds; World would check too much for so many."""

    def __init__(self, agents: int, kinds: int, submit: Submit = plain, **policies: str) -> None:
        self.core = core_with(Policy(workdir="/w", batch_delay_s=0.0, **policies))
        self.now = 0.0
        self.executors: dict[str, FakeExecutor] = {}
        self.declined: list[str] = []
        tasks = range(1, agents * CORES + 200 + 10 * kinds)
        self.send(*(submit(i, kinds) for i in tasks))
        self.send(ev.Registered("f", "m"))
        self.send(ev.AgentsListed(tuple(Agent(f"a{i}", f"a{i}", ROOM) for i in range(agents)), None))
        self.send(ev.OffersReceived(tuple(Offer(f"o{i}", f"a{i}", f"a{i}", ROOM) for i in range(agents))))
        self.calls_to_open = 1
        while self.core.wakeup() is not None:
            self.calls_to_open += 1
            self.send(ev.Tick())
        for _ in range(2):
            for executor in list(self.executors.values()):
                self.sync(executor)

    def send(self, *batch: ev.Event) -> None:
        published = []
        for action in self.core.handle_all(batch, self.now):
            if isinstance(action, act.OpenClaim):
                self.executors[action.claim_id] = FakeExecutor(action)
            elif isinstance(action, act.DeclineOffers):
                self.declined += action.offer_ids
            elif isinstance(action, act.AnswerSync):
                executor = self.executors[action.claim_id]
                executor.got = action.answer.number
                executor.running.update((run.attempt, run) for run in action.answer.run)
            elif isinstance(action, act.PublishOutputs):
                published.append(ev.OutputsPublished(action.attempt_id))
        if published:
            self.send(*published)

    def sync(self, executor: FakeExecutor, *results: wire.Result) -> None:
        executor.seq += 1
        self.send(ev.ClaimSynced(
            executor.claim.claim_id, executor.seq, executor.got, tuple(executor.running), results))

    def end_one(self, number: int) -> None:
        executor = list(self.executors.values())[number % len(self.executors)]
        attempt = next(iter(executor.running))
        del executor.running[attempt]
        self.now += 0.01
        usage = wire.Usage(400.0, 1.0, 1.0, 30.0, 30.0)
        self.sync(executor, wire.Result(attempt, wire.FINISHED, usage=usage))


def calls_of_core(do: Callable[[], None]) -> int:
    """Python calls of the core's own functions."""
    count = 0

    def seen(frame, what, _):
        nonlocal count
        count += what == "call" and "mfmesos/core" in frame.f_code.co_filename

    sys.setprofile(seen)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def per_ended_task(agents: int, kinds: int, submit: Submit = plain, **policies: str) -> float:
    cluster = Cluster(agents, kinds, submit, **policies)
    running = sum(len(e.running) for e in cluster.executors.values())
    assert running == agents * (1 if submit is suspect else CORES)
    if submit is in_shared_folder:
        sharing.missing(cluster.core.state, cluster.core.state.agent(AgentId("", "without")), "/nfs")
    for number in range(30):  # estimates of categories with few samples are renewed with each
        cluster.end_one(number)
    calls = calls_of_core(lambda: [cluster.end_one(n) for n in range(ENDED)] and None)
    assert sum(len(e.running) for e in cluster.executors.values()) == running
    return calls / ENDED


@pytest.mark.timeout(240)
def test_an_ended_task_costs_the_same_whatever_the_number_of_agents():
    """A task that ends on a full cluster, and whose place is taken: calls in the core at 10, 100 and 1,000 agents."""
    found = {agents: per_ended_task(agents, 10) for agents in (10, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found


@pytest.mark.timeout(240)
def test_an_ended_task_costs_the_same_whatever_the_number_of_kinds():
    """The same for 1, 100 and 1,000 kinds of tasks that wait."""
    found = {kinds: per_ended_task(20, kinds) for kinds in (1, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found


OTHERS = {make.__name__: make for make in (suspect, in_shared_folder, with_large_input)}


@pytest.mark.timeout(280)
@pytest.mark.parametrize("what", OTHERS)
def test_an_ended_task_of_another_sort_costs_the_same(what):
    """Tasks that run alone, use a shared folder, or have large inputs: at any number of agents and kinds."""
    found = {agents: per_ended_task(agents, 10, OTHERS[what]) for agents in (10, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found
    found = {kinds: per_ended_task(20, kinds, OTHERS[what]) for kinds in (1, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("ordering", ["priority", "shortest", "fair"])
def test_another_order_costs_the_same(ordering):
    """At 10 and 1,000 agents, and for 1 and 1,000 kinds of waiting tasks, each a group of its own."""
    found = [per_ended_task(agents, 10, ordering=ordering) for agents in (10, 1000)]
    assert max(found) <= 2 * min(found), found
    found = [per_ended_task(20, kinds, ordering=ordering) for kinds in (1, 1000)]
    assert max(found) <= 2 * min(found), found


@pytest.mark.timeout(280)
def test_a_placement_that_ranks_claims_costs_the_same():
    """At any number of agents and kinds, and not much more than first fit."""
    found = {agents: per_ended_task(agents, 10, placement="attribute=disk") for agents in (10, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found
    assert found[10] <= 1.35 * per_ended_task(10, 10), found
    found = {kinds: per_ended_task(20, kinds, placement="attribute=disk") for kinds in (1, 100, 1000)}
    assert max(found.values()) <= 2 * min(found.values()), found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("placement", ["pack", "spread", "best"])
def test_each_placement_costs_the_same(placement):
    """At 10 and 300 agents: best compares claims, the others only rank them."""
    found = [per_ended_task(agents, 10, placement=placement) for agents in (10, 300)]
    assert max(found) <= 2 * min(found), found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("placement", ["first", "attribute=disk"])
def test_a_start_costs_the_same_however_many_claims_have_room(placement):
    """Tasks are submitted one by one while 20, 200 and 1,000 claims are idle."""
    found = {}
    for agents in (20, 200, 1000):
        cluster = Cluster(agents, 1, placement=placement)
        for executor in cluster.executors.values():
            for _ in range(2):  # the tasks that wait first
                results = [wire.Result(attempt, wire.FINISHED) for attempt in executor.running]
                executor.running.clear()
                cluster.sync(executor, *results)
        while cluster.core.state.queue:
            number = sum(len(e.running) for e in cluster.executors.values())
            cluster.end_one(number)
        first = cluster.core.state.order + 10
        found[agents] = calls_of_core(lambda send=cluster.send, first=first: [
            send(plain(n, 1)) for n in range(first, first + 20)] and None)
        assert cluster.core.state.running() >= 20
    assert max(found.values()) <= 2 * min(found.values()), found


def test_many_starts_are_made_in_several_calls():
    """100 claims become free in one call: not all are filled at once, the core is called again until they are, and no
    claim is released meanwhile as if nothing waited.
    """
    cluster = Cluster(100, 3)
    state = cluster.core.state
    cluster.send(*(plain(n, 3) for n in range(10_000, 10_400)))
    cluster.send(*(ev.TaskWithdrawn(record.task.id) for record in list(state.tasks.values())
                   if record.state is TaskState.RUNNING))
    calls = 1
    while state.unfinished:
        assert state.running() <= calls * (filling.STARTS_AT_ONCE + CORES)
        calls += 1
        assert cluster.core.wakeup() == state.now
        cluster.send(ev.Tick())
    assert calls == 1 + 400 // (filling.STARTS_AT_ONCE + CORES)
    assert not state.unfilled
    assert len(cluster.executors) == 100
    assert state.running() == 400


def test_the_time_left_costs_the_same_whatever_the_number_of_agents_and_tasks():
    """Asked while tasks of 10 kinds run that started together."""
    found = {}
    for agents in (10, 100, 1000):
        cluster = Cluster(agents, 10)
        for number in range(20):
            cluster.end_one(number)
        found[agents] = calls_of_core(lambda core=cluster.core: core.seconds_left() and None)
    assert max(found.values()) <= 2 * min(found.values()), found


def test_claims_on_many_offers_are_opened_in_several_calls():
    """Offers of 100 agents at once: the core is called again until all are used, and declines none meanwhile."""
    cluster = Cluster(100, 3)
    assert len(cluster.executors) == 100
    assert cluster.calls_to_open > 5
    assert not cluster.declined
