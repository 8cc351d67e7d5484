"""Carries out what planning decided: changes the state, and emits the actions."""
from __future__ import annotations

from mfmesos.core import claims, tasks, temporaries
from mfmesos.core.actions import SaveClaim
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Assignment, Decision, Hold, Reason, Refusal, Release
from mfmesos.core.state import State


def apply(state: State, decision: Decision) -> None:
    """The decision was made for the present state: nothing has changed since."""
    if isinstance(decision, Assignment):
        _assign(state, decision)
    elif isinstance(decision, Hold):
        state.holds.add(decision.start)
        state.holds.tried_at = state.now
    elif isinstance(decision, Refusal):
        state.holds.tried_at = state.now
    else:
        _release(state, decision)


def _assign(state: State, decision: Assignment) -> None:
    record, claim = state.tasks[decision.task_id], state.claims[decision.claim_id]
    if decision.passed is not None:
        state.tasks[decision.passed].passed += 1
    if decision.reason is Reason.ALONE and claim.solo_task != record.task.id:
        _reserve(state, claim, record.task.id)
    tasks.start_attempt(state, record, claim, decision.allocation)


def _reserve(state: State, claim: Claim, task_id: int) -> None:
    claim.reserve(task_id)
    state.emit(SaveClaim(claim.saved()))


def _release(state: State, decision: Release) -> None:
    claim = state.claims[decision.claim_id]
    if not temporaries.hold_back(state, claim):
        claims.release(state, claim)
