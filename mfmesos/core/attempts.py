"""An attempt as a message to its executor, and as a record for the history once it has ended."""
from __future__ import annotations

from mfmesos.core.actions import ReportAttempt
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Resources, StagedInput
from mfmesos.core.needs import OVERRIDE
from mfmesos.core.records import TaskRecord
from mfmesos.core.state import State
from mfmesos.shared import wire

CONTENDED = 0.1
"""An attempt that waited for CPUs for a larger share of its wall time ran beside other computing processes."""


def run_message(state: State, record: TaskRecord) -> wire.Run:
    """The attempt's message to its executor."""
    record.copies = record.kind.category in state.writers
    given, asked, claim = record.allocation, record.task.request, state.claims[record.claim_id].resources
    return wire.Run(
        attempt=record.attempt_id,
        command=record.task.command,
        inputs=[
            wire.Input(i.name, i.digest, i.size, i.mode, i.kind, _stays(state, record, i), i.mtime_ns, i.sparse,
                       i.url, i.tag, i.late, i.temporary, i.in_place)
            for i in record.inputs
        ],
        outputs=list(record.task.outputs),
        workdir=state.policy.workdir,
        cores=given.cores, memory_mb=given.memory_mb, disk_mb=given.disk_mb,
        limit_memory_mb=record.limit_memory_mb, limit_disk_mb=record.limit_disk_mb,
        limit_wall_s=record.task.request.wall_s,
        env=dict(record.task.env),
        rewrite=state.policy.rewrite, gpus=given.gpus,
        # The next attempt's outputs would be mixed with them.
        keep_partial=state.policy.keep_partial and record.own_failures >= record.task.retried(state.policy.retries),
        most_memory_mb=_most(state, asked.memory_mb, record.limit_memory_mb, claim.memory_mb),
        most_disk_mb=_most(state, asked.disk_mb, record.limit_disk_mb, claim.disk_mb),
        copies=record.copies,
        keep=[o for o in delivered(record) if record.task.read is None or o in record.task.read],
        temporary=list(record.task.temporary),
        discard=[o for o in record.task.outputs if o not in record.task.temporary] if record.again else [],
        others=dict(given.others), keep_failed_mb=state.policy.keep_failed_mb,
        given={name: list(ids) for name, ids in record.parts[0].given},
    )


def delivered(record: TaskRecord) -> tuple[str, ...]:
    """The outputs that its attempt delivers."""
    outputs, temporary = record.task.outputs, record.task.temporary
    return () if record.again else outputs if not temporary else tuple(o for o in outputs if o not in temporary)


def _stays(state: State, record: TaskRecord, item: StagedInput) -> bool:
    """Whether other tasks need the input in the claim, or may need it."""
    if item.temporary or state.digests[item.digest] > 1 or item.name in record.task.also_read:
        return True
    return record.task.read is None and state.near.bytes_at(((item.digest, item.size),), record.claim_id) > 0


def _most(state: State, declared: float | None, limit: float | None, whole: float) -> float | None:
    """How far the attempt may exceed its limit while its claim has free resources; None: not at all, since it was
    declared.
    """
    if limit is None or (declared is not None and (state.policy.estimates != OVERRIDE or limit >= declared)):
        return None
    return whole if declared is None else min(declared, whole)


def attempt_over(record: TaskRecord, reason: str, result: wire.Result | None) -> ReportAttempt:
    """The report of an attempt before another of the same task."""
    return ReportAttempt(
        record.task, record.attempt_id, record.attempts, record.claim_id, record.assigned_at, reason, result,
        record.allocation, record.limit_memory_mb, record.limit_disk_mb)


def as_attempt(record: TaskRecord, result: wire.Result, host: str, signature: str) -> Attempt:
    """The attempt's record for the history."""
    task, given, used = record.task, record.allocation, result.usage
    outcome = f"exhausted:{result.resource}" if result.outcome == wire.EXHAUSTED else result.outcome
    return Attempt(
        0.0, record.kind.category, outcome, signature=signature,
        context=record.kind.context, input_mb=record.kind.input_mb, requested_cores=task.request.cores,
        requested_memory_mb=task.request.memory_mb, requested_disk_mb=task.request.disk_mb,
        allocated_cores=given.cores, allocated_memory_mb=given.memory_mb, allocated_disk_mb=given.disk_mb,
        measured_cores=_cores(used, given), measured_memory_mb=used.memory_mb, measured_disk_mb=used.disk_mb,
        wall_s=used.wall_s, cpu_s=used.cpu_s, exit_code=result.exit_code, host=host,
        resources=given.rest(), measured_gpu_memory_mb=used.gpu_memory_mb or None)


def _cores(used: wire.Usage, given: Resources) -> float | None:
    """A measurement beside other computing processes shows that a task needs as much, not that less would do."""
    contended = used.wait_s > CONTENDED * used.wall_s
    return None if contended and used.cores < given.cores else used.cores
