"""Where tasks with temporary inputs may start, and which finished tasks run again since their temporary outputs are
lost.
"""
from __future__ import annotations

from collections.abc import Iterable

from mfmesos.core import tasks, trust
from mfmesos.core.events import TaskSubmitted
from mfmesos.core.records import NOWHERE, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.core.temporaries import ask, drop, forget
from mfmesos.core.temporary_table import Temporary
from mfmesos.shared.messages import core as m


def remember(state: State, submitted: TaskSubmitted) -> None:
    """An earlier run finished the task; no copy of its temporary outputs is left."""
    task, table = submitted.task, state.temporaries
    if task.id in table.makers or task.id in state.tasks:
        return
    state.order += 1
    maker = tasks.new_record(state, task, submitted.inputs, state.order, state.last_category)
    del state.tasks[task.id]
    state.digests.subtract(i.digest for i in submitted.inputs)
    maker.state, maker.temporaries = TaskState.FINISHED, submitted.temporaries
    for name in task.temporary:
        table.by_name[name] = Temporary(name, task.id)
    table.retain(maker)


def refresh(state: State) -> None:
    """Decide where waiting tasks may start whose temporary inputs have changed, and those that waited long enough."""
    table = state.temporaries
    while table.surplus:
        _, maker = table.surplus.popitem()
        if maker.state is not TaskState.PUBLISHING:
            tasks.withdraw(state, maker.task.id, m.TEMPORARY_UNNEEDED())
    for key in table.patience.due(state.now):
        record = state.tasks.get(int(key))
        if record is not None and record.state is TaskState.WAITING:
            table.due[record.task.id] = record
    while table.due:
        _, record = table.due.popitem()
        if record.state is TaskState.WAITING and state.tasks.get(record.task.id) is record:
            _place(state, record)


def _place(state: State, record: TaskRecord) -> None:
    found = [state.temporaries.by_name.get(name) for name in record.temporaries]
    wanted = [one for one in found if one is not None]
    problem = "" if len(wanted) == len(found) else m.TEMPORARY_UNKNOWN(
        name=next(name for name, one in zip(record.temporaries, found) if one is None))
    lost = [one for one in wanted if not one.here and not one.holders]
    for one in lost:
        problem = problem or _remake(state, one)
    if problem:
        tasks.end(state, record, TaskState.FAILED, problem)
        return
    away = [one for one in wanted if not one.here]
    at = "" if not away else NOWHERE if lost else _common(state, record, away)
    until = record.waiting_since + state.policy.bring_s
    if at == NOWHERE or state.now >= until:
        for one in away:
            ask(state, one)
    elif at:
        state.temporaries.patience.arm(str(record.task.id), until)
    ordinary = tuple(i for i in record.inputs if not i.temporary)
    state.queue.remove(record)
    record.at = at
    record.inputs = (*ordinary, *(one.file for one in wanted if one.file is not None))
    state.queue.add(record)


def _common(state: State, record: TaskRecord, away: list[Temporary]) -> str:
    """The open claim that has all of them and is large enough for the task; NOWHERE if there is none."""
    shape = record.shape()._replace(at="")
    for claim_id in away[0].holders if not record.solo and not state.policy.per_task_claims else ():
        claim = state.claims.get(claim_id)
        if claim is None or claim.state is not ClaimState.OPEN or claim.solo_task is not None:
            continue
        if any(claim_id not in one.holders for one in away) or trust.shunned(state, shape, claim.agent_id):
            continue
        if state.allocation(shape, claim.resources, claim.agent_id).fits_in(claim.resources):
            return claim_id
    return NOWHERE


def _remake(state: State, one: Temporary) -> str:
    """Have its maker run again, unless it does already. Returns why that is not possible, or empty."""
    table, maker = state.temporaries, state.temporaries.makers.get(one.maker)
    if one.hopeless or maker is None:
        return one.hopeless or m.TEMPORARY_UNKNOWN(name=one.name)
    if maker.state is not TaskState.FINISHED:
        return ""
    if maker.remakes >= state.policy.remakes:
        return m.TEMPORARY_LOST_OFTEN(name=one.name, task=maker.task.id, times=maker.remakes)
    reader = table.waiting_for(one.name)
    state.note_alike("remade", "warning", m.TEMPORARY_REMADE(
        name=one.name, task=maker.task.id, reader=reader.task.id if reader is not None else 0), maker.task.id)
    for name in maker.temporaries:
        read = table.by_name.get(name)
        if read is not None:
            read.again_for.add(maker.task.id)
    maker.remakes += 1
    table.remade += 1
    maker.again = True
    maker.own_failures = maker.cluster_failures = 0
    state.tasks[maker.task.id] = maker
    state.digests.update(i.digest for i in maker.inputs if not i.temporary)
    tasks.wait_again(state, maker, m.MADE_AGAIN(name=one.name))
    return ""


def unneeded(state: State, names: Iterable[str]) -> None:
    """The last readers of these have ended."""
    table = state.temporaries
    for name in names:
        one = table.by_name.get(name)
        if one is None:
            continue
        one.needed = False
        if not one.wanted:
            drop(state, one)
        maker = table.makers.get(one.maker)
        if maker is not None:
            forget(state, maker)
