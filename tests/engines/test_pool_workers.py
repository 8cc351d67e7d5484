"""What managers' lists say of the pool's workers."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mfmesos.core.model import Resources
from mfmesos.engines.manager import Listed
from mfmesos.engines.pool_worker import Identity, Program
from mfmesos.engines.pool_workers import JOIN_S, Worker, cannot_join, see, strangers
from mfmesos.engines.survey import View
from mfmesos.shares.pool_values import ManagerStatus

MANAGER = ManagerStatus("p", "h", 9123, tasks_waiting=2)
SIZE = Identity(2, 300, 400)


def worker() -> Worker:
    task = Program("w", "./w", ("w",)).task(7, MANAGER, Resources(*map(float, SIZE)))
    return Worker(task, 0.0, None)


def view(listed: Mapping[Identity, Listed] | None) -> View:
    return View((MANAGER,), {MANAGER.key: None if listed is None else dict(listed)})


def seen(one: Worker, listed: Mapping[Identity, Listed] | None, now: float) -> Worker:
    see([one], view(listed), set(), now)
    return one


@pytest.mark.parametrize(("listed", "after_s", "useless"), [
    ({}, JOIN_S, True), ({}, JOIN_S - 1, False), ({SIZE: Listed(1, 0)}, JOIN_S, False), (None, JOIN_S, False),
    ({Identity(1, 1, 1): Listed(1, 0)}, JOIN_S, True)])
def test_a_worker_that_cannot_join(listed: Mapping[Identity, Listed] | None, after_s: float, useless: bool) -> None:
    """It has had its resources for a while, and its manager, which answers, does not list it."""
    one = seen(worker(), listed, 100.0)
    assert cannot_join(one, view(listed), 100.0 + after_s) is useless


def test_it_has_to_have_its_resources() -> None:
    """One that still waits for an agent is not late; one that ends already is not reported again."""
    one = worker()
    see([one], view({}), {7}, 0.0)
    assert not cannot_join(one, view({}), 1000.0)
    assert not cannot_join(replace(seen(worker(), {}, 0.0), draining=True), view({}), 1000.0)


def test_who_was_listed_once_has_joined() -> None:
    """The project is named when its worker is listed for the first time; later it may be missing for a while."""
    one = worker()
    assert see([one], view({SIZE: Listed(1, 1)}), set(), 1.0) == {"p"}
    assert see([one], view({SIZE: Listed(1, 0)}), set(), 2.0) == set()
    assert (one.seen, one.idle_since) == (True, 2.0)
    assert not cannot_join(seen(one, {}, 3.0), view({}), 1000.0)


def test_workers_of_others() -> None:
    """By manager, the cores of workers with a size that none of the pool's has."""
    assert strangers([worker()], view({SIZE: Listed(1, 1), Identity(3, 9, 9): Listed(2, 0)})) == {MANAGER.key: 6.0}
    assert strangers([worker()], view(None)) == {MANAGER.key: 0.0}


def test_who_waits_for_announced_tasks_begins_to_idle_when_there_are_none() -> None:
    """A program announces no more tasks a moment before it submits them: however long its workers have waited, they
    begin to idle at the first look without work, and are known to idle only as far as their manager has been asked.
    """
    one = worker()

    def look(tasks_left: int, now: float, looked_at: float) -> float:
        manager = replace(MANAGER, tasks_waiting=0, tasks_left=tasks_left)
        see([one], View((manager,), {manager.key: {SIZE: Listed(1, 0)}}, looked_at={manager.key: looked_at}), set(),
            now)
        return one.as_core().idle_s(now)
    assert [look(6, 10.0, 10.0), look(6, 14.0, 10.0), look(6, 15.0, 15.0)] == [0.0, 0.0, 5.0]
    assert [look(0, 20.0, 20.0), look(0, 24.0, 20.0), look(0, 25.0, 25.0)] == [0.0, 0.0, 5.0]
