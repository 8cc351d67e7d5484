"""How many workers each manager of Work Queue or TaskVine is to have: pure, `now` is given. Cores, MB, seconds.

Everything is counted in cores: what a project's tasks ask for, what it is allowed beside the others, what its workers
have. Workers are started while a whole task's cores are missing, and drained when a whole worker's are too many:
between the two nothing is done, so that the same input is answered once.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mfmesos.core.model import Resources
from mfmesos.core.phrases import counted
from mfmesos.core.placement import how_many_fit
from mfmesos.core.shares import EPS, Claimant, share

NOTHING_SAID = Resources()
UNLIMITED = 1_000_000
RAMP_MOST = 8.0


@dataclass(frozen=True)
class ManagerStatus:
    """What one manager says of itself, in the catalog or when asked."""

    project: str
    host: str
    port: int
    tasks_waiting: int = 0
    tasks_running: int = 0
    wanted: Resources = NOTHING_SAID
    """Of all tasks that wait or run."""
    largest: Resources = NOTHING_SAID
    """The most that one task asks for; zero where tasks say nothing."""
    workers_connected: int = 0
    connected: Resources = NOTHING_SAID
    worker: str = "work_queue_worker"
    """The program that works for it."""
    told_at: float = field(default=0.0, compare=False)
    """By the catalog's clock: when it last heard of it."""

    @property
    def key(self) -> str:
        return f"{self.project} {self.host}:{self.port}"

    @property
    def tasks(self) -> int:
        return max(self.tasks_waiting, 0) + max(self.tasks_running, 0)


@dataclass(frozen=True)
class ProjectSettings:
    """Bounds of one project, over all its managers."""

    min_workers: int = 0
    max_workers: int = UNLIMITED
    weight: float = 1.0
    max_cores: float = math.inf
    worker: Resources | None = None
    """Each worker's size; None: sized to the tasks."""


@dataclass(frozen=True)
class Pace:
    """How fast a pool changes."""

    ramp_floor: int = 4
    """So many may start, or end, in a round; more only as far as it doubles (or halves) what is there. A project that
    weighs more than another may start as much faster, up to RAMP_MOST times."""
    idle_s: float = 10.0
    """A worker is drained for want of work only when it had none for so long."""
    busy_s: float = 30.0
    """A worker that has work is drained in favour of another project only when it is so old."""
    gone_s: float = 20.0
    """A manager that nobody has heard of for so long has ended."""
    backoff_s: float = 5.0
    backoff_max_s: float = 300.0


@dataclass(frozen=True)
class PoolWorker:
    """A worker that was asked for and has not ended."""

    id: str
    manager: str
    """ManagerStatus.key."""
    size: Resources
    asked_at: float
    idle_since: float | None = None
    draining: bool = False


@dataclass(frozen=True)
class Start:
    manager: ManagerStatus
    size: Resources
    count: int


@dataclass(frozen=True)
class Drain:
    worker_id: str
    reason: str


@dataclass(frozen=True)
class Decisions:
    starts: tuple[Start, ...] = ()
    drains: tuple[Drain, ...] = ()
    why_not_more: Mapping[str, str] = field(default_factory=dict)
    """By project."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """By manager: the cores that its tasks ask for."""


@dataclass
class _Trouble:
    crashes: int = 0
    reason: str = ""
    until: float = 0.0


@dataclass
class _Desk:
    """One manager's numbers in one round."""

    status: ManagerStatus
    settings: ProjectSettings
    workers: list[PoolWorker]
    task: Resources
    needs: float = 0.0
    """For all its tasks at once."""
    demand: float = 0.0
    """The same within its project's bounds."""
    target: float = 0.0

    @property
    def has(self) -> float:
        return sum(w.size.cores for w in self.workers)


class Pool:
    """Decides; remembers only when managers were heard of, and which projects' workers end at their start."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._heard: dict[str, tuple[float, ManagerStatus]] = {}
        self._trouble: dict[str, _Trouble] = {}

    def crashed(self, project: str, reason: str, now: float) -> None:
        """A worker ended before it was of use: none is started for a while, twice as long each time in a row."""
        trouble = self._trouble.setdefault(project, _Trouble())
        if now >= trouble.until:  # those that were started together count as one
            trouble.crashes += 1
            wait = self.pace.backoff_s * 2.0 ** min(trouble.crashes - 1, 30)
            trouble.until = now + min(wait, self.pace.backoff_max_s)
        trouble.reason = reason

    def worked(self, project: str) -> None:
        """A worker of the project has connected to its manager."""
        self._trouble.pop(project, None)

    def decide(self, managers: Sequence[ManagerStatus], settings: Mapping[str, ProjectSettings],
               workers: Sequence[PoolWorker], agent: Resources, now: float, *,
               cluster_cores: float = math.inf) -> Decisions:
        """What to start and to drain now.

        `settings` are by project; a manager whose project has none gets no workers. `agent` is the largest agent,
        `cluster_cores` what the pool may use in all.
        """
        for status in managers:
            self._heard[status.key] = (now, status)
        active = [w for w in workers if not w.draining]
        drains = self._of_the_gone(active, settings, now)
        if agent.cores <= EPS:
            return Decisions((), tuple(drains), {p: "no agent is known yet" for p in settings})
        desks = self._desks(managers, settings, active, agent)
        self._aim(desks, settings, cluster_cores)
        leaving = sum(w.size.cores for w in workers if w.draining)
        return self._change(desks, agent, now, drains, cluster_cores - leaving)

    def _of_the_gone(self, active: Sequence[PoolWorker], settings: Mapping[str, ProjectSettings],
                     now: float) -> list[Drain]:
        held = {w.manager for w in active}
        for key, (heard, _) in list(self._heard.items()):
            if now - heard > self.pace.gone_s and key not in held:
                del self._heard[key]
        found = []
        for w in active:
            # A worker that was taken over from an earlier life is given the same time.
            heard, status = self._heard.get(w.manager, (w.asked_at, None))
            if now - heard > self.pace.gone_s:
                found.append(Drain(w.id, "its manager is gone"))
            elif status is not None and status.project not in settings:
                found.append(Drain(w.id, "its project is not served any more"))
        return found

    def _desks(self, managers: Sequence[ManagerStatus], settings: Mapping[str, ProjectSettings],
               active: Sequence[PoolWorker], agent: Resources) -> list[_Desk]:
        by_manager: dict[str, list[PoolWorker]] = {}
        for w in active:
            by_manager.setdefault(w.manager, []).append(w)
        desks = []
        for status in sorted({m.key: m for m in managers if m.project in settings}.values(), key=lambda m: m.key):
            mine = settings[status.project]
            desk = _Desk(status, mine, by_manager.get(status.key, []), task_size(status, agent))
            desk.needs = needs(desk, agent)
            largest = mine.worker or worker_size(desk.task, desk.needs, agent)
            desk.demand = min(desk.needs, mine.max_workers * largest.cores)
            desks.append(desk)
        return desks

    def _aim(self, desks: list[_Desk], settings: Mapping[str, ProjectSettings], cluster_cores: float) -> None:
        """First between projects by weight, then evenly between a project's managers."""
        by_project: dict[str, list[_Desk]] = {}
        for desk in desks:
            by_project.setdefault(desk.status.project, []).append(desk)
        claimants = []
        for project, mine in by_project.items():
            its = settings[project]
            unit = min((d.settings.worker or d.task).cores for d in mine)
            floor = its.min_workers * unit
            claimants.append(Claimant(project, max(min(sum(d.demand for d in mine), its.max_cores), floor),
                                      its.weight, floor, unit))
        for project, cores in share(claimants, cluster_cores).items():
            mine = by_project[project]
            inner = share([Claimant(d.status.key, d.demand, 1.0, 0.0, (d.settings.worker or d.task).cores)
                           for d in mine], cores)
            for desk in mine:
                desk.target = inner[desk.status.key]

    def _change(self, desks: list[_Desk], agent: Resources, now: float, drains: list[Drain],
                cluster_cores: float) -> Decisions:
        starts: list[Start] = []
        why: dict[str, str] = {}
        counts: dict[str, int] = {}
        for desk in desks:
            counts[desk.status.project] = counts.get(desk.status.project, 0) + len(desk.workers)
        room = cluster_cores - sum(d.has for d in desks)
        short = any(d.demand > EPS and d.has + d.task.cores <= d.target + EPS for d in desks)
        lightest = min((d.settings.weight for d in desks), default=1.0)
        rates = {d.status.project: max(int(self.pace.ramp_floor * min(d.settings.weight / lightest, RAMP_MOST)),
                                       counts[d.status.project]) for d in desks}
        ends = {p: max(self.pace.ramp_floor, n // 2) for p, n in counts.items()}
        for desk in desks:
            project = desk.status.project
            gone = self._drain(desk, counts[project], ends[project], now, short)
            ends[project] -= len(gone)
            counts[project] -= len(gone)
            drains += gone
            reason = ""
            if not gone:
                size, count, reason = self._missing(desk, agent, counts[project], rates[project], room, now)
                if count:
                    starts.append(Start(desk.status, size, count))
                    counts[project] += count
                    rates[project] -= count
                    room -= count * size.cores
            if reason and project not in why:
                why[project] = reason
        return Decisions(tuple(starts), tuple(drains), why, {d.status.key: d.needs for d in desks})

    def _drain(self, desk: _Desk, count: int, at_most: int, now: float, short: bool) -> list[Drain]:
        """The idle first, those idle for longest first; then, only for a bound or for another project, the newest."""
        over = count - desk.settings.max_workers
        spare = desk.has - desk.target
        drains: list[Drain] = []
        for w in sorted(desk.workers, key=lambda w: (w.idle_since is None, w.idle_since or -w.asked_at, w.id)):
            if len(drains) >= at_most or count - len(drains) <= desk.settings.min_workers:
                break
            idle = w.idle_since is not None and now - w.idle_since >= self.pace.idle_s
            taken = short and now - w.asked_at >= self.pace.busy_s and desk.target < desk.demand - EPS
            if over > 0:
                drains.append(Drain(w.id, f"more than {counted(desk.settings.max_workers, 'worker')}"))
            elif w.size.cores <= spare + EPS and (idle or taken):
                drains.append(Drain(w.id, "idle" if idle else "another project's share"))
            else:
                continue
            over -= 1
            spare -= w.size.cores
        return drains

    def _missing(self, desk: _Desk, agent: Resources, count: int, at_most: int, room: float,
                 now: float) -> tuple[Resources, int, str]:
        """The size and number of workers to start now, and why not more."""
        its, project = desk.settings, desk.status.project
        if its.worker is not None and not its.worker.fits_in(agent):
            return its.worker, 0, f"a worker of {its.worker} fits on no agent; the largest has {agent}"
        missing = desk.target - desk.has
        size = its.worker or worker_size(desk.task, missing, agent)
        needed = max(math.floor((missing + EPS) / size.cores), 0)
        below = its.min_workers - count
        number = max(needed, below, 0)
        reason = "" if desk.target >= desk.needs - EPS else self._limit(desk)
        trouble = self._trouble.get(project)
        if number and trouble is not None and now < trouble.until:
            return size, 0, (f"workers end at their start ({trouble.crashes} times in a row): {trouble.reason}; "
                             f"trying again in {math.ceil(trouble.until - now)} s")
        limits = ((its.max_workers - count, _at_bound(its)),
                  (at_most, "more are started in the next round"),
                  (fits(room, size), "the pool's cores are all in use; waiting for workers that are to end"))
        for limit, text in limits:
            if number > limit:
                number, reason = max(limit, 0), text
        if not reason and not desk.status.largest.fits_in(agent):
            reason = f"its largest task asks for {desk.status.largest}; the largest agent has {agent}"
        return size, number, reason

    def _limit(self, desk: _Desk) -> str:
        if desk.settings.max_cores < desk.demand - EPS and desk.target >= desk.settings.max_cores - desk.task.cores:
            return f"at its bound of {desk.settings.max_cores:g} cores"
        if desk.target >= desk.demand - EPS:
            return _at_bound(desk.settings)
        return f"its share is {desk.target:g} cores of the {desk.needs:g} that its tasks ask for"


def _at_bound(its: ProjectSettings) -> str:
    return f"at its bound of {counted(its.max_workers, 'worker')}"


def needs(desk: _Desk, agent: Resources) -> float:
    """The cores that a manager's workers would have for all its tasks at once."""
    status, its = desk.status, desk.settings
    unit = its.worker or desk.task
    tasks = status.tasks
    if not tasks or not unit.fits_in(agent) or none_fits(status, agent):
        return 0.0
    all_alike = math.ceil(tasks / slots_in(unit, desk.task)) * unit.cores
    if not status.largest.cores:
        return all_alike
    # Tasks differ: what all of them make up, of cores that bring memory and disk along as workers do.
    whole = its.worker or agent
    mixed = max(total * whole.cores / there for total, there in zip(amounts(status.wanted), amounts(whole)) if there)
    return min(all_alike, max(math.ceil(mixed / unit.cores - EPS), 1) * unit.cores)


def none_fits(status: ManagerStatus, agent: Resources) -> bool:
    """Whether all tasks ask for as much as the largest does, and that is more than an agent has."""
    return not status.largest.fits_in(agent) and any(
        total >= each * status.tasks - EPS and each > there + EPS
        for total, each, there in zip(amounts(status.wanted), amounts(status.largest), amounts(agent)))


def amounts(resources: Resources) -> tuple[float, float, float, float]:
    return resources.cores, resources.memory_mb, resources.disk_mb, resources.gpus


def fits(room: float, size: Resources) -> int:
    return UNLIMITED if math.isinf(room) else max(math.floor((room + EPS) / size.cores), 0)


def task_size(status: ManagerStatus, agent: Resources) -> Resources:
    """What to reckon with for one task, at most an agent.

    A task that says nothing is given a whole worker by Work Queue, so it is reckoned with one core.
    """
    task = status.largest
    cores = float(math.ceil(max(task.cores, 1.0) - EPS))
    return Resources(min(cores, agent.cores), min(task.memory_mb, agent.memory_mb),
                     min(task.disk_mb, agent.disk_mb), min(task.gpus, agent.gpus))


def slots_in(size: Resources, task: Resources) -> int:
    """How many such tasks run in a worker of this size; at least 1."""
    return max(how_many_fit(task, size, UNLIMITED), 1)


def worker_size(task: Resources, missing_cores: float, agent: Resources) -> Resources:
    """A worker for as many tasks as are missing, at most a whole agent; memory and disk in proportion to its cores."""
    slots = max(min(slots_in(agent, task), int((missing_cores + EPS) / task.cores)), 1)
    cores = task.cores * slots
    part = cores / agent.cores
    return Resources(cores, max(task.memory_mb * slots, math.floor(agent.memory_mb * part)),
                     max(task.disk_mb * slots, math.floor(agent.disk_mb * part)), task.gpus * slots)
