"""Each decision of a pool by itself, as tables: sizes, need, shares, the ramp, which workers end, which start."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mfmesos.core.model import Resources
from mfmesos.shares import pool_sizes as sizes
from mfmesos.shares import pool_steps as steps
from mfmesos.shares.desk import Backoff
from mfmesos.shares.pool_steps import Account
from mfmesos.shares.pool_values import UNLIMITED, Drain, ManagerStatus, Pace, PoolWorker, ProjectSettings

AGENT = Resources(8, 16000, 80000)
PACE = Pace()
NOW = 1000.0
FREE = ProjectSettings()
"""A project without bounds."""
TASK = Resources(1, 100)


def status(tasks: int = 0, each: Resources = TASK, wanted: Resources | None = None,
           project: str = "p") -> ManagerStatus:
    return ManagerStatus(project, "h", 1, tasks, 0, each * tasks if wanted is None else wanted, each)


def account(need: float, target: float, workers: int = 0, its: ProjectSettings = FREE, *,
            demand: float | None = None, each: Resources = TASK, project: str = "p") -> Account:
    """Of tasks of one core, and `workers` busy workers of one core that are old."""
    held = [PoolWorker(f"w{i}", f"{project} h:1", Resources(1, 100), 0.0) for i in range(workers)]
    return Account(status(int(need), each, project=project), its, held, Resources(1, 100), need,
                   need if demand is None else demand, target)


@pytest.mark.parametrize(("largest", "size"), [
    (Resources(), Resources(1)),
    (Resources(0.5, 300), Resources(1, 300)),
    (Resources(2, 8000, 10), Resources(2, 8000, 10)),
    (Resources(2.5), Resources(3)),
    (Resources(9, 20000), Resources(8, 16000)),
], ids=["nothing requested", "a part of a core", "a request", "whole cores", "more than an agent"])
def test_task_size(largest: Resources, size: Resources) -> None:
    """The largest request, in whole cores and bounded by an agent."""
    assert sizes.task_size(status(1, largest), AGENT) == size


@pytest.mark.parametrize(("task", "missing", "size"), [
    (Resources(1, 100), 4, Resources(4, 8000, 40000)),
    (Resources(1, 100), 100, AGENT),
    (Resources(1, 8000), 100, Resources(2, 16000, 20000)),
    (Resources(4, 100), 7, Resources(4, 8000, 40000)),
    (Resources(4, 100), -3, Resources(4, 8000, 40000)),
], ids=["a part of an agent", "a whole agent", "memory bounds the slots", "whole tasks", "nothing missing"])
def test_worker_size(task: Resources, missing: float, size: Resources) -> None:
    """As many tasks as are missing; memory and disk at least in proportion to the cores."""
    assert sizes.worker_size(task, missing, AGENT) == size


@pytest.mark.parametrize(("manager", "worker", "cores"), [
    (status(0), None, 0),
    (status(20), None, 20),
    (status(20, Resources()), None, 20),
    (status(20), Resources(4, 4000), 20),
    (status(21), Resources(4, 4000), 24),
    (status(41, Resources(8, 100), Resources(48, 4100)), None, 48),
    (status(10, Resources(1, 4000), Resources(10, 40000)), None, 10),
    (status(3, Resources(9, 100)), None, 0),
    (status(3, Resources(9, 100), Resources(11, 300)), None, 16),
    (status(3), Resources(16), 0),
], ids=["no tasks", "one core each", "nothing requested", "a fixed size", "a fixed size, not full", "of all sizes",
        "memory for two in a core's share", "none fits", "some fit", "the fixed size fits nowhere"])
def test_need(manager: ManagerStatus, worker: Resources | None, cores: float) -> None:
    """The lesser of: all tasks as large as the largest; all requests packed without a gap."""
    assert sizes.cores_needed(manager, worker, AGENT) == cores


@pytest.mark.parametrize(("cores", "count"), [(math.inf, UNLIMITED), (8.0, 4), (7.9, 3), (0.0, 0), (-5.0, 0)])
def test_workers_in(cores: float, count: int) -> None:
    """Whole workers of two cores; none in less than nothing."""
    assert sizes.workers_in(cores, Resources(2)) == count


@pytest.mark.parametrize(("its", "demand"), [
    (ProjectSettings(), 100), (ProjectSettings(max_workers=2), 16), (ProjectSettings(max_workers=0), 0),
    (ProjectSettings(max_workers=3, worker=Resources(4, 4000)), 12), (ProjectSettings(max_cores=4), 100),
], ids=["no bound", "two agents", "none", "a fixed size", "max_cores binds the target, not the demand"])
def test_demand(its: ProjectSettings, demand: float) -> None:
    """The need within what the greatest number of workers can have."""
    assert steps.account(status(100), its, [], AGENT).demand == demand


@pytest.mark.parametrize(("settings", "demands", "cores", "targets"), [
    ([ProjectSettings(), ProjectSettings()], [10, 20], math.inf, [10, 20]),
    ([ProjectSettings(), ProjectSettings(weight=3)], [100, 100], 64, [16, 48]),
    ([ProjectSettings(), ProjectSettings(weight=3)], [100, 8], 64, [56, 8]),
    ([ProjectSettings(max_cores=4), ProjectSettings()], [100, 100], 64, [4, 60]),
    ([ProjectSettings(min_workers=20), ProjectSettings(weight=9)], [100, 100], 64, [20, 44]),
], ids=["enough for all", "by weight", "what one leaves", "max_cores", "the least workers first"])
def test_targets(settings: list[ProjectSettings], demands: list[float], cores: float, targets: list[float]) -> None:
    """The pool's cores between two projects."""
    accounts = [account(demand, 0, its=its, project=f"p{i}") for i, (its, demand) in enumerate(zip(settings, demands))]
    assert [one.target for one in steps.with_targets(accounts, cores)] == targets


def test_targets_within_a_project() -> None:
    """Evenly between its managers, up to the demand of each."""
    one, two = account(30, 0), account(4, 0)
    two = replace(two, status=replace(two.status, port=2))
    assert [its.target for its in steps.with_targets([one, two], 20)] == [16, 4]


@pytest.mark.parametrize(("weight", "workers", "count"), [
    (1.0, 0, 4), (1.0, 3, 4), (1.0, 30, 30), (2.5, 0, 10), (100.0, 0, 32), (100.0, 50, 50)])
def test_may_start(weight: float, workers: int, count: int) -> None:
    """The ramp's floor times the weight over the lightest, at most eight times; or as many as exist."""
    assert steps.may_start(ProjectSettings(weight=weight), workers, 1.0, PACE) == count


@pytest.mark.parametrize(("workers", "count"), [(0, 4), (8, 4), (9, 4), (30, 15)])
def test_may_end(workers: int, count: int) -> None:
    """Half of the workers, at least the ramp's floor."""
    assert steps.may_end(workers, PACE) == count


@pytest.mark.parametrize(("heard_s_ago", "project", "asked_at", "reason"), [
    (PACE.gone_s - 1, "p", 0.0, None),
    (PACE.gone_s + 1, "p", 0.0, "its manager is gone"),
    (0.0, "other", 0.0, "its project is no longer served"),
    (None, "p", NOW - PACE.gone_s + 1, None),
    (None, "p", NOW - PACE.gone_s - 1, "its manager is gone"),
], ids=["heard of lately", "gone", "not served", "never heard of, young", "never heard of, old"])
def test_orphans(heard_s_ago: float | None, project: str, asked_at: float, reason: str | None) -> None:
    """A worker without a manager ends after a while, one of a project without settings at once."""
    worker = PoolWorker("w", "m", Resources(1), asked_at)
    heard = {} if heard_s_ago is None else {"m": (NOW - heard_s_ago, status(project=project))}
    assert steps.orphans([worker], heard, {"p": ProjectSettings()}, NOW, PACE) == (
        [Drain("w", reason)] if reason else [])


@pytest.mark.parametrize(("accounts", "short"), [
    ([account(0, 0)], False), ([account(4, 4, 4)], False), ([account(5, 5, 4)], True),
    ([account(4, 4, 4), account(9, 5, 4)], True)], ids=["no demand", "all held", "one core missing", "the second"])
def test_others_are_short(accounts: list[Account], short: bool) -> None:
    """A whole task's cores are missing."""
    assert steps.others_are_short(accounts) is short


BUSY = "another project's share"
MOST_2 = ProjectSettings(max_workers=2)


@pytest.mark.parametrize(("its", "at_most", "short", "drained"), [
    (account(3, 3, 3), 4, True, {}),
    (account(1, 1, 3), 4, True, {"w0": "idle"}),
    (account(9, 1, 3), 4, False, {"w0": "idle"}),
    (account(9, 1, 3), 4, True, {"w0": "idle", "w1": BUSY}),
    (account(9, 1, 3), 1, True, {"w0": "idle"}),
    (account(0, 0, 3, ProjectSettings(min_workers=3)), 4, True, {}),
    (account(9, 9, 3, MOST_2), 4, False, {"w0": "more than 2 workers"}),
], ids=["no surplus", "idle ones alone", "nobody is short", "busy ones for another", "the ramp", "the least workers",
        "over the bound"])
def test_surplus_workers(its: Account, at_most: int, short: bool, drained: dict[str, str]) -> None:
    """Of three workers with one core each: w0 is idle, w1 and w2 are busy."""
    its = replace(its, workers=[replace(its.workers[0], idle_since=NOW - PACE.idle_s), *its.workers[1:]])
    found = steps.surplus_workers(its, len(its.workers), at_most, NOW, short, PACE)
    assert {drain.worker_id: drain.reason for drain in found} == drained


def test_the_order_of_draining() -> None:
    """The longest idle first; then, of the busy ones, the newest."""
    workers = [PoolWorker("old", "m", Resources(1), 1.0), PoolWorker("new", "m", Resources(1), 9.0),
               PoolWorker("idle", "m", Resources(1), 1.0, 8.0), PoolWorker("idle longer", "m", Resources(1), 1.0, 5.0)]
    its = replace(account(9, 0), workers=workers)
    found = steps.surplus_workers(its, 4, 4, NOW, True, PACE)
    assert [drain.worker_id for drain in found] == ["idle longer", "idle", "new", "old"]


def test_idle_workers_end_soon_for_others() -> None:
    """While another manager misses cores even those that would leave by themselves, as soon as they idle."""
    idle = PoolWorker("w", "m", Resources(1), 1.0, NOW - PACE.idle_short_s, leaves=True)
    its = replace(account(0, 0), workers=[idle])
    assert [d.worker_id for d in steps.surplus_workers(its, 1, 4, NOW, True, PACE)] == ["w"]
    assert not steps.surplus_workers(its, 1, 4, NOW, False, PACE)
    assert not steps.surplus_workers(its, 1, 4, NOW - 1, True, PACE)
    assert not steps.surplus_workers(replace(its, workers=[replace(idle, connected=False)]), 1, 4, NOW, True, PACE)


def test_idle_as_far_as_it_is_known() -> None:
    """No worker ends at the first look without a task, however long ago that was; nor is it too small for its tasks."""
    first = PoolWorker("w", "m", Resources(1), 1.0, NOW - 100, looked_at=NOW - 100)
    again = replace(first, looked_at=NOW - 100 + PACE.idle_s)
    its = account(0, 0)
    for worker, known in ((first, False), (again, True)):
        for short in (False, True):
            found = steps.surplus_workers(replace(its, workers=[worker]), 1, 4, NOW, short, PACE)
            assert bool(found) is known
        assert steps.stuck(status(1), [worker], NOW, PACE) is known


def test_the_only_copy_of_a_file() -> None:
    """A worker of TaskVine with files is drained last, and not for being idle alone, while there are tasks."""
    workers = [PoolWorker("files", "m", Resources(1), 1.0, 1.0, has_files=True),
               PoolWorker("busy", "m", Resources(1), 1.0), PoolWorker("idle", "m", Resources(1), 1.0, 5.0)]
    work_queue = replace(account(9, 0), workers=workers)
    vine = replace(work_queue, status=replace(work_queue.status, worker="vine_worker"))

    def drained(its: Account, short: bool) -> list[str]:
        return [drain.worker_id for drain in steps.surplus_workers(its, 3, 4, NOW, short, PACE)]
    assert drained(vine, True) == ["idle", "busy", "files"]
    assert drained(vine, False) == ["idle"]
    assert drained(work_queue, False) == ["files", "idle"]
    assert drained(replace(vine, status=replace(vine.status, tasks_waiting=0)), False) == ["files", "idle"]


@pytest.mark.parametrize(("its", "left", "capacity", "need"), [
    (FREE, 5, 0, 15), (FREE, 0, 4, 10), (ProjectSettings(capacity=True), 0, 4, 4),
    (ProjectSettings(capacity=True), 5, 99, 15), (ProjectSettings(capacity=True), 0, 0, 10),
    (ProjectSettings(tasks_per_worker=5, worker=Resources(1, 100, 100)), 10, 0, 4)])
def test_planned_tasks(its: ProjectSettings, left: int, capacity: int, need: float) -> None:
    """Ten tasks, and those that were announced; with --capacity no more than the manager can keep busy."""
    assert steps.account(replace(status(10), tasks_left=left, capacity=capacity), its, [], AGENT).need == need


def test_tasks_that_were_only_announced() -> None:
    """They count before the first is submitted."""
    assert steps.account(replace(status(0, Resources()), tasks_left=3), FREE, [], AGENT).need == 3


@pytest.mark.parametrize(("its", "room", "backoff", "count", "reason"), [
    (account(4, 4), math.inf, "", 1, ""),
    (account(4, 4, 4), math.inf, "", 0, ""),
    (account(4, 4, 9), math.inf, "", 0, ""),
    (account(0, 0, its=ProjectSettings(min_workers=3)), math.inf, "", 3, ""),
    (account(0, 0, 1, ProjectSettings(min_workers=3)), math.inf, "", 2, ""),
    (account(4, 4), math.inf, "it crashed", 0, "it crashed"),
    (account(4, 4, 4), math.inf, "it crashed", 0, ""),
    (account(100, 100, 1, MOST_2), math.inf, "", 1, "at its limit of 2 workers"),
    (account(100, 100, 4, MOST_2), math.inf, "", 0, "at its limit of 2 workers"),
    (account(1000, 1000), math.inf, "", 5, "more are started in the next round"),
    (account(16, 16), 8.0, "", 1, "all of the pool's cores are in use; waiting for draining workers to end"),
    (account(4, 4, its=ProjectSettings(worker=Resources(16))), math.inf, "", 0,
     f"a worker of {Resources(16)} fits on no agent; the largest has {AGENT}"),
    (account(4, 4, each=Resources(9)), math.inf, "", 1,
     f"its largest task requests {Resources(9)}; the largest agent has {AGENT}"),
], ids=["missing", "all held", "surplus", "the least workers", "some of the least", "backing off",
        "backing off, nothing missing", "max_workers", "over max_workers", "the ramp", "no room", "too large a worker",
        "too large a task"])
def test_missing_workers(its: Account, room: float, backoff: str, count: int, reason: str) -> None:
    """At most 5 in a round. The reason is what keeps the project from more."""
    found = steps.missing_workers(its, AGENT, len(its.workers), 5, room, backoff)
    assert (found.count, found.reason) == (count, reason)


@pytest.mark.parametrize(("its", "reason"), [
    (account(9, 9), ""),
    (account(9, 4, its=ProjectSettings(max_cores=4)), "at its limit of 4 cores"),
    (account(9, 4, demand=4, its=ProjectSettings(max_workers=4)), "at its limit of 4 workers"),
    (account(9, 4), "its share is 4 cores of the 9 that its tasks request"),
    (account(9, 2, its=ProjectSettings(max_cores=4)), "its share is 2 cores of the 9 that its tasks request"),
], ids=["all of it", "max_cores", "max_workers", "a share", "a share below max_cores"])
def test_why_less_than_needed(its: Account, reason: str) -> None:
    """The bound that binds, or the share."""
    assert steps.why_less_than_needed(its) == reason


@pytest.mark.parametrize(("crashes", "until"), [
    ([0.0], 5.0), ([0.0, 0.1, 4.9], 5.0), ([0.0, 5.0], 15.0), ([0.0, 5.0, 15.0], 35.0),
    ([1000.0 * i for i in range(9)], 8000.0 + 300.0)],
    ids=["one", "started together", "two", "three", "at most five minutes"])
def test_backoff(crashes: list[float], until: float) -> None:
    """Doubled by each crash in a row, where those before it ends count as one."""
    backoff = Backoff()
    for now in crashes:
        backoff.crashed("exit 1", now, PACE)
    assert backoff.until == until
    assert backoff.text(until) == ""
    assert "exit 1; trying again in 1 s" in backoff.text(until - 0.5)


@pytest.mark.parametrize(("given", "size"), [
    (Resources(4), Resources(4, 8000, 40000)), (Resources(0, 4000), Resources(2, 4000, 20000)),
    (Resources(0, 0, 1), Resources(1, 2000, 1)), (Resources(2, 300, 400), Resources(2, 300, 400)),
    (Resources(0, 0, 0, 1), Resources(4, 8000, 40000, 1))])
def test_a_part_of_a_size(given: Resources, size: Resources) -> None:
    """What the user left out is in proportion to an agent, here with two GPUs; at least a core."""
    assert sizes.completed(given, AGENT._replace(gpus=2)) == size


def test_tasks_per_worker() -> None:
    """Ten tasks at five per worker are two workers, and no more start in a round than the user allows."""
    its = ProjectSettings(worker=Resources(1, 100, 100), tasks_per_worker=5)
    assert steps.account(status(10), its, [], AGENT).need == 2
    assert steps.may_start(ProjectSettings(workers_per_cycle=2), 40, 1.0, PACE) == 2
