"""Planning decides and changes nothing; each decision is a value, and a refusal has its reason."""
from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace

from world import World

from mfmesos.core import events as ev
from mfmesos.core import nearest, planning
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Hold, Reason, Refusal, Release, Why
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.policy import Policy
from mfmesos.core.state import State

DATA = StagedInput("big", "d" * 64, 100 << 20, 0o644)
OTHER = StagedInput("other", "e" * 64, 100 << 20, 0o644)


def task(number: int, cores: float = 1.0, *inputs: StagedInput) -> ev.TaskSubmitted:
    request = Request(cores, 100.0, 200.0)
    return ev.TaskSubmitted(Task(number, "x", tuple(i.name for i in inputs), (f"o{number}",), request, "c"), inputs)


def waiting_beside_room(*waiting: ev.TaskSubmitted) -> tuple[State, Claim]:
    """A claim of 4 cores in which task 1 of two cores runs, and has DATA; then the others come, and start nowhere
    because nothing starts at all.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(4, 4096, 20000)})
    world.send(ev.HistoryLoaded(tuple(Attempt(1e9, "c", "finished", measured_memory_mb=50.0, wall_s=20.0)
                                      for _ in range(10))))
    world.send(task(1, 2.0, DATA), task(2, 2.0, DATA))
    world.register()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "2.1")
    world.core.state.paused_until = 1e9
    world.sync(executor)
    world.send(*waiting)
    (claim,) = world.core.state.claims.values()
    assert (claim.free.cores, len(world.core.state.queue)) == (2.0, len(waiting))
    return world.core.state, claim


def first(decisions: Iterator[Decision]) -> Decision | None:
    return next(decisions, None)


def test_a_decision_is_a_value_and_asking_changes_nothing():
    """Asked again without applying, planners answer the same, and the state is the same to the last byte."""
    state, claim = waiting_beside_room(task(3, 4.0), task(4), task(5, 1.0, DATA))
    need = Resources(1.0, 100.0, 200.0)

    def ask() -> list[Decision | None]:
        return [first(planning.in_free_room(state, claim)), first(planning.queued_ahead(state, claim)),
                first(nearest.starts(state, [claim]))]

    ask()  # what is known of agents is kept from now on
    before = pickle.dumps(state)
    found = ask()
    assert pickle.dumps(state) == before
    hold, ahead, near = found
    assert isinstance(hold, Hold)
    assert (hold.start.task_id, hold.start.claim_id) == (3, claim.id)
    assert ahead is None
    assert near == hold  # the task whose input is there would overtake as well
    state, claim = waiting_beside_room(task(4, 1.0, OTHER), task(5, 1.0, DATA))
    assert first(nearest.starts(state, [claim])) == Assignment(5, claim.id, need, Reason.NEAR, passed=4)
    assert first(planning.in_free_room(state, claim)) == Assignment(5, claim.id, need, Reason.FIRST, passed=4)


def test_a_refusal_has_its_reason():
    """For each open claim why the task does not start there."""
    state, claim = waiting_beside_room(task(3, 3.0), task(4, 8.0), task(5, 1.0))
    assert list(planning.refusals(state, state.tasks[3])) == [Refusal(3, claim.id, Why.FULL)]
    assert list(planning.refusals(state, state.tasks[4])) == [Refusal(4, claim.id, Why.LARGE)]
    assert list(planning.refusals(state, state.tasks[5])) == []
    state.clusters[""].agent("a1").lacks["/data"] = 1e9
    state.tasks[5].task = replace(state.tasks[5].task, shared=("/data",))
    assert list(planning.refusals(state, state.tasks[5])) == [Refusal(5, claim.id, Why.SHUNNED)]
    state.tasks[5].at = "another claim"
    assert list(planning.refusals(state, state.tasks[5])) == [Refusal(5, claim.id, Why.ELSEWHERE)]


def test_a_claim_of_one_task_gets_it_or_is_released():
    """A claim of its own is decided about without a look at its room."""
    state, claim = waiting_beside_room(task(3, 1.0))
    claim.attempts.clear()
    claim.reserve(3)
    assert list(planning.alone(state, claim)) == [Assignment(3, claim.id, claim.resources, Reason.ALONE)]
    claim.reserve(99)
    assert list(planning.alone(state, claim)) == [Release(claim.id)]
