"""The decisions of a pool, one function each; pure. desk.py makes them, in its order.

A manager's *account* holds the terms, all in cores of workers:

| term | is |
| --- | --- |
| need | what all tasks of the manager take when they run at once |
| demand | the need, but no more than the project's `max_workers` may have |
| target | what its workers are to have: the demand, or less where projects share the pool or `max_cores` binds |
| held | what its workers have that are not draining, and what workers have that others started for it |
| missing | target - held: workers are started while that is a whole worker |
| surplus | held - target: workers are drained while that is a whole worker |

Where less than a whole worker is missing or surplus nothing changes, so a state does not alternate between the two.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mfmesos.core.model import Resources
from mfmesos.shared.messages import pool as m
from mfmesos.shared.phrases import counted
from mfmesos.shares.pool_sizes import cores_needed, part_of, planned, task_size, worker_size, workers_in
from mfmesos.shares.pool_values import NOTHING_SAID, Drain, ManagerStatus, Pace, PoolWorker, ProjectSettings
from mfmesos.shares.water_filling import EPS, Claimant, share

SHARED_PARTS = 2
"""While projects compete, a worker for several tasks has at most this part of an agent: half of it still holds large
tasks, which managers do not report one by one."""


@dataclass(frozen=True)
class Account:
    """One manager in one round; the terms are in the table above."""

    status: ManagerStatus
    settings: ProjectSettings
    workers: Sequence[PoolWorker]
    """The workers that are not draining."""
    task: Resources
    """The assumed size of each task."""
    need: float
    demand: float
    target: float = 0.0
    strangers: float = 0.0
    """The cores of its workers that others started."""
    most_cores: float = math.inf
    """Workers for several tasks have no more."""

    @property
    def project(self) -> str:
        return self.status.project

    @property
    def held(self) -> float:
        return sum(w.size.cores for w in self.workers) + self.strangers

    @property
    def missing(self) -> float:
        return self.target - self.held

    @property
    def surplus(self) -> float:
        return self.held - self.target

    @property
    def unit(self) -> float:
        """The cores of the smallest useful worker of the manager."""
        return (self.settings.worker or self.task).cores


# --- learned sizes ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Learned:
    """What earlier rounds have shown about a manager's workers."""

    at_least: Resources = NOTHING_SAID
    """Tasks did not fit into smaller workers."""
    most_cores: float = math.inf
    """No agent had room for larger workers."""
    strangers: float = 0.0


def stuck(status: ManagerStatus, workers: Sequence[PoolWorker], now: float, pace: Pace) -> bool:
    """Whether tasks wait though workers have idled for a while, and none runs: no task fits into any worker."""
    connected = [w for w in workers if w.connected]
    return (status.tasks_waiting > 0 and not status.tasks_running and bool(connected)
            and all(w.idle_s(now) >= pace.stuck_s for w in connected))


def larger(workers: Sequence[PoolWorker], agent: Resources, overhead: Resources) -> Resources | None:
    """The next size to try: twice the largest worker's cores, up to a whole agent; None if that has been tried."""
    most = max(w.size.cores for w in workers if w.connected)
    if most >= agent.cores - EPS:
        return None
    return part_of(agent, min(2 * most, agent.cores), overhead)


def without_room(workers: Sequence[PoolWorker], now: float, pace: Pace) -> list[PoolWorker]:
    """Workers that wait for an agent with room for them, and have waited for long."""
    return [w for w in workers if not w.placed and now - w.asked_at >= pace.unplaced_s]


# --- targets ------------------------------------------------------------------------------------
def account(status: ManagerStatus, settings: ProjectSettings, workers: Sequence[PoolWorker], agent: Resources,
            learned: Learned = Learned()) -> Account:
    """Need and demand; the target is still open. Of a manager that refuses the pool's workers both are 0."""
    task = task_size(status, agent, learned.at_least)
    its = planned(status, settings.capacity)
    need = 0.0 if status.refuses else cores_needed(its, settings.worker, agent, learned.at_least)
    # A task without requests takes a whole worker.
    whole = status.largest == NOTHING_SAID or status.whole_workers
    most = min(learned.most_cores, task.cores if whole else math.inf)
    largest = settings.worker or worker_size(task, need, agent, most_cores=most)
    if settings.tasks_per_worker:
        need = min(need, math.ceil(its.tasks / settings.tasks_per_worker) * largest.cores)
    demand = min(need, settings.max_workers * largest.cores + learned.strangers)
    return Account(status, settings, workers, task, need, demand, strangers=learned.strangers, most_cores=most)


def with_targets(accounts: Sequence[Account], pool_cores: float, agent: Resources = NOTHING_SAID) -> list[Account]:
    """The pool's cores are shared between projects by weight, and a project's share evenly between its managers.

    What has to be shared is shared in parts of an agent: so a project's last tasks hold little that others wait for.
    """
    by_project: dict[str, list[Account]] = {}
    for one in accounts:
        by_project.setdefault(one.project, []).append(one)
    targets: dict[str, float] = {}
    shares = share([_as_claimant(project, its) for project, its in by_project.items()], pool_cores)
    for project, cores in shares.items():
        targets.update(share([Claimant(one.status.key, one.demand, 1.0, 0.0, one.unit)
                              for one in by_project[project]], cores))
    shared = sum(one.demand for one in accounts) > pool_cores + EPS and sum(one.demand > EPS for one in accounts) > 1
    part = max(math.floor(agent.cores / SHARED_PARTS + EPS), 1.0) if shared else math.inf
    return [_with_target(one, targets[one.status.key], part) for one in accounts]


def _with_target(its: Account, target: float, part: float) -> Account:
    """`part` of an agent is the most for a worker, unless `max_workers` such workers could not have the target."""
    most = max(part, math.ceil(target / max(its.settings.max_workers, 1) - EPS))
    return replace(its, target=target, most_cores=min(its.most_cores, most))


def _as_claimant(project: str, accounts: Sequence[Account]) -> Claimant:
    """A project: demands the sum of its managers' demands up to `max_cores`, and at least its least workers, if any of
    its managers accepts them.
    """
    its = accounts[0].settings
    unit = min(one.unit for one in accounts)
    floor = 0.0 if all(one.status.refuses for one in accounts) else its.min_workers * unit
    demand = min(sum(one.demand for one in accounts), its.max_cores)
    return Claimant(project, max(demand, floor), its.weight, floor, unit)


# --- ramp ---------------------------------------------------------------------------------------
def may_start(settings: ProjectSettings, workers: int, lightest: float, pace: Pace) -> int:
    """How many workers of a project may start in a round: at most twice as many as it has exist afterwards.

    `lightest`: the least weight of all projects.
    """
    if settings.workers_per_cycle:
        return settings.workers_per_cycle
    factor = min(settings.weight / lightest, pace.ramp_factor_max)
    return max(int(pace.ramp_floor * factor), workers)


def may_end(workers: int, pace: Pace) -> int:
    """How many workers of a project may be drained in a round: half of them, at least the ramp's floor."""
    return max(pace.ramp_floor, workers // 2)


# --- workers to drain ---------------------------------------------------------------------------
def orphans(active: Sequence[PoolWorker], heard: Mapping[str, tuple[float, ManagerStatus]],
            settings: Mapping[str, ProjectSettings], now: float, pace: Pace) -> list[Drain]:
    """Workers whose manager has ended, or whose project is no longer in the settings.

    `heard`: by manager, when it was last reported. For a manager that was never reported, a worker of an earlier
    scheduler counts from its own start.
    """
    found = []
    for w in active:
        at, status = heard.get(w.manager, (w.asked_at, None))
        if now - at > pace.gone_s:
            found.append(Drain(w.id, m.POOL_DRAIN_NO_MANAGER()))
        elif status is not None and status.project not in settings:
            found.append(Drain(w.id, m.POOL_DRAIN_NOT_SERVED()))
    return found


def others_are_short(accounts: Sequence[Account]) -> bool:
    """Whether some manager misses a whole task's cores."""
    return any(one.demand > EPS and one.held + one.task.cores <= one.target + EPS for one in accounts)


def somebody_has_none(accounts: Sequence[Account]) -> bool:
    """Whether some manager has no worker, and is to have one."""
    return any(one.demand > EPS and one.held <= EPS and one.task.cores <= one.target + EPS for one in accounts)


def surplus_workers(its: Account, workers: int, at_most: int, now: float, short: bool, pace: Pace) -> list[Drain]:
    """Those of a manager that are to end, never below `min_workers`. `workers`: how many its project has.

    Above `max_workers` any ends. Within it a worker ends only when its cores are surplus: because it is idle; or, when
    `short` (another manager misses cores), busy ones as well where sharing has cut this manager's target; last those
    that have files of TaskVine's. If what is surplus is less than any worker, one ends that a smaller one replaces.
    """
    over = workers - its.settings.max_workers
    surplus = its.surplus
    drains: list[Drain] = []
    for w in sorted(its.workers, key=lambda w: (w.is_kept(its.status), *_drained_first(w))):
        if len(drains) >= at_most or workers - len(drains) <= its.settings.min_workers:
            break
        idle_s = -math.inf if w.is_kept(its.status) else w.idle_s(now)
        idle = (idle_s >= pace.idle_s and not w.leaves) or (short and w.connected and idle_s >= pace.idle_short_s)
        taken = short and now - w.asked_at >= pace.busy_s and its.target < its.demand - EPS
        fits = w.size.cores <= surplus + EPS
        resized = short and not drains and surplus >= its.unit - EPS and w.size.cores >= its.unit + surplus - EPS
        if over > 0:
            drains.append(Drain(w.id, m.POOL_DRAIN_OVER_MAX(workers=counted(its.settings.max_workers, "worker"))))
        elif (fits or resized) and (idle or taken):
            drains.append(Drain(w.id, m.POOL_DRAIN_IDLE() if idle else m.POOL_DRAIN_SHARE()))
        else:
            continue
        over -= 1
        surplus -= w.size.cores
    return drains


def _drained_first(w: PoolWorker) -> tuple[bool, float, str]:
    """Idle workers, the longest idle first; then busy ones, the newest first."""
    return w.idle_since is None, w.idle_since or -w.asked_at, w.id


# --- workers to start ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Missing:
    """Workers to start for a manager now, and why not more (empty: nothing keeps it from more)."""

    size: Resources
    count: int
    reason: str = ""


def missing_workers(its: Account, agent: Resources, workers: int, at_most: int, room: float,
                    backoff: str, overhead: Resources = NOTHING_SAID) -> Missing:
    """`workers`: how many its project has; `room`: the pool's cores that no worker has; `backoff`: why none may be
    started now, or empty; `overhead`: what each worker costs an agent beside its size."""
    fixed = its.settings.worker
    if its.status.refuses:
        return Missing(agent, 0, its.status.refuses)
    if fixed is not None and not fixed.fits_in(agent):
        return Missing(fixed, 0, m.POOL_FITS_NOWHERE(worker=fixed, agent=agent))
    size = fixed or worker_size(its.task, its.missing, agent, overhead, its.most_cores)
    count = max(math.floor((its.missing + EPS) / size.cores), its.settings.min_workers - workers, 0)
    if count and backoff:
        return Missing(size, 0, backoff)
    reason = why_less_than_needed(its)
    limits = ((its.settings.max_workers - workers, _at_max_workers(its.settings)),
              (at_most, m.POOL_NEXT_ROUND()), (workers_in(room, size), m.POOL_CORES_IN_USE()))
    for limit, text in limits:
        if count > limit:
            count, reason = max(limit, 0), text
    if not reason and not its.status.largest.fits_in(agent):
        reason = m.POOL_TASK_FITS_NOWHERE(task=its.status.largest, agent=agent)
    return Missing(size, count, reason)


def why_less_than_needed(its: Account) -> str:
    """What keeps the target below the need; empty where it is not below."""
    if its.target >= its.need - EPS:
        return ""
    most = its.settings.max_cores
    if most < its.demand - EPS and its.target >= most - its.task.cores:
        return m.POOL_AT_MAX_CORES(cores=most)
    if its.target >= its.demand - EPS:
        return _at_max_workers(its.settings)
    return m.POOL_SHARE(target=its.target, need=its.need)


def _at_max_workers(settings: ProjectSettings) -> str:
    return m.POOL_AT_MAX_WORKERS(workers=counted(settings.max_workers, "worker"))
