"""Which waiting tasks start in a claim first: those whose large inputs lie there, without starving the others."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from mfmesos.core import trust
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Reason
from mfmesos.core.holding import delayed_by, is_held
from mfmesos.core.model import StagedInput
from mfmesos.core.records import Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState

LOOK_AHEAD = 16
"""This many waiting tasks of a shape are compared, and the first is passed over this many times at most."""
LOOK_SHAPES = 8
"""This many shapes are looked at for one claim, or of those that have just come."""


def starts(state: State, changed: Iterable[Claim]) -> Iterator[Decision]:
    """Before all others start tasks that have just come where most of their inputs lie, and in the claims with new room
    the first ones whose inputs lie there.
    """
    large = state.queue.large
    for shape in list(islice((shape for shape in state.fresh if shape in large), LOOK_SHAPES)):
        for record in _head(state, shape):
            claim = _best(state, shape, record)
            if claim is not None:
                yield from _start(state, shape, record, claim)
    for claim in changed:
        if not state.near.any_at(claim.id):
            continue
        fitting = islice(state.waiting.fitting(lambda one=claim: one.free), LOOK_SHAPES)  # type: ignore[misc]
        for shape in [shape for shape in fitting if shape in large]:
            for record in _head(state, shape):
                if state.near.bytes_at(record.large, claim.id):
                    yield from _start(state, shape, record, claim)


def pick(state: State, shape: Shape, claim: Claim) -> TaskRecord | None:
    """The waiting task of that shape to start in the claim: among the first few the one with most of its bytes there,
    otherwise the first.
    """
    first = state.queue.first(shape)
    if first is None or shape not in state.queue.large or not state.near.any_at(claim.id):
        return first
    here = [(state.near.bytes_at(record.large, claim.id), -n, record) for n, record in enumerate(_head(state, shape))]
    return max(here, key=lambda one: one[:2])[2]


def first_inputs(state: State, claim_id: str) -> tuple[StagedInput, ...]:
    """Of the first task for which the claim was opened; nothing if another claim on its agent may have them."""
    claim = state.claims.get(claim_id)
    if claim is None or len(state.claims.of_agent(claim.agent_id)) > 1:
        return ()
    if claim.solo_task is not None:
        return state.tasks[claim.solo_task].inputs if claim.solo_task in state.tasks else ()
    first = next(filter(None, map(state.queue.first, claim.expects)), None)
    return first.inputs if first is not None else ()


def _head(state: State, shape: Shape) -> list[TaskRecord]:
    """The first few of that shape, or the first alone if it was passed over often enough."""
    first = state.queue.first(shape)
    head = state.queue.head(shape, LOOK_AHEAD if first is not None and first.passed < LOOK_AHEAD else 1)
    return [record for record in head if first is not None and record.key == first.key]


def _best(state: State, shape: Shape, record: TaskRecord) -> Claim | None:
    """Of the claims that have some of its inputs, and room for it, the one with most of its bytes."""
    found, most = None, 0
    for claim_id in state.near.claims(record.large):
        here = state.near.bytes_at(record.large, claim_id)
        claim = state.claims.get(claim_id)
        if here > most and claim is not None and _fits(state, shape, claim):
            found, most = claim, here
    return found


def _fits(state: State, shape: Shape, claim: Claim) -> bool:
    if claim.state is not ClaimState.OPEN or claim.solo_task is not None or shape.solo or (
            shape.at not in ("", claim.id)):
        return False
    if state.policy.per_task_claims or trust.shunned(state, shape, claim.agent_id):
        return False
    return state.allocation(shape, claim.resources, claim.agent_id).fits_in(claim.free)


def _start(state: State, shape: Shape, record: TaskRecord, claim: Claim) -> Iterator[Decision]:
    """Start it there if it fits, and if nobody is passed over too often."""
    first = state.queue.first(shape)
    if first is None or state.running() >= (state.policy.max_running or state.running() + 1):
        return
    if (record is not first and first.passed >= LOOK_AHEAD) or not _fits(state, shape, claim):
        return
    head = state.waiting.first()
    if head is not None and head != shape and not _fits(state, head, claim):
        yield from state.policies.planned_starts.plan(state, record)
    need = state.allocation(shape, claim.resources, claim.agent_id)
    if is_held(state, claim) and delayed_by(state, record, shape, claim, need):
        return
    yield Assignment(record.task.id, claim.id, need, Reason.NEAR, first.task.id if first is not record else None)
