"""Copies of temporary outputs: made in claims, brought to the scheduler when a task elsewhere needs them, dropped."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mfmesos.core.actions import DropTask, DropTemporary, ReceiveTemporary, SaveTask
from mfmesos.core.claim_table import Claim
from mfmesos.core.model import MadeTemporary, SavedTask, StagedInput
from mfmesos.core.records import TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.core.temporary_table import Temporary
from mfmesos.shared import wire
from mfmesos.shared.kept_files import Kept, pin
from mfmesos.shared.messages import core as m

WITH_COPIES = (ClaimState.OPEN, ClaimState.DRAINING)
"""Claims that can still send what they have."""


def made(state: State, maker: TaskRecord) -> None:
    """The task has finished: its temporary outputs are where it ran."""
    table, claim = state.temporaries, state.claims.get(maker.claim_id)
    kept = {one.name: one for one in maker.result.kept} if maker.result is not None else {}
    for name in maker.task.temporary:
        one = table.by_name.get(name)
        if one is None or one.maker != maker.task.id:
            one = table.by_name[name] = Temporary(name, maker.task.id)
        if one.holders or one.here:
            if claim is not None and name in kept:  # another output of it was lost
                claim.unpin(pin(maker.attempt_id, kept[name].digest))
        elif name in kept:
            _is_at(state, one, kept[name], claim, maker.attempt_id)
        table.changed(name)
    maker.result = None
    table.retain(maker)
    save(state, maker)
    for one in table.of(maker):
        if not one.wanted:
            drop(state, one)
    forget(state, maker)


def _is_at(state: State, one: Temporary, kept: Kept, claim: Claim | None, attempt_id: str) -> None:
    one.file = StagedInput(one.name, kept.digest, kept.size, kept.mode & 0o777, mtime_ns=kept.mtime_ns,
                           sparse=kept.sparse, temporary=True)
    if state.temporaries.makers.get(one.maker) is None:
        state.temporaries.kept.add(one)
    if claim is None or claim.state not in WITH_COPIES:
        return
    state.temporaries.hold(one, claim.id, attempt_id)
    one.crowded = kept.crowded
    if one.crowded:
        ask(state, one)


def made_again(state: State, maker: TaskRecord, problem: str) -> None:
    """An attempt to make its temporary outputs again has ended for good."""
    table = state.temporaries
    for name in maker.temporaries:
        read = table.by_name.get(name)
        if read is not None:
            read.again_for.discard(maker.task.id)
            if not read.wanted:
                drop(state, read)
    if maker.state is TaskState.FINISHED:
        maker.again = False
        made(state, maker)
        return
    for one in table.of(maker):
        one.hopeless = m.TEMPORARY_NOT_REMADE(name=one.name, task=maker.task.id, why=problem)
        table.changed(one.name)
    table.makers.pop(maker.task.id, None)
    state.emit(DropTask(maker.task.id))


def saved(state: State, maker: TaskRecord) -> SavedTask:
    """As stored in the journal while it may have to run again."""
    made_now = tuple(MadeTemporary(one.file, dict(one.holders), one.here) for one in state.temporaries.of(maker)
                     if one.file is not None)
    return replace(maker.saved(), made=made_now, finished=maker.state is TaskState.FINISHED)


def restore(state: State, maker: TaskRecord, saved: SavedTask) -> None:
    """The task had finished when the scheduler died; if it ran again, its copies are not known."""
    table = state.temporaries
    for name in maker.task.temporary:
        table.by_name[name] = Temporary(name, maker.task.id)
    for made_before in saved.made:
        one = table.by_name.setdefault(made_before.file.name, Temporary(made_before.file.name, maker.task.id))
        one.file, one.here = made_before.file, made_before.here
        for claim_id, attempt_id in made_before.holders.items():
            if claim_id in state.claims:
                table.hold(one, claim_id, attempt_id)
    table.retain(maker)
    for name in maker.temporaries if saved.again else ():
        if name in table.by_name:
            table.by_name[name].again_for.add(maker.task.id)
    if saved.finished:
        maker.state = TaskState.FINISHED
        state.digests.subtract(i.digest for i in maker.inputs if not i.temporary)
        del state.tasks[maker.task.id]


def save(state: State, maker: TaskRecord) -> None:
    state.emit(SaveTask(saved(state, maker)))


def unwanted(state: State, claim: Claim, result: wire.Result) -> None:
    """The result counts for nothing, and so does what its attempt has kept; unless the result is only repeated, after a
    scheduler died before it could acknowledge it.
    """
    known = {one.digest for one in state.temporaries.held_by(claim.id) if one.holders[claim.id] == result.attempt}
    for kept in result.kept:
        if kept.digest not in known:
            claim.unpin(pin(result.attempt, kept.digest))


def claim_opened(state: State, claim_id: str) -> None:
    """It was restored, and synced: tasks may start where its copies are, and it can send them."""
    for one in state.temporaries.held_by(claim_id):
        state.temporaries.changed(one.name)


def claim_gone(state: State, claim_id: str) -> None:
    """The claim ends: with it go its copies."""
    table = state.temporaries
    for one in table.held_by(claim_id):
        table.let_go(one, claim_id)
        table.changed(one.name)
        maker = table.makers.get(one.maker)
        if maker is not None and maker.state is TaskState.FINISHED:
            save(state, maker)


def lacking(state: State, claim: Claim, digests: Iterable[str]) -> None:
    """The claim was asked for them, or needs them as inputs, and has no good copy; nor has the scheduler, if that claim
    was not to have one: somebody removed its copy.
    """
    table = state.temporaries
    for digest in digests:
        held = table.with_digest(digest, table.held_by(claim.id))
        for one in held:
            _unpin(state, one, claim)
        for one in held or table.with_digest(digest):
            if not held and one.here:
                one.here = False
                state.emit(DropTemporary(digest))
            table.changed(one.name)


def ask(state: State, one: Temporary) -> None:
    """Have a claim send it, unless one was asked already."""
    if one.asked_of in one.holders or one.here or one.file is None:
        return
    for claim_id in one.holders:
        claim = state.claims.get(claim_id)
        if claim is not None and claim.state in WITH_COPIES:
            one.asked_of = claim_id
            claim.ask_for(one.digest)
            state.emit(ReceiveTemporary(claim_id, one.digest, one.file.size))
            return


def received(state: State, digest: str) -> None:
    """The scheduler has a copy."""
    wanted = False
    for one in state.temporaries.with_digest(digest):
        if not one.wanted:
            continue
        if not one.here:
            state.temporaries.brought.add(one)
        wanted, one.here, one.asked_of = True, True, ""
        for claim_id in list(one.holders):
            claim = state.claims.get(claim_id)
            if claim is not None and one.crowded:
                _unpin(state, one, claim)
            elif claim is not None:
                claim.touch()
        state.temporaries.changed(one.name)
        maker = state.temporaries.makers.get(one.maker)
        if maker is not None and maker.state is TaskState.FINISHED:
            save(state, maker)
    if not wanted:
        state.emit(DropTemporary(digest))


def drop(state: State, one: Temporary) -> None:
    """Nobody needs it: remove every copy."""
    table = state.temporaries
    for claim_id in list(one.holders):
        claim = state.claims.get(claim_id)
        if claim is not None:
            _unpin(state, one, claim)
        else:
            table.let_go(one, claim_id)
    if one.here and not any(other.here and other is not one for other in table.with_digest(one.digest)):
        state.emit(DropTemporary(one.digest))
    one.here, one.file, one.asked_of = False, None, ""


def forget(state: State, maker: TaskRecord) -> None:
    """Forget it, and the makers of what it reads, if they need never run again."""
    waiting = [maker]
    while waiting:
        one = waiting.pop()
        if not state.temporaries.forgettable(one):
            continue
        if one.state is not TaskState.FINISHED:
            state.temporaries.surplus[one.task.id] = one
            continue
        waiting += state.temporaries.forget(one)
        state.emit(DropTask(one.task.id))


def pins(state: State, claim: Claim) -> list[str]:
    """All that the claim must keep, for the answer that is being made."""
    claim.pins_named = claim.number
    return [pin(one.holders[claim.id], one.digest) for one in state.temporaries.held_by(claim.id)]


def _unpin(state: State, one: Temporary, claim: Claim) -> None:
    attempt_id, digest = one.holders[claim.id], one.digest
    state.temporaries.let_go(one, claim.id)
    if not any(other.holders.get(claim.id) == attempt_id
               for other in state.temporaries.with_digest(digest, state.temporaries.held_by(claim.id))):
        claim.unpin(pin(attempt_id, digest))


def hold_back(state: State, claim: Claim) -> bool:
    """Whether the claim, which could end, must stay until it has sent temporary outputs that nobody else has."""
    only = [one for one in state.temporaries.held_by(claim.id)
            if one.wanted and not one.here and len(one.holders) == 1]
    if not only:
        claim.held_back_since = None
        return False
    if claim.held_back_since is None:
        claim.held_back_since = state.now
    for one in only:
        ask(state, one)
    return state.now - claim.held_back_since < state.policy.send_s
