"""The life of a claim: syncs of its executor, reports of Mesos, and its end."""
from __future__ import annotations

from mfmesos.core import attempts, gpu_ids, sharing, tasks, temporaries, trust
from mfmesos.core.actions import (
    AcknowledgeUpdate,
    AnswerSync,
    CloseClaim,
    DropClaim,
    KillClaim,
    WithdrawPermit,
)
from mfmesos.core.claim_table import Claim
from mfmesos.core.events import ClaimSynced, ClaimUpdated
from mfmesos.core.model import Resources
from mfmesos.core.reasons import EXECUTOR_ENDED, LIMITS, about_user, explain
from mfmesos.core.records import TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared import wire
from mfmesos.shared.messages import core as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.slices import of_slice

ENDED_STATES = frozenset({
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
    "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN",
})
NEVER_RAN = frozenset({"TASK_ERROR", "TASK_DROPPED"})


def synced(state: State, event: ClaimSynced) -> None:
    """Process a sync; its answer is held until there is news."""
    claim = state.claims.get(event.claim_id)
    if claim is None:
        state.emit(AnswerSync(event.claim_id, event.seq, wire.SyncAnswer(release=True, acked=[
            r.attempt for r in event.results])))
        return
    if event.seq <= claim.seq:
        state.emit(AnswerSync(claim.id, event.seq, wire.SyncAnswer(superseded=True)))
        return
    if claim.held:
        state.emit(AnswerSync(claim.id, claim.seq, wire.SyncAnswer(superseded=True)))
    if claim.silence_noted:
        claim.silence_noted = False
        state.note("warning", m.EXECUTOR_BACK(agent=claim.hostname))
    claim.seq, claim.held, claim.heard_at = event.seq, True, state.now
    claim.touch()
    claim.number = max(claim.number, event.got)
    claim.synced = True
    if event.protocol != wire.PROTOCOL:
        _of_another_version(state, claim)
        return
    cluster = state.cluster_of(claim)
    cluster.launch_failures = cluster.user_failures = 0
    if claim.state is ClaimState.LAUNCHING:
        claim.move(ClaimState.OPEN)
        claim.idle_since = state.now
        temporaries.claim_opened(state, claim.id)
    for attempt_id in (*event.running, *(r.attempt for r in event.results)):
        claim.unsent.pop(attempt_id, None)  # restored, and its executor had received it
    busy, claim.busy = claim.busy, frozenset()
    for result in event.results:
        _take_result(state, claim, result)
    _compare(state, claim, event)
    if event.devices or claim.devices or busy:
        gpu_ids.reported(state, claim, event.devices, busy)
    claim.confirmed(event.got)
    _compare_slices(claim, event)
    temporaries.lacking(state, claim, event.lacking)
    if event.closing and claim.state in (ClaimState.OPEN, ClaimState.DRAINING):
        release(state, claim)


def _of_another_version(state: State, claim: Claim) -> None:
    """mfmesos was updated in the middle of the run. The two versions do not share the work on an attempt: the claim is
    released, and its attempts run again elsewhere, at no cost.
    """
    if claim.state is ClaimState.RELEASING:
        return
    running = [r for a in claim.attempts if (r := tasks.current(state, claim, a)) is not None]
    state.note("warning", m.CLAIM_OF_ANOTHER_VERSION(
        agent=claim.hostname, tasks=counted(len(running), "task")), every_s=1.0)
    for record in running:
        tasks.take_back(state, claim, record, m.CLAIM_RELEASED())
    release(state, claim)


def _take_result(state: State, claim: Claim, result: wire.Result) -> None:
    claim.to_kill.discard(result.attempt)
    record = tasks.current(state, claim, result.attempt)
    if record is None:
        temporaries.unwanted(state, claim, result)
        claim.attempts.pop(result.attempt, None)
        claim.running.discard(result.attempt)
        state.emit(WithdrawPermit(claim.id, result.attempt))
    elif record.state is not TaskState.PUBLISHING and not (
            sharing.lacking(state, claim, record, result) or gpu_ids.busy(state, claim, record, result)):
        tasks.attempt_ended(state, claim, record, result)
    if record is None or record.state is not TaskState.PUBLISHING:
        claim.acknowledge(result.attempt)


def _compare(state: State, claim: Claim, event: ClaimSynced) -> None:
    """Compare the executor's attempts with the core's."""
    reported = set(event.running)
    ended = {r.attempt for r in event.results}
    for attempt_id in [] if reported <= claim.running else [a for a in event.running if a not in claim.running]:
        record = tasks.current(state, claim, attempt_id)
        if record is None:
            claim.to_kill.add(attempt_id)
            continue
        claim.running.add(attempt_id)
        if record.state is TaskState.ASSIGNED:
            record.move(TaskState.RUNNING, state.now)
            state.changes.note(record.task.id)
    claim.to_kill &= reported
    for attempt_id, number in list(claim.sent.items()):
        if attempt_id in reported or attempt_id in ended:
            del claim.sent[attempt_id]
        elif number > event.got:
            del claim.sent[attempt_id]  # the answer that named it did not arrive
            claim.unsent[attempt_id] = None
    for attempt_id in [] if claim.attempts.keys() <= reported else [a for a in claim.attempts if a not in reported]:
        record = tasks.current(state, claim, attempt_id)
        if record is None or record.state is TaskState.PUBLISHING:
            continue
        if attempt_id not in claim.unsent:
            tasks.lost(state, record, m.ATTEMPT_UNKNOWN())


def _compare_slices(claim: Claim, event: ClaimSynced) -> None:
    """What the executor holds and should not was in an answer that it did not receive, or has not carried out yet."""
    for number in event.slices:
        if number not in claim.slices:
            claim.leaving.setdefault(number, Resources())
            claim.named_slices.discard(number)
    for number in [n for n, part in claim.leaving.items() if part == Resources() and n not in event.slices]:
        del claim.leaving[number]  # its Mesos task had ended before
        claim.named_slices.discard(number)


def answer(state: State, claim: Claim) -> None:
    """Answer the held sync if there is news."""
    if not claim.held:
        return
    releasing = claim.state is ClaimState.RELEASING
    due = state.now - claim.heard_at >= state.policy.hold_s
    give_back = claim.slices_to_name()
    if not (claim.to_ack or claim.to_kill or claim.unsent or claim.to_send or claim.to_drop or give_back or releasing
            or due):
        return
    if claim.publishing and state.now < claim.publishing_until and not releasing:
        return  # wait a moment: one answer will then carry more
    claim.number += 1
    runs = []
    for attempt_id in () if releasing else list(claim.unsent):
        record = tasks.current(state, claim, attempt_id)
        if record is not None:
            runs.append(attempts.run_message(state, record))
            if record.task.shared:
                sharing.add_to(runs[-1], state, record)
            claim.sent[attempt_id] = claim.number
    claim.unsent.clear()
    send, drop = claim.named()
    pins = temporaries.pins(state, claim) if claim.stale_pins else None
    state.emit(AnswerSync(claim.id, claim.seq, wire.SyncAnswer(
        number=claim.number, acked=list(claim.to_ack), run=runs, kill=sorted(claim.to_kill), send=send, drop=drop,
        release=releasing, over=releasing and state.complete and not state.tasks, pins=pins, give_back=give_back)))
    claim.named_slices.update(give_back)
    claim.to_ack.clear()
    claim.held = False


def release(state: State, claim: Claim) -> None:
    """Release the claim with its next sync; its running tasks return to the queue unless they ended. A claim whose
    executor is still starting gets a moment: an executor that is killed while it starts leaves its files on the agent.
    """
    if claim.state in (ClaimState.RELEASING, ClaimState.ENDED):
        return
    claim.move(ClaimState.RELEASING)
    claim.releasing_since = state.now
    temporaries.claim_gone(state, claim.id)
    _requeue(state, claim, m.CLAIM_RELEASED())


def updated(state: State, event: ClaimUpdated) -> None:
    """A status update of the claim's Mesos task. Updates may be late, repeated and out of order."""
    claim = state.claims.get(event.claim_id)
    if claim is None and _of_slice(state, event):
        pass
    elif claim is None:
        if event.state not in ENDED_STATES and event.state != "TASK_UNREACHABLE":
            state.emit(KillClaim(event.claim_id, event.agent_id, state.policy.kill_grace_s, event.cluster))
    elif event.state in ENDED_STATES:
        _claim_over(state, claim, event)
    elif event.state == "TASK_UNREACHABLE":
        state.note("warning", m.AGENT_UNREACHABLE(agent=claim.hostname))
    if event.uuid and event.agent_id:
        state.emit(AcknowledgeUpdate(event.claim_id, event.agent_id, event.uuid, event.cluster))


def _of_slice(state: State, event: ClaimUpdated) -> bool:
    """Whether the update is about a slice of a claim that has it, or gives it back."""
    claim_id, number = of_slice(event.claim_id) or ("", 0)
    claim = state.claims.get(claim_id)
    if claim is None or (number not in claim.slices and number not in claim.leaving):
        return False
    if event.state in ENDED_STATES and number in claim.leaving:
        del claim.leaving[number]
        claim.named_slices.discard(number)
        _given_back(state, claim)
    elif event.state in NEVER_RAN:
        claim.shrink(number)  # of a claim that lives on
        del claim.leaving[number]
    return True


def _given_back(state: State, claim: Claim) -> None:
    """Room of the claim has become free while others wait: a revive has it offered to them at once."""
    cluster = state.cluster_of(claim)
    cluster.manners.given_at, cluster.freed = state.now, True


def _claim_over(state: State, claim: Claim, event: ClaimUpdated) -> None:
    why = explain(event.state, event.reason, event.message)
    if claim.exit_reason:
        why = f"{why}: {claim.exit_reason}"
    suspects = _suspects(state, claim)
    if suspects and event.reason in LIMITS:
        _over_limit(state, claim, suspects, LIMITS[event.reason], why)
    elif suspects and event.state == "TASK_FAILED" and event.reason in EXECUTOR_ENDED:
        _executor_died(state, claim, suspects, why)
    elif claim.state is not ClaimState.RELEASING and (
            event.state != "TASK_FINISHED" or not (claim.synced or claim.restored)):
        failed(state, claim, why)
    ended(state, claim, why)


def failed(state: State, claim: Claim, why: str) -> None:
    """The claim failed by itself: the agent is to blame, and if the claim never synced, perhaps the whole
    configuration.
    """
    never = not (claim.synced or claim.restored)
    cluster = state.cluster_of(claim)
    cluster.user_failures = cluster.user_failures + 1 if never and about_user(why) else 0
    if cluster.user_failures >= trust.IN_A_ROW:
        cluster.hopeless = m.NO_SUCH_USER(agent=claim.hostname, why=why)
        return
    trust.blame(state, state.agent(claim.agent_id, claim.hostname), why)
    if not never:
        return
    if not cluster.launch_failures:
        cluster.launch_failing_since = claim.opened_at
    cluster.launch_failures += 1
    cluster.last_launch_failure = m.EXECUTOR_FAILURE(agent=claim.hostname, why=why)
    if not cluster.user_failures:  # these get one line at the end
        state.note_alike("launch", "warning", m.EXECUTOR_NOT_STARTED(failure=cluster.last_launch_failure))


def _suspects(state: State, claim: Claim) -> list[TaskRecord]:
    """The tasks that may have been running at the end: those that its executor may have received."""
    found = [r for a in claim.attempts if a not in claim.unsent and (r := tasks.current(state, claim, a)) is not None]
    return [r for r in found if r.state is not TaskState.PUBLISHING]


def _over_limit(state: State, claim: Claim, suspects: list[TaskRecord], resource: str, why: str) -> None:
    """The whole container exceeded its memory or disk and was destroyed with all attempts in it. A single task is the
    culprit; among several, the culprit is found by running each alone.
    """
    if len(suspects) > 1:
        _isolate(state, claim, suspects, why)
        return
    (record,) = suspects
    most = max(getattr(record.allocation, f"{resource}_mb"), getattr(claim.resources, f"{resource}_mb"))
    tasks.attempt_ended(state, claim, record, wire.Result(
        record.attempt_id, wire.EXHAUSTED, resource=resource, usage=wire.Usage(**{f"{resource}_mb": most}),
        reason=f"{resource}: {why}"))


def _executor_died(state: State, claim: Claim, suspects: list[TaskRecord], why: str) -> None:
    """The executor ended by itself while tasks ran: perhaps one of them killed it. To find out, each task runs alone; a
    task whose executors then end again is the culprit. The agent is not blamed until that task has finished on another
    agent.
    """
    if len(suspects) > 1:
        state.note("warning", m.EXECUTOR_DIED_AMONG_MANY(
            agent=claim.hostname, tasks=counted(len(suspects), "task"), why=why))
        _isolate(state, claim, suspects, why)
        return
    (record,) = suspects
    record.deaths += 1
    if record.deaths >= state.policy.executor_deaths:
        tasks.end(state, record, TaskState.FAILED, m.TASK_ENDS_EXECUTORS(
            deaths=record.deaths, agent=claim.hostname, why=why))
        return
    state.note_alike("executor", "warning", m.EXECUTOR_DIED_ALONE(
        agent=claim.hostname, task=record.task.id, why=why))
    agent = state.agent(claim.agent_id, claim.hostname)
    agent.failed_last = state.now
    if agent.id not in record.failed_at:
        record.failed_on(agent)
    _isolate(state, claim, suspects, why)


def _isolate(state: State, claim: Claim, suspects: list[TaskRecord], why: str) -> None:
    for record in suspects:
        record.solo = True
        tasks.take_back(state, claim, record, why)


def release_when_sent(state: State, claim: Claim) -> None:
    """Release a claim without attempts, once it has sent the temporary outputs that nobody else has."""
    if not temporaries.hold_back(state, claim):
        release(state, claim)


def give_back(state: State, claim: Claim) -> None:
    """Its tasks wait again, uncharged, except those whose outputs are being published."""
    for attempt_id in list(claim.attempts):
        record = tasks.current(state, claim, attempt_id)
        if record is not None and record.state is not TaskState.PUBLISHING:
            tasks.take_back(state, claim, record, m.CLAIM_RELEASED())


def ended(state: State, claim: Claim, why: str) -> None:
    """The claim is gone, and with it every attempt that had not delivered its outputs."""
    temporaries.claim_gone(state, claim.id)
    _requeue(state, claim, why)
    if claim.held:
        state.emit(AnswerSync(claim.id, claim.seq, wire.SyncAnswer(number=claim.number + 1, release=True)))
    if state.cluster_of(claim).manners.fair is not None:
        _given_back(state, claim)
    claim.move(ClaimState.ENDED)
    state.claims.remove(claim)
    gpu_ids.claim_gone(state, claim)
    state.near.forget(claim.id)
    state.forget_room(claim)
    if state.now < state.agent(claim.agent_id).had_until:
        state.cluster_of(claim).freed = True
    state.emit(CloseClaim(claim.id, claim.isolated if claim.resources.gpus else None))
    state.emit(DropClaim(claim.id))


def _requeue(state: State, claim: Claim, why: str) -> None:
    for attempt_id in list(claim.attempts):
        record = tasks.current(state, claim, attempt_id)
        if record is None or record.state is TaskState.PUBLISHING:
            continue
        if attempt_id in claim.unsent:
            tasks.take_back(state, claim, record, why)  # its executor never received it
        else:
            tasks.lost(state, record, why)
