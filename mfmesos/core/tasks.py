"""The life of a task: submitted, tried, retried, reported once."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mfmesos.core import asked, demand, outcomes, rankings, steering, temporaries, trust, usage
from mfmesos.core.actions import (
    DropTask,
    PermitAttempt,
    PublishOutputs,
    RecordAttempt,
    ReportTask,
    SaveTask,
    WithdrawPermit,
)
from mfmesos.core.attempt_record import WROTE_INPUT, Attempt
from mfmesos.core.attemptid import attempt_id, attempt_stem
from mfmesos.core.attempts import as_attempt, attempt_over, delivered
from mfmesos.core.claim_table import Claim
from mfmesos.core.events import OutputsRefused, TaskRefused, TaskSubmitted
from mfmesos.core.model import Ids, Resources, StagedInput, Task
from mfmesos.core.nearness import LARGE_BYTES, large
from mfmesos.core.needs import OFF
from mfmesos.core.outcomes import Decision, Verdict
from mfmesos.core.records import NOWHERE, Kind, Part, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.shared import wire
from mfmesos.shared.messages import core as m

MB = 2**20
PUBLISHING_S = 0.02
"""Small outputs are published sooner; an answer waits no longer for the outputs of an ended attempt."""


def submit(state: State, event: TaskSubmitted) -> None:
    task = event.task
    if task.id in state.restored:
        return  # it is known already, or has ended since
    if task.id in state.tasks:
        state.note("warning", m.TASK_TWICE(task=task.id), task.id)
        return
    state.order += 1
    state.first_at = state.now if state.first_at is None else state.first_at
    record = new_record(state, task, event.inputs, state.order, state.last_category)
    record.temporaries = event.temporaries
    enqueue(state, record)
    unwanted = _unwanted(state, task) or state.nothing_new
    if unwanted:
        end(state, record, TaskState.WITHDRAWN, unwanted)
        return
    beyond = steering.beyond_bounds(state, record.task.request) or asked.beyond_counters(state.policy, record)
    if beyond:
        end(state, record, TaskState.FAILED, beyond)


def enqueue(state: State, record: TaskRecord) -> None:
    """It waits, and starts nowhere before it is known where its temporary inputs are."""
    steering.apply(state, record)
    if record.temporaries:
        record.at = NOWHERE
        state.temporaries.wait(record)
    state.queue.add(record)
    state.changes.note(record.task.id)


def _unwanted(state: State, task: Task) -> str:
    """Why the task must not start, or empty."""
    if steering.is_cancelled(state, task.id):
        return m.CANCELLED_BY_USER()
    return state.stopping or (m.TASK_CANCELLED() if task.id in state.unwanted else "")


def new_record(
    state: State, task: Task, inputs: tuple[StagedInput, ...], order: int, context: str,
) -> TaskRecord:
    """A task that is new to the core; it is in no queue yet."""
    category, input_mb = state.needs.category(task), sum(_copied(i) for i in inputs) / MB
    state.needs.expect(category)
    kind = state.kinds.of(Kind(category, context, input_mb, state.needs.known(task.command, input_mb)))
    record = TaskRecord(task, inputs, state.now, order, kind, attempt_stem(task.id, state.policy.nonce),
                        signature="" if task.category else state.needs.signature(task),
                        estimated=state.policy.estimates != OFF, large=large(inputs),
                        requested=steering.requests_all(state, task.request), attempts=state.tried.pop(task.id, 0))
    ordering = state.policies.ordering
    record.group, record.key = ordering.group(record), ordering.key(record)
    record.placement = rankings.of_task(state, task, kind.category)
    asked.complete(state.policy, record)
    state.last_category = kind.category
    state.tasks[task.id] = record
    if inputs:
        state.digests.update(i.digest for i in inputs if not i.temporary)
    return record


def _copied(item: StagedInput) -> int:
    """Bytes of the input on the agent's own disk, as far as known."""
    return 0 if item.in_place else max(item.size, 0)


def refuse(state: State, event: TaskRefused) -> None:
    """The task cannot start, for example because of a missing input. A restored task runs already, or has ended."""
    if event.task.id in state.restored or event.task.id in state.tasks:
        return
    cancelled = steering.is_cancelled(state, event.task.id)
    if cancelled or event.task.id in state.unwanted:
        state.unwanted.discard(event.task.id)
        state.counts[TaskState.WITHDRAWN] += 1
        state.emit(ReportTask(
            event.task, finished=False, withdrawn=True, reason=_unwanted(state, event.task) or m.TASK_CANCELLED(),
            cancelled=cancelled, category=state.needs.category(event.task)))
        return
    state.counts[TaskState.FAILED] += 1
    state.emit(ReportTask(
        event.task, finished=False, reason=event.reason, exit_code=1, category=state.needs.category(event.task)))


def withdraw(state: State, task_id: int, why: str) -> None:
    record = state.tasks.get(task_id)
    if record is None:
        if task_id not in state.restored:
            state.unwanted.add(task_id)
    elif record.state is TaskState.PUBLISHING:
        state.unwanted.add(task_id)  # it finishes, unless its outputs are refused
    else:
        claim = state.claims.get(record.claim_id)
        if claim is not None:
            claim.recall(record.attempt_id)
        end(state, record, TaskState.WITHDRAWN, why)


def start_attempt(state: State, record: TaskRecord, claim: Claim, allocation: Resources) -> None:
    """Assign a waiting task to a claim, where it holds resources from now on."""
    shape = state.queue.remove(record)
    need = state.need(shape)
    state.temporaries.started(record)
    record.attempts += 1
    record.limit_memory_mb, record.limit_disk_mb = need.memory_mb, need.disk_mb
    assign(state, record, claim, allocation)
    state.under_way.add(record, shape)
    if claim.solo_task is None:
        state.mix.started(record.kind.category, allocation, record.task.request, state.now)
    state.claims.touch_own(record.task.id)
    state.emit(SaveTask(record.saved()))


def assign(state: State, record: TaskRecord, claim: Claim, allocation: Resources,
           more: Sequence[tuple[Claim, Resources]] = (), given: Sequence[Ids] = ()) -> None:
    """Record the attempt as the claim's; `more`: its other parts, each in a claim of its own. All are saved together,
    before any of them may get its inputs. `given`: what each part has by id already.
    """
    record.move(TaskState.ASSIGNED, state.now, claim.id)
    state.changes.note(record.task.id)
    record.attempt_id = attempt_id(record.stem, record.attempts)
    record.assigned_at = state.now
    parts = []
    for number, (where, amount) in enumerate(((claim, allocation), *more)):
        part_id = attempt_id(record.stem, record.attempts, number)
        ids = where.take(part_id, record.task.id, amount, given[number] if given else ())
        parts.append(Part(where.id, where.agent_id, amount, ids))
        for digest, _ in record.large:
            if state.digests[digest] > 1:  # otherwise it need not stay there
                state.near.add(where.id, digest)
        state.emit(PermitAttempt(where.id, part_id, record.task, record.inputs, delivered(record)))
    record.parts = tuple(parts)
    usage.begins(state, record)


def current(state: State, claim: Claim, attempt_id: str) -> TaskRecord | None:
    """The task whose current attempt this is, in this claim; None: the attempt is stale."""
    record = state.tasks.get(claim.attempts.get(attempt_id, -1))
    if record is None:
        return None
    if record.attempt_id == attempt_id and record.claim_id == claim.id:
        return record
    further = len(record.parts) > 1 and (attempt_id, claim.id) in ((i, p.claim_id) for i, p in record.part_ids())
    return record if further else None


def leave_claim(state: State, record: TaskRecord) -> None:
    """The current attempt releases its resources, and its later messages are ignored."""
    state.under_way.remove(record)
    usage.ends(state, record)
    for part_id, part in record.part_ids():
        claim = state.claims.get(part.claim_id)
        if claim is not None:
            claim.drop(part_id, part.allocation, state.now, part.given)


def attempt_ended(state: State, claim: Claim, record: TaskRecord, result: wire.Result) -> None:
    """A result of the current attempt arrived."""
    claim.took(result.usage.wall_s)
    if result.outcome in (wire.FINISHED, wire.FAILED, wire.EXHAUSTED):
        attempt = _as_attempt(state, record, result, claim)
        state.needs.learn(attempt)
        demand.learned(state, attempt)
        state.emit(RecordAttempt(attempt))
        claim.broken = 0
    if result.outcome == wire.FINISHED:
        state.policies.ordering.finished(record.group, result.usage.wall_s)
        for kept in result.kept:
            if kept.size >= LARGE_BYTES:
                state.near.add(claim.id, kept.digest)
        record.move(TaskState.PUBLISHING, state.now)
        state.changes.note(record.task.id)
        record.result = result
        if not claim.publishing:
            claim.publishing_until = state.now + PUBLISHING_S
        claim.publishing.add(record.attempt_id)
        state.publishing[record.attempt_id] = record.task.id
        state.emit(PublishOutputs(claim.id, record.attempt_id))
        return
    if result.wrote_input:
        _wrote_input(state, claim, record, result)
    agent = state.agent(claim.agent_id, claim.hostname)
    decision = outcomes.decide(
        record, result, state.largest_agent(), state.policy, state.needs, agent, state.reserved)
    carry_out(state, record, decision, result)
    if decision.blames_cluster:
        claim.broken += result.outcome == wire.BROKEN
        avoided = trust.blame(state, agent, result.reason)
        if (avoided or trust.breaks_all(claim)) and claim.state is ClaimState.OPEN:
            drain(state, claim)
    elif result.outside:
        agent.failed_last = state.now  # other agents are preferred for the task: they may reach what this one does not


def _as_attempt(state: State, record: TaskRecord, result: wire.Result, claim: Claim) -> Attempt:
    signature = record.signature or state.needs.signature(record.task)
    return as_attempt(record, result, claim.hostname, f"{signature}.{state.needs.exact(record.task.command)}")


def _wrote_input(state: State, claim: Claim, record: TaskRecord, result: wire.Result) -> None:
    """From now on tasks of its category get copies, in later runs as well."""
    category = record.kind.category
    if category in state.writers:
        return
    state.writers.add(category)
    state.note("warning", m.INPUT_WRITTEN(category=category, name=result.wrote_input), record.task.id)
    attempt = _as_attempt(state, record, result, claim)
    state.emit(RecordAttempt(replace(attempt, outcome=WROTE_INPUT)))


def remember(state: State, attempts: Iterable[Attempt]) -> None:
    """Attempts of earlier runs, oldest first."""
    known = tuple(attempts)
    state.writers.update(a.category for a in known if a.outcome == WROTE_INPUT)
    state.needs.remember(known)


def drain(state: State, claim: Claim) -> None:
    """The claim gets no more attempts; those that its executor has not received return to the queue, at no cost."""
    claim.move(ClaimState.DRAINING)
    for unsent in list(claim.unsent):
        record = current(state, claim, unsent)
        if record is not None:
            take_back(state, claim, record, m.ATTEMPT_NOT_SENT())


def take_back(state: State, claim: Claim, record: TaskRecord, why: str) -> None:
    """The task waits again, whatever happened to the attempt."""
    claim.recall(record.attempt_id)
    state.emit(WithdrawPermit(claim.id, record.attempt_id))
    state.emit(attempt_over(record, why, None))
    leave_claim(state, record)
    wait_again(state, record, why)


def outputs_published(state: State, attempt_id: str) -> None:
    record = _publishing(state, attempt_id)
    if record is None:
        return
    claim = _settle(state, record)
    if claim is not None:
        trust.praise(state.agent(claim.agent_id))
    if record.deaths:
        for agent_id in record.failed_at:
            if agent_id != record.agent_id:
                trust.blame(state, state.agent(agent_id), m.EXECUTOR_DIED_THERE())
    end(state, record, TaskState.FINISHED)


def outputs_refused(state: State, event: OutputsRefused) -> None:
    """Received, but not published. A full disk on this machine is nobody's failure: the task runs again when space may
    be free. Any other problem on this machine fails the task: a retry would end the same way.
    """
    record = _publishing(state, event.attempt_id)
    if record is None:
        return
    _settle(state, record)
    result, record.result = record.result, None
    claim = state.claims.get(record.claim_id)
    if claim is not None and result is not None:
        temporaries.unwanted(state, claim, result)
    if event.full:
        state.paused_until = state.now + state.policy.full_pause_s
        state.note("warning", m.DISK_FULL_PAUSE(why=event.reason), every_s=60.0)
        decision = Decision(Verdict.RETRY, event.reason)
    elif event.local:
        decision = Decision(Verdict.GIVE_UP, event.reason)
    else:
        decision = outcomes.after_cluster_failure(
            record, event.reason, state.policy.cluster_retries, state.agent(record.agent_id))
    carry_out(state, record, decision, result)


def _settle(state: State, record: TaskRecord) -> Claim | None:
    """The fate of its outputs is known: the next answer acknowledges the attempt. Not earlier: if the scheduler dies
    while publishing, the next scheduler gets the result again.
    """
    claim = state.claims.get(record.claim_id)
    if claim is not None:
        claim.acknowledge(record.attempt_id)
    return claim


def _publishing(state: State, attempt_id: str) -> TaskRecord | None:
    record = state.tasks.get(state.publishing.pop(attempt_id, 0))
    if record is None or record.attempt_id != attempt_id or record.state is not TaskState.PUBLISHING:
        return None
    return record


def lost(state: State, record: TaskRecord, reason: str) -> None:
    """The cluster lost the current attempt, with its claim or alone."""
    decision = outcomes.after_cluster_failure(
        record, reason, state.policy.cluster_retries, state.agent(record.agent_id))
    carry_out(state, record, decision, None)


def carry_out(state: State, record: TaskRecord, decision: Decision, result: wire.Result | None) -> None:
    if decision.verdict is Verdict.GIVE_UP:
        end(state, record, TaskState.FAILED, decision.reason, result)
        return
    unwanted = _unwanted(state, record.task)
    if unwanted:  # since its outputs began to be published
        end(state, record, TaskState.WITHDRAWN, unwanted)
        return
    state.note_alike(f"again at {record.agent_id.cluster} {record.agent_id.agent}", "info",
                     m.ATTEMPT_RETRIED(attempt=record.attempt_id, why=decision.reason), record.task.id)
    state.emit(WithdrawPermit(record.claim_id, record.attempt_id))
    state.emit(attempt_over(record, decision.reason, result))
    leave_claim(state, record)
    wait_again(state, record, decision.reason)


def wait_again(state: State, record: TaskRecord, why: str) -> None:
    """It holds no resources any more, and is retried."""
    record.move(TaskState.WAITING, state.now, why)
    record.parts, record.waiting_since = (record.parts[0]._replace(claim_id="", given=()),), state.now
    enqueue(state, record)
    state.emit(SaveTask(record.saved()))


def end(
    state: State, record: TaskRecord, how: TaskState, reason: str = "", result: wire.Result | None = None,
) -> None:
    """The only exit: the task is reported and forgotten, and its resources are free."""
    task, result = record.task, result or record.result
    if record.state is TaskState.WAITING:
        state.queue.remove(record)
        state.temporaries.started(record)
    else:
        if how is not TaskState.FINISHED:
            state.emit(WithdrawPermit(record.claim_id, record.attempt_id))
        leave_claim(state, record)
    record.move(how, state.now, reason)
    del state.tasks[task.id]
    state.changes.note(task.id)
    state.claims.touch_own(task.id)
    state.unwanted.discard(task.id)
    for digest in [i.digest for i in record.inputs if not i.temporary]:
        state.digests[digest] -= 1
        if state.digests[digest] <= 0:
            del state.digests[digest]
    if record.again:
        temporaries.made_again(state, record, reason)
        return
    state.counts[how] += 1
    state.emit(ReportTask(
        task, finished=how is TaskState.FINISHED, withdrawn=how is TaskState.WITHDRAWN, reason=reason,
        cancelled=how is TaskState.WITHDRAWN and steering.is_cancelled(state, task.id),
        exit_code=_exit_code(how, result), result=result, allocation=record.allocation,
        attempts=record.attempts, claim_id=record.claim_id, category=record.kind.category,
        attempt_id=record.attempt_id, inputs=record.inputs, story=record.story,
        limit_memory_mb=record.limit_memory_mb, limit_disk_mb=record.limit_disk_mb))
    if task.temporary and how is TaskState.FINISHED:
        temporaries.made(state, record)
    elif record.attempts:
        state.emit(DropTask(task.id))


def _exit_code(how: TaskState, result: wire.Result | None) -> int:
    if how is TaskState.FINISHED:
        return 0
    if result is not None and result.signal:
        return 128 + result.signal
    return (result.exit_code if result is not None else None) or 1
