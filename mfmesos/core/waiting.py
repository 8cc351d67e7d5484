"""Why a waiting task has not started: the one reason that binds, with its numbers. Reads the state only."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from mfmesos.core import constraints, forecast, gpu_ids, opening, outlook, planning, politeness
from mfmesos.core.decisions import Opening, Wait, Why, WhyNot
from mfmesos.core.model import OF_RUN, Resources
from mfmesos.core.records import NOWHERE, Shape, TaskRecord
from mfmesos.core.sizing import allocation
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared.values import value

W = TypeVar("W")


class Binding(Enum):
    """What a waiting task waits for."""

    USER = "user"
    """The user holds it."""
    INPUTS = "inputs"
    """Temporary inputs, which other tasks make again or claims send."""
    PAUSED = "paused"
    """The workflow's folder is full: nothing starts before `until`."""
    ARRIVES = "arrives"
    """--arrival-rate: no further task counts as arrived before `until`."""
    RUNNING = "running"
    """--max-running tasks run: `limit`."""
    GATHERING = "gathering"
    """The claim `claim_id` is held for it, until there is room."""
    HELD = "held"
    """There is room, in a claim that is held for the task `behind`, and it could delay that one."""
    FULL = "full"
    """Claims that could hold it have too little free room."""
    CLAIM = "claim"
    """A claim is being launched for it."""
    NO_CLUSTER = "unconnected"
    """No master is connected."""
    TOO_LARGE = "large"
    """No agent that is known could hold it."""
    RESTS = "rests"
    """The run has had its turn, and leaves offers to frameworks that hold nothing, before `until` at most."""
    BOUND = "bound"
    """Claims hold what --max-cores and --max-memory allow: `held`."""
    COUNTER = "counter"
    """Running tasks hold what the run has of `name`, such as licences."""
    GPUS = "gpus"
    """It keeps off agents with GPUs while others may have room."""
    OUT = "out"
    """GPUs with room for it are out: `name`."""
    CONSTRAINT = "constraint"
    """The agents with room do not meet a constraint of the task, or not now."""
    SHUNNED = "shunned"
    """The claims and agents with room failed it before, or lack a shared folder of it."""
    OFFERS = "offers"
    """No agent offers enough."""
    NEXT = "next"
    """Nothing: it starts in a moment."""


MOST_NAMED = 4
"""GPUs that are out."""
POLICY = frozenset((Binding.COUNTER, Binding.GPUS, Binding.RUNNING, Binding.ARRIVES, Binding.HELD, Binding.GATHERING,
                    Binding.BOUND))
CLUSTER = frozenset((
    Binding.CLAIM, Binding.NO_CLUSTER, Binding.TOO_LARGE, Binding.RESTS, Binding.SHUNNED, Binding.OFFERS))


@value(frozen=True)
class Waiting:
    """A task that waits for resources. Times are the clock's seconds."""

    task_id: int
    binding: Binding
    since: float
    need: Resources
    """What it is given in the claim or on the agent with most cores that could hold it."""
    before: int = 0
    """Waiting tasks that come before it."""
    claims: tuple[tuple[Why, int], ...] = ()
    """The open claims by the reason why it does not start there, the most frequent first."""
    agents: tuple[tuple[WhyNot, int], ...] = ()
    """The same of the agents with offers."""
    largest: Resources = Resources()
    """The most of each resource that any agent could give to it; 0 while none is known."""
    most_free: Resources = Resources()
    """The most of each resource that is free in any open claim."""
    held: Resources = Resources()
    """By all claims together, without their executors."""
    name: str = ""
    """Of a resource, or GPUs with the reasons why they are out."""
    limit: float | None = None
    claim_id: str = ""
    behind: int | None = None
    until: float | None = None
    start_at: float | None = None
    """When it will probably start, as planned or predicted; None: not known."""
    order: str = ""
    reserve: str = ""
    """The run's policies, as settings name them."""
    otherwise: tuple[tuple[str, float], ...] = ()
    """Options with which it would start at another time, and when."""


@value(frozen=True)
class NextTask:
    """The first waiting task of a category, and what it would be given now."""

    category: str
    task_id: int
    need: Resources
    """See Waiting.need."""
    wall_s: float | None
    """How long it will probably run; None: not known."""


def next_tasks(state: State, most: int) -> list[NextTask]:
    """Of `most` categories; costs as much as these have shapes, but not more than `most` of each."""
    found = [(record, record.shape()) for record in state.queue.firsts(most)]
    return [NextTask(record.kind.category, record.task.id, _need(state, shape), state.glance(shape).wall_s)
            for record, shape in found]


def why_waiting(state: State, task_id: int) -> Waiting | None:
    """None: no such task waits. Costs as much as there are claims, agents with offers and waiting shapes."""
    record = _waiting(state, task_id)
    if record is None:
        return None
    before = sum(count for _, count in state.queue.ahead(record))
    found = replace(_why(state, record, {}), before=before)
    at = found.start_at if found.start_at is not None else forecast.starts_at(state, record)
    return replace(found, start_at=at, otherwise=tuple(_otherwise(state, record, found.binding, at)))


def _otherwise(state: State, record: TaskRecord, binding: Binding, at: float | None) -> Iterator[tuple[str, float]]:
    if binding is Binding.HELD:
        yield "--reserve none", state.now
    if binding in (Binding.HELD, Binding.GATHERING, Binding.FULL):
        for name, then in outlook.otherwise(state, record, at):
            yield f"--order {name}", then


def why_each_waits(state: State, task_ids: Iterable[int]) -> list[Waiting]:
    """Of those tasks that wait, without predictions and what comes before each. Claims and agents are looked at once
    for all tasks of a shape.
    """
    by_shape: dict[Shape, Waiting] = {}
    records = (_waiting(state, task_id) for task_id in task_ids)
    return [_why(state, record, by_shape) for record in records if record is not None]


def _waiting(state: State, task_id: int) -> TaskRecord | None:
    record = state.tasks.get(task_id)
    return record if record is not None and record.state is TaskState.WAITING else None


def _why(state: State, record: TaskRecord, by_shape: dict[Shape, Waiting]) -> Waiting:
    """`by_shape`: what keeps tasks of a shape from starting when it is their turn, as far as it was looked at."""
    shape, task_id = record.shape(), record.task.id
    alike = by_shape.get(shape)
    found = Waiting(task_id, Binding.NEXT, record.waiting_since, alike.need if alike else _need(state, shape),
                    largest=state.largest_agent() or Resources(), held=state.claims.held,
                    order=state.policy.ordering, reserve=state.policy.planned_start)
    in_turn = _in_turn(state, record, shape, found)
    if in_turn is not None:
        return in_turn
    if alike is None:
        alike = by_shape[shape] = _by_room(state, record, shape, found)
    return replace(alike, task_id=task_id, since=record.waiting_since)


def waits_for(state: State) -> str:
    """What the waiting tasks wait for, in one word (see snapshot.Counts): what binds the first of one shape."""
    record = next(iter(state.queue), None)
    waiting = _why(state, record, {}) if record is not None else None
    if waiting is None or waiting.binding is Binding.NEXT:
        return ""
    if waiting.binding in POLICY:
        return "policy"
    if waiting.binding in CLUSTER:
        return "cluster"
    return {Binding.INPUTS: "inputs", Binding.USER: "held"}.get(waiting.binding, "room")


def _need(state: State, shape: Shape) -> Resources:
    agents = [agent for agent in state.largest_agents() if state.fits(state.glance(shape), agent)]
    agents += [c.resources for c in state.claims.each_in(ClaimState.OPEN)][:1] if not agents else []
    agent = max(agents, default=state.largest_agent() or Resources(), key=lambda a: (a.cores, a.memory_mb))
    return allocation(state.glance(shape), agent, agent, state.policy.defaults)


def _in_turn(state: State, record: TaskRecord, shape: Shape, found: Waiting) -> Waiting | None:
    """What keeps it waiting whatever room there is."""
    policy, hold = state.policy, state.holds.of_task(record.task.id)
    if record.user_holds:
        return replace(found, binding=Binding.USER)
    if shape.at == NOWHERE:
        return replace(found, binding=Binding.INPUTS)
    if state.now < state.paused_until:
        return replace(found, binding=Binding.PAUSED, until=state.paused_until)
    if policy.arrival_rate is not None and not planning.room_to_run(state):
        return replace(found, binding=Binding.ARRIVES, until=planning.next_arrival(state))
    if policy.max_running is not None and state.running() >= policy.max_running:
        return replace(found, binding=Binding.RUNNING, limit=policy.max_running)
    for one in shape.where:
        if one.op == OF_RUN and constraints.left_of_counter(state, one) < float(one.value):
            return replace(found, binding=Binding.COUNTER, name=one.attribute,
                           limit=dict(policy.counters).get(one.attribute, 0.0))
    if hold is not None:
        at = hold.at if hold.at < hold.until else None
        return replace(found, binding=Binding.GATHERING, claim_id=hold.claim_id, until=hold.until, start_at=at)
    return None


def _by_room(state: State, record: TaskRecord, shape: Shape, found: Waiting) -> Waiting:
    refused = list(planning.refusals(state, record))
    claims = _counted(refusal.why for refusal in refused)
    agents = _counted(_refused_by_agents(state, shape))
    most = Resources()
    for claim in state.claims.each_in(ClaimState.OPEN):
        most = most.at_least(claim.free)
    found = replace(found, claims=claims, agents=agents, most_free=most, claim_id=shape.at)
    binding, hold = _binding(state, shape, dict(claims), dict(agents)), state.holds.first
    if binding is Binding.HELD and hold is not None:
        found = replace(found, claim_id=hold.claim_id, behind=hold.task_id)
    if binding is Binding.RESTS:
        found = replace(found, until=politeness.rests_until(state))
    if binding is Binding.FULL and shape.gpus:
        out = [f"{gpu} ({why})" for claim in state.claims.each_in(ClaimState.OPEN)
               for gpu, why in gpu_ids.out_at(state, claim).items()]
        if out:
            return replace(found, binding=Binding.OUT, name=", ".join(out[:MOST_NAMED]))
    return replace(found, binding=binding)


def _binding(state: State, shape: Shape, claims: dict[Why, int], agents: dict[WhyNot, int]) -> Binding:
    """What would have to change first for the task to start."""
    known = state.largest_agents()
    large = bool(known) and not any(state.fits(state.glance(shape), agent) for agent in known)
    tests = (
        (Binding.HELD, Why.HELD in claims),
        (Binding.CLAIM, state.claims.expected[shape] > 0),
        (Binding.GPUS, Why.GPUS in claims),
        (Binding.FULL, Why.FULL in claims),
        (Binding.NO_CLUSTER, not any(cluster.connected for cluster in state.live())),
        (Binding.TOO_LARGE, large),
        (Binding.RESTS, politeness.rests_until(state) > state.now),
        (Binding.BOUND, WhyNot.BOUND in agents or _bounded(state, shape)),
        (Binding.CONSTRAINT, Why.CONSTRAINT in claims or _constrained(state, shape)),
        (Binding.SHUNNED, Why.SHUNNED in claims or WhyNot.AVOIDED in agents),
        (Binding.OFFERS, bool(claims or agents) or not state.has_offers),
    )
    return next((binding for binding, binds in tests if binds), Binding.NEXT)


def _constrained(state: State, shape: Shape) -> bool:
    offering = [agent.id for cluster in state.live() for agent in cluster.offering.values()]
    return bool(shape.where and offering) and not any(constraints.left(state, shape, agent) for agent in offering)


def _bounded(state: State, shape: Shape) -> bool:
    """Whether no further claim could have what it requests."""
    need, left = state.glance(shape), state.left_to_claim()
    return (need.cores or 0.0) > left.cores or (need.memory_mb or 0.0) > left.memory_mb


def _refused_by_agents(state: State, shape: Shape) -> Iterator[WhyNot]:
    for cluster in state.live():
        for agent in cluster.offering.values():
            decision = opening.decide(state, agent, [(shape, 1)])
            if isinstance(decision, Wait):
                yield WhyNot.UNLISTED
            elif not isinstance(decision, Opening):
                yield decision.why


def _counted(whys: Iterable[W]) -> tuple[tuple[W, int], ...]:
    return tuple(Counter(whys).most_common())
