"""Recovery: the state that outlives a scheduler, and how the next scheduler restores it.

The journal holds the open claims and the tasks with attempts; the workflow's own files hold the rest. A saved attempt
is assumed to be with its executor or in transit: the claim's first sync shows whether it arrived, runs or has ended.
"""
from __future__ import annotations

from mfmesos.core import gpu_ids, steering, tasks, temporaries
from mfmesos.core.actions import DropClaim
from mfmesos.core.claim_table import Claim
from mfmesos.core.events import Restored
from mfmesos.core.model import AgentId, SavedTask
from mfmesos.core.state import State


def restore(state: State, event: Restored) -> None:
    """Precedes everything else. A task waits again if its claim was not saved, or is in a cluster that the run does not
    use any more.
    """
    state.steered.update(event.steered)
    for saved in event.claims:
        if saved.cluster not in state.clusters:
            state.emit(DropClaim(saved.id))
            continue
        claim = Claim(saved.id, AgentId(saved.cluster, saved.agent_id), saved.hostname, saved.resources, state.now,
                      saved.solo_task, slices=dict(saved.slices), ids=gpu_ids.restored(state, saved))
        claim.restored = claim.stale_pins = True
        state.claims.add(claim)
    for one in sorted(event.tasks, key=lambda t: t.order):
        _restore_task(state, one)
        state.restored.add(one.task.id)


def _restore_task(state: State, saved: SavedTask) -> None:
    record = tasks.new_record(state, saved.task, saved.inputs, saved.order, saved.context)
    state.order = max(state.order, saved.order)
    record.stem = saved.stem or record.stem
    record.attempts = saved.attempts
    record.own_failures, record.cluster_failures = saved.own_failures, saved.cluster_failures
    record.floor_memory_mb, record.floor_disk_mb = saved.floor_memory_mb, saved.floor_disk_mb
    record.solo, record.deaths = saved.solo, saved.deaths
    clusters = saved.failed_clusters or ("",) * len(saved.failed_at)
    record.failed_at = dict.fromkeys(map(AgentId, clusters, saved.failed_at), 0)
    record.temporaries, record.again, record.remakes = saved.temporaries, saved.again, saved.remakes
    if saved.finished or saved.again:
        temporaries.restore(state, record, saved)
    if saved.finished:
        return
    claim = state.claims.get(saved.claim_id)
    more = [(where, part.allocation) for part in saved.parts if (where := state.claims.get(part.claim_id)) is not None]
    if claim is None or len(more) < len(saved.parts):  # all of its parts, or none
        tasks.enqueue(state, record)
        return
    steering.apply(state, record)
    record.limit_memory_mb, record.limit_disk_mb = saved.limit_memory_mb, saved.limit_disk_mb
    tasks.assign(state, record, claim, saved.allocation, more, (saved.given, *(part.given for part in saved.parts)))
    state.under_way.add(record, record.shape())
