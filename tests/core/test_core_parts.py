"""Attempts with several parts: their ids, and how they are assigned, saved, given back and restored."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core import tasks
from mfmesos.core.attemptid import AttemptId, attempt_id, attempt_stem, parsed
from mfmesos.core.model import Resources, SavedPart, Task
from mfmesos.core.policy import Policy
from mfmesos.core.states import TaskState

SIZE = Resources(1, 100, 50)


@given(st.integers(0, 10**9), st.text("0123456789abcdef", max_size=6), st.integers(1, 999), st.integers(0, 999))
def test_an_id_says_what_it_is_of(task: int, nonce: str, number: int, part: int):
    """Built and parsed in one place; the first part of an attempt has its id, as before there were parts."""
    text = attempt_id(attempt_stem(task, nonce), number, part)
    assert parsed(text) == AttemptId(task, nonce, number, part)
    assert str(parsed(text)) == text
    assert attempt_id(attempt_stem(task, nonce), number) == text.partition(".p")[0]


@pytest.mark.parametrize("text", ["", "7", "7.", "7.ab", "x.ab.1", "7.ab.1.p", "7.ab.1.2.3", "7.ab.1.px", " 7.ab.1"])
def test_no_id(text: str):
    with pytest.raises(ValueError, match=r"^"):
        parsed(text)


def two_parts() -> tuple[World, str, str]:
    """A task in two claims on two agents; the names of both."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), {"a1": Resources(1, 200, 200), "a2": Resources(1, 200, 200)})
    world.submit(1, 2)
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    state = world.core.state
    first, second = list(state.claims.values())
    for record in list(state.tasks.values()):
        tasks.end(state, record, TaskState.WITHDRAWN, "room for a task of two parts")
    tasks.submit(state, ev.TaskSubmitted(Task(3, "both")))
    record = state.tasks[3]
    state.queue.remove(record)
    record.attempts = 1
    state.out.clear()
    tasks.assign(state, record, first, SIZE, [(second, SIZE)])
    state.under_way.add(record, record.shape())
    return world, first.id, second.id


def test_each_part_holds_its_room():
    """Each in its claim, under its own id; each claim gets the permit of its part alone. All go together."""
    world, first, second = two_parts()
    state = world.core.state
    record = state.tasks[3]
    assert [(a.claim_id, a.attempt_id) for a in state.out if isinstance(a, act.PermitAttempt)] == [
        (first, "3.1"), (second, "3.1.p1")]
    assert [list(claim.attempts) for claim in state.claims.values()] == [["3.1"], ["3.1.p1"]]
    assert all(claim.free == claim.resources - SIZE for claim in state.claims.values())
    assert tasks.current(state, state.claims[second], "3.1.p1") is record
    assert tasks.current(state, state.claims[first], "3.1.p1") is None
    assert tasks.current(state, state.claims[second], "3.1") is None
    tasks.lost(state, record, "gone")
    assert [list(claim.attempts) for claim in state.claims.values()] == [[], []]
    assert all(claim.free == claim.resources for claim in state.claims.values())
    assert (record.state, record.claim_id, len(record.parts)) == (TaskState.WAITING, "", 1)


@pytest.mark.parametrize("lost", [False, True])
def test_parts_are_restored_together(lost: bool):
    """All of them from one saved task; if the claim of one was not saved, the task waits again."""
    world, first, second = two_parts()
    saved = world.core.state.tasks[3].saved()
    assert (saved.claim_id, saved.parts) == (first, (SavedPart(second, SIZE),))
    world.saved_tasks = {3: saved}
    world.stated = {}
    if lost:
        del world.saved_claims[second]
    world.restart()
    record = world.core.state.tasks[3]
    if lost:
        assert (record.state, record.claim_id) == (TaskState.WAITING, "")
    else:
        assert [(part_id, part.claim_id) for part_id, part in record.part_ids()] == [("3.1", first), ("3.1.p1", second)]
        assert record.state is TaskState.ASSIGNED
