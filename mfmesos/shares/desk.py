"""Decides how many workers each manager of Work Queue or TaskVine gets: pure, `now` is passed in. Cores, MB, seconds.

A round is five steps, each a function of pool_steps.py (whose docstring defines need, demand and target):
1. Workers whose manager has ended are drained (`orphans`).
2. Each manager gets an account: its need and its demand (`account`).
3. The pool's cores are shared among the demands: the targets (`with_targets`).
4. Workers above the target are drained (`surplus_workers`), missing workers are started (`missing_workers`), as far as
   the ramp allows (`may_end`, `may_start`).
5. The result gives a reason for each project that gets no more workers.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mfmesos.core.model import Resources
from mfmesos.shared.messages import pool as m
from mfmesos.shares import pool_steps as steps
from mfmesos.shares.pool_sizes import completed
from mfmesos.shares.pool_steps import Account, Learned
from mfmesos.shares.pool_values import (
    NOTHING_SAID,
    Decisions,
    Drain,
    ManagerStatus,
    Pace,
    PoolWorker,
    ProjectSettings,
    Start,
)
from mfmesos.shares.water_filling import EPS

NO_STRANGERS: Mapping[str, float] = {}


@dataclass
class Backoff:
    """The pause after workers of a project have ended before they were useful."""

    crashes: int = 0
    """In a row; simultaneously started workers count as one."""
    reason: str = ""
    until: float = 0.0

    def crashed(self, reason: str, now: float, pace: Pace) -> None:
        if now >= self.until:
            self.crashes += 1
            wait = pace.backoff_s * 2.0 ** min(self.crashes - 1, 30)
            self.until = now + min(wait, pace.backoff_max_s)
        self.reason = reason

    def text(self, now: float) -> str:
        """Why no worker may start now; empty if one may."""
        if now >= self.until:
            return ""
        return m.POOL_BACKOFF(crashes=self.crashes, why=self.reason, pause=math.ceil(self.until - now))


class Pool:
    """Decides; remembers only when managers were last reported, and which projects' workers end at their start."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._heard: dict[str, tuple[float, ManagerStatus]] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._sizes: dict[str, _Sizes] = {}

    def crashed(self, project: str, reason: str, now: float) -> None:
        """A worker ended before it was useful: none starts for a while, twice as long each time in a row."""
        self._backoffs.setdefault(project, Backoff()).crashed(reason, now, self.pace)

    def worked(self, project: str) -> None:
        """A worker of the project has connected to its manager."""
        self._backoffs.pop(project, None)

    def outgrown(self, manager: str, size: Resources) -> None:
        """The tasks of a worker used more memory than the worker had: until the manager has no tasks, each of its tasks
        is assumed to need twice its part of such a worker.
        """
        heard = self._heard.get(manager)
        cores = max(heard[1].largest.cores if heard is not None else 0.0, 1.0)
        memory_mb = 2 * size.memory_mb * min(cores / max(size.cores, EPS), 1.0)
        self._sizes.setdefault(manager, _Sizes()).more_memory(memory_mb)

    def decide(self, managers: Sequence[ManagerStatus], settings: Mapping[str, ProjectSettings],
               workers: Sequence[PoolWorker], agent: Resources, now: float, *,
               cluster_cores: float = math.inf, overhead: Resources = NOTHING_SAID,
               strangers: Mapping[str, float] = NO_STRANGERS) -> Decisions:
        """Which workers to start and to drain now.

        `settings` are by project; a manager whose project has none gets no workers. `agent` is the largest worker that
        fits an agent, `overhead` what each worker costs an agent beside its size, `cluster_cores` the total that the
        pool may use. `strangers`: by manager, the cores of workers that others have started.
        """
        active = [w for w in workers if not w.draining]
        self._record_reports(managers, {w.manager for w in active}, now)
        drains = steps.orphans(active, self._heard, settings, now, self.pace)
        if agent.cores <= EPS:
            return Decisions((), tuple(drains), {p: m.POOL_AGENTS_UNKNOWN() for p in settings})
        settings = {project: its if its.worker is None else replace(its, worker=completed(its.worker, agent, overhead))
                    for project, its in settings.items()}
        served = _served(managers, settings, active)
        why: dict[str, str] = {}
        free = cluster_cores - sum(w.size.cores for w in workers)
        for status, its in served:
            drains += self._learn(status, its, settings[status.project].worker, agent, overhead, now, why, free)
        gone = {drain.worker_id for drain in drains}
        drains = [drain for drain in drains if not drain.leaves]
        accounts = steps.with_targets([
            steps.account(status, settings[status.project], [w for w in its if w.id not in gone], agent,
                          self._sizes[status.key].learned(strangers.get(status.key, 0.0), now))
            for status, its in served], cluster_cores, agent)
        draining = sum(w.size.cores for w in workers if w.draining or w.id in gone)
        return self._change(accounts, agent, now, drains, cluster_cores - draining, overhead, why)

    def _learn(self, status: ManagerStatus, its: Sequence[PoolWorker], fixed: Resources | None, agent: Resources,
               overhead: Resources, now: float, why: dict[str, str], free_cores: float) -> list[Drain]:
        """Workers that are too small for the manager's tasks, or too large for any agent's free room, are drained.

        They count for no minimum: larger or smaller workers replace them. Small ones of TaskVine that may have
        the only copy of a file stay if the larger worker has room beside them in the `free_cores`. `fixed`: the size
        that the user gave.
        """
        sizes = self._sizes.setdefault(status.key, _Sizes())
        if not status.tasks:
            sizes.at_least = NOTHING_SAID
        is_stuck = steps.stuck(status, its, now, self.pace)
        if fixed is not None:
            if is_stuck:
                why[status.key] = m.POOL_SIZE_TOO_SMALL(worker=fixed)
            return []
        small: list[PoolWorker] = []
        if is_stuck:
            next_size = steps.larger(its, agent, overhead)
            if next_size is None:
                why[status.key] = m.POOL_NO_WORKER_FITS(agent=agent)
                sizes.rest_until = now + self.pace.smaller_s
            else:
                sizes.at_least = next_size._replace(memory_mb=max(next_size.memory_mb, sizes.at_least.memory_mb))
                small = [w for w in its if w.connected and not next_size.fits_in(w.size)]
        if sizes.at_least != NOTHING_SAID and status.key not in why:
            why[status.key] = (m.POOL_TRYING_LARGER(worker=sizes.at_least) if sizes.at_least.cores
                               else m.POOL_MORE_MEMORY(memory=min(sizes.at_least.memory_mb, agent.memory_mb)))
        homeless = steps.without_room(its, now, self.pace)
        if homeless:
            sizes.most_cores = max(math.floor(max(w.size.cores for w in homeless) / 2 + EPS), 1)
            sizes.until = now + self.pace.smaller_s
            homeless = [w for w in homeless if w.size.cores > max(sizes.most_cores, sizes.at_least.cores) + EPS]
        beside = sizes.at_least.cores <= free_cores + EPS
        return [*(Drain(w.id, m.POOL_DRAIN_TOO_SMALL(), leaves=beside and w.is_kept(status)) for w in small),
                *(Drain(w.id, m.POOL_DRAIN_NO_ROOM()) for w in homeless)]

    def _record_reports(self, managers: Sequence[ManagerStatus], with_workers: set[str], now: float) -> None:
        """Record when each manager was last reported; forget ended managers without workers."""
        for status in managers:
            self._heard[status.key] = (now, status)
        for key, (at, _) in list(self._heard.items()):
            if now - at > self.pace.gone_s and key not in with_workers:
                del self._heard[key]
                self._sizes.pop(key, None)

    def _change(self, accounts: Sequence[Account], agent: Resources, now: float, drains: list[Drain],
                pool_cores: float, overhead: Resources, why: dict[str, str]) -> Decisions:
        """Manager by manager: the changes of one count for the following managers of the same project. `why` is
        completed."""
        starts: list[Start] = []
        rounds = self._project_rounds(accounts)
        room = pool_cores - sum(its.held for its in accounts)
        short = steps.others_are_short(accounts)
        starved = steps.somebody_has_none(accounts)
        pace = replace(self.pace, busy_s=self.pace.starved_s) if starved else self.pace
        for its in accounts:
            project = rounds[its.project]
            ended = steps.surplus_workers(its, project.workers, project.may_end, now, short, pace)
            drains += ended
            project.end(len(ended))
            if ended:
                continue
            missing = steps.missing_workers(its, agent, project.workers, project.may_start, room,
                                            self._backoff(its.project, now), overhead)
            if missing.count and now >= self._sizes[its.status.key].rest_until:
                starts.append(Start(its.status, missing.size, missing.count))
                project.start(missing.count)
                room -= missing.count * missing.size.cores
            if its.status.refuses:
                why[its.status.key] = its.status.refuses
            elif missing.reason:
                why.setdefault(its.project, missing.reason)
        return Decisions(tuple(starts), tuple(drains), why, {its.status.key: its.need for its in accounts})

    def _project_rounds(self, accounts: Sequence[Account]) -> dict[str, _ProjectRound]:
        workers: dict[str, int] = {}
        for its in accounts:
            workers[its.project] = workers.get(its.project, 0) + len(its.workers)
        lightest = min((its.settings.weight for its in accounts), default=1.0)
        return {its.project: _ProjectRound(
            workers[its.project], steps.may_start(its.settings, workers[its.project], lightest, self.pace),
            steps.may_end(workers[its.project], self.pace)) for its in accounts}

    def _backoff(self, project: str, now: float) -> str:
        backoff = self._backoffs.get(project)
        return backoff.text(now) if backoff is not None else ""


@dataclass
class _ProjectRound:
    """What a project has, and may still change, in this round."""

    workers: int
    may_start: int
    may_end: int

    def start(self, count: int) -> None:
        self.workers += count
        self.may_start -= count

    def end(self, count: int) -> None:
        self.workers -= count
        self.may_end -= count


@dataclass
class _Sizes:
    """What is known about the sizes of one manager's workers."""

    at_least: Resources = NOTHING_SAID
    most_cores: float = math.inf
    until: float = -math.inf
    """`most_cores` holds until then."""
    rest_until: float = -math.inf
    """No worker is large enough; none starts until then."""

    def more_memory(self, memory_mb: float) -> None:
        self.at_least = self.at_least._replace(memory_mb=max(self.at_least.memory_mb, memory_mb))

    def learned(self, strangers: float, now: float) -> Learned:
        return Learned(self.at_least, self.most_cores if now < self.until else math.inf, strangers)


def _served(managers: Sequence[ManagerStatus], settings: Mapping[str, ProjectSettings],
            active: Sequence[PoolWorker]) -> list[tuple[ManagerStatus, list[PoolWorker]]]:
    """The managers whose project is served, with their workers, in the order of their keys; of two with one key, the
    last."""
    by_manager: dict[str, list[PoolWorker]] = {}
    for w in active:
        by_manager.setdefault(w.manager, []).append(w)
    served = {manager.key: manager for manager in managers if manager.project in settings}
    return [(status, by_manager.get(key, [])) for key, status in sorted(served.items())]
