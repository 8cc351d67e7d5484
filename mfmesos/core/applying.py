"""Carries out what planning decided: changes the state, and emits the actions."""
from __future__ import annotations

from mfmesos.core import claims, gpu_ids, holding, tasks
from mfmesos.core.actions import DeclineOffers, ListAgents, OpenClaim, Revive, SaveClaim, Suppress
from mfmesos.core.claim_table import Claim
from mfmesos.core.cluster_state import REVIVE_AT_MOST_S
from mfmesos.core.decisions import (
    AgentRefusal,
    Assignment,
    Decision,
    Hold,
    OfferDecision,
    Opening,
    Reason,
    Refusal,
    Release,
    Wait,
)
from mfmesos.core.ids import HeldIds
from mfmesos.core.state import State
from mfmesos.shared.devices import GPUS


def apply(state: State, decision: Decision) -> None:
    """The decision was made for the present state: nothing has changed since."""
    if isinstance(decision, Assignment):
        _assign(state, decision)
    elif isinstance(decision, Hold):
        state.holds.add(decision.start)
        state.holds.tried(state.now)
        if state.policies.planned_starts.several:
            holding.correct(state, state.claims[decision.start.claim_id])
    elif isinstance(decision, Refusal):
        state.holds.tried(state.now)
    else:
        _release(state, decision)


def _assign(state: State, decision: Assignment) -> None:
    record, claim = state.tasks[decision.task_id], state.claims[decision.claim_id]
    if decision.passed is not None:
        state.tasks[decision.passed].passed += 1
    if decision.reason is Reason.ALONE and claim.solo_task != record.task.id:
        _reserve(state, claim, record.task.id)
    several = state.policies.planned_starts.several
    if state.holds and not several:
        holding.takes_spare(state, record, claim, decision.allocation)
    tasks.start_attempt(state, record, claim, decision.allocation)
    if state.holds and several:
        holding.started(state, record, claim)


def _reserve(state: State, claim: Claim, task_id: int) -> None:
    claim.reserve(task_id)
    state.emit(SaveClaim(claim.saved()))


def apply_offer(state: State, decision: OfferDecision, empty: bool = False) -> None:
    """The same for decisions about offers. `empty`: nothing of use is declined, so that it is never asked for again."""
    if isinstance(decision, Opening):
        _open(state, decision)
    elif isinstance(decision, Wait):
        _wait(state, decision)
    elif not isinstance(decision, AgentRefusal):
        _tell_master(state, decision, empty)


def _open(state: State, decision: Opening) -> None:
    agent = state.agent(decision.agent_id)
    ids = gpu_ids.chosen(state, agent, decision.resources, decision.offers)
    cluster = state.clusters[decision.agent_id.cluster]
    cluster.void_offers(agent, state.now, used=True)
    if cluster.manners.fair is not None or cluster.manners.cautious_until > state.now:
        cluster.freed = True  # the rest is offered to others at once
    state.claim_number += 1
    claim = Claim(f"{state.policy.run_id}-{state.claim_number}", agent.id, agent.hostname, decision.resources,
                  state.now, decision.solo_task, expects=dict(decision.expects),
                  slices=dict(enumerate(decision.slices, 1)), ids=HeldIds(ids))
    state.claims.add(claim)
    state.emit(SaveClaim(claim.saved()))
    state.emit(OpenClaim(claim.id, decision.offers, agent.id.agent, claim.resources, state.policy.executor_memory_mb,
                         agent.id.cluster, decision.slices,
                         tuple((name, some) for name, some in ids.items() if name != GPUS)))


def _wait(state: State, decision: Wait) -> None:
    cluster = state.clusters[decision.agent_id.cluster]
    state.agent(decision.agent_id).unlisted_until = decision.until
    if decision.ask:
        cluster.asked_agents_at = state.now
        state.emit(ListAgents(cluster=cluster.name))


def _tell_master(state: State, decision: DeclineOffers | Revive | Suppress, empty: bool) -> None:
    cluster = state.clusters[decision.cluster]
    if isinstance(decision, DeclineOffers):
        cluster.filtered = cluster.filtered or not empty
        for agent in list(cluster.offering.values()):
            if not agent.offers.keys().isdisjoint(decision.offer_ids):
                cluster.void_offers(agent, state.now)
    elif isinstance(decision, Revive):
        if not cluster.freed:  # what is offered to others is not asked for
            cluster.revive_after = state.now + cluster.revive_pause
            cluster.revive_pause = min(cluster.revive_pause * 2, REVIVE_AT_MOST_S)
        cluster.suppressed = cluster.filtered = cluster.freed = False
    else:
        cluster.suppressed = True
    state.emit(decision)


def _release(state: State, decision: Release) -> None:
    claims.release_when_sent(state, state.claims[decision.claim_id])
