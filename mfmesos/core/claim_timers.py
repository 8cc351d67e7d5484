"""What is due about a claim as time passes: silence, the end of its time, an answer that waits.

A claim is looked at when something about it has changed, and when the earliest of these times has come.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator

from mfmesos.core.actions import KillClaim, Reconcile
from mfmesos.core.claim_table import Claim
from mfmesos.core.claims import ended, failed, release_when_sent
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared.devices import GPUS
from mfmesos.shared.messages import core as m

AGAIN_S = 0.5
"""What was due and could not be done, for example without a connection, is looked at again after this time."""


def due(state: State) -> list[Claim]:
    """The claims of which something is due or has changed, each once."""
    for claim_id in (*state.looks.due(state.now), *state.soon.due(state.now)):
        claim = state.claims.get(claim_id)
        if claim is not None:
            claim.touch()
    return [claim for claim in state.claims.changed.values() if claim.table is not None]


def look_at_silence(state: State, claims: Iterable[Claim]) -> None:
    """Reconcile silent claims, later give them up."""
    policy, now = state.policy, state.now
    for claim in claims:
        if claim.state is ClaimState.RELEASING:
            _overdue(state, claim)
            continue
        silent = now - claim.heard_at
        _note_silence(state, claim, silent)
        started = claim.synced or claim.restored
        ask_after = policy.silence_s if started else policy.launch_timeout_s
        give_up_after = policy.silence_lost_s if started else 2 * policy.launch_timeout_s
        if silent > give_up_after and state.cluster_of(claim).connected:
            why = m.EXECUTOR_SENT_NOTHING(silent=silent)
            state.emit(KillClaim(claim.id, claim.agent_id.agent, policy.kill_grace_s, claim.agent_id.cluster))
            failed(state, claim, why)
            _give_up(state, claim, why)
        elif silent > ask_after and now - claim.asked_at > ask_after and state.cluster_of(claim).connected:
            claim.asked_at = now
            state.emit(Reconcile(((claim.id, claim.agent_id.agent),), claim.agent_id.cluster))


def _give_up(state: State, claim: Claim, why: str) -> None:
    """Nobody has said that it ended."""
    state.agent(claim.agent_id).doubtful.update(claim.ids.of(GPUS))
    ended(state, claim, why)


def let_go(state: State, claims: Iterable[Claim]) -> None:
    """End claims whose time is over, and idle claims after every waiting task had its chance to use them."""
    for claim in claims:
        if claim.id in state.unfilled:
            continue  # in the next call
        if claim.state is ClaimState.OPEN and claim.worked and (
                state.now - claim.opened_at >= state.policy.claim_worklife_s):
            claim.move(ClaimState.DRAINING)
        if (claim.state in (ClaimState.OPEN, ClaimState.DRAINING) and claim.synced and not claim.attempts
                and _may_go(state, claim)):
            release_when_sent(state, claim)


def arm(state: State, claim: Claim) -> None:
    """Set when the claim is looked at next if nothing about it changes before. An earlier time may be set already: then
    it is looked at once in vain.
    """
    times = [at if at > state.now else state.now + AGAIN_S for at in _times(state, claim)]
    if times:
        state.looks.arm(claim.id, min(times))
    if claim.held and claim.publishing and claim.publishing_until > state.now:
        state.soon.arm(claim.id, claim.publishing_until)
    else:
        state.soon.disarm(claim.id)


def _times(state: State, claim: Claim) -> Iterator[float]:
    """When something becomes due, by each of the rules above and that of `claims.answer`."""
    policy = state.policy
    if claim.state is ClaimState.RELEASING:
        yield max(claim.releasing_since + (policy.release_s if claim.synced else policy.starting_s),
                  claim.asked_at + policy.release_s)
        yield claim.releasing_since + 2 * policy.release_s
        return
    started = claim.synced or claim.restored
    ask_after = policy.silence_s if started else policy.launch_timeout_s
    yield max(claim.heard_at, claim.asked_at) + ask_after
    yield claim.heard_at + (policy.silence_lost_s if started else 2 * policy.launch_timeout_s)
    if not claim.silence_noted and (claim.attempts or not claim.synced):
        yield claim.heard_at + policy.hold_s + policy.silence_note_s
    if claim.held:
        yield claim.heard_at + policy.hold_s
    if claim.state is ClaimState.OPEN and claim.worked:
        yield claim.opened_at + policy.claim_worklife_s
    if claim.synced and not claim.attempts:
        yield claim.idle_since + policy.claim_idle_s


def _note_silence(state: State, claim: Claim, silent: float) -> None:
    """An executor syncs again right after each answer: a silent one is stopped, disconnected, or very slow."""
    if claim.silence_noted or silent < state.policy.hold_s + state.policy.silence_note_s:
        return
    if claim.synced and not claim.attempts:
        return
    claim.silence_noted = True
    if claim.synced or claim.restored:
        running = m.ONE_TASK_RUNS() if len(claim.attempts) == 1 else m.SOME_TASKS_RUN(count=len(claim.attempts))
        text = m.EXECUTOR_SILENT(
            agent=claim.hostname, tasks=running, silent=silent, limit=state.policy.silence_lost_s)
    else:
        text = m.EXECUTOR_STARTING(agent=claim.hostname, silent=silent, limit=2 * state.policy.launch_timeout_s)
    state.note("warning", text)


def _may_go(state: State, claim: Claim) -> bool:
    """Whether an empty claim has no reason to stay."""
    if claim.state is ClaimState.DRAINING:
        return True
    if claim.solo_task is not None:
        record = state.tasks.get(claim.solo_task)
        return record is None or record.state is not TaskState.WAITING or record.user_holds
    if state.complete and not state.tasks:
        return True
    return state.now - claim.idle_since >= state.policy.claim_idle_s


def _overdue(state: State, claim: Claim) -> None:
    waited = state.now - claim.releasing_since
    release_s = state.policy.release_s
    if waited > 2 * release_s:
        state.note("warning", m.CLAIM_NOT_ENDED(claim=claim.id, agent=claim.hostname, waited=waited))
        _give_up(state, claim, m.CLAIM_STUCK())
    elif waited > (release_s if claim.synced else state.policy.starting_s) and state.now - claim.asked_at > release_s:
        claim.asked_at = state.now
        state.emit(KillClaim(claim.id, claim.agent_id.agent, state.policy.kill_grace_s, claim.agent_id.cluster))
