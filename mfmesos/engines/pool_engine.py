"""The pool as an engine: its tasks are workers, and it asks once a second what managers need."""
from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Resources, SavedTask
from mfmesos.core.policy import Policy
from mfmesos.engines import pool_record, pool_status
from mfmesos.engines.engine import Launched
from mfmesos.engines.host import Host
from mfmesos.engines.pool_programs import Programs
from mfmesos.engines.pool_worker import IDLE_S, MARGIN, distinct_size, identity, leaves, remove_old_logs
from mfmesos.engines.pool_workers import YOUNG_S, Worker, cannot_join, see, strangers
from mfmesos.engines.stager import Stager
from mfmesos.engines.survey import Survey, View
from mfmesos.settings import pool_settings
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.settings.pool_settings import CATALOG_PORT, PoolSettings
from mfmesos.shared import atomic
from mfmesos.shared.addresses import split_host_port
from mfmesos.shared.messages import pool as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.terminal import say
from mfmesos.shares.desk import Pool
from mfmesos.shares.foremen import through_foremen
from mfmesos.shares.pool_values import TASK_VINE, Decisions, Pace, Start
from mfmesos.store.runlog import RunLog, more_of_it
from mfmesos.taskfiles.watch import DirectoryWatch

log = logging.getLogger("mfmesos.pool")
GOOD = "pool-settings.json"
"""The last valid settings, for the next scheduler."""
ROUND_S = 1.0
AGENTS_S = 5.0
EXECUTOR_MB = Policy().executor_memory_mb


class PoolEngine(Launched):
    """Maintains as many workers as the managers need."""

    def __init__(self, config: SchedulerConfig, echo: Callable[[str], None] = say,
                 getppid: Callable[[], int] = os.getppid) -> None:
        super().__init__(config, echo, getppid)
        self._folder = Path(config.workdir)
        self._gpus = config.gpus
        own = dict(config.pool or {})
        self._file = Path(own.pop("file", "") or self._folder / pool_settings.FILE)
        self._base = pool_settings.parse(own, PoolSettings())
        self._settings = self._first_settings()
        self._pool = Pool(Pace(idle_s=self._settings.idle_s))
        self._runlog = RunLog(config.state_dir, config.keep_output)
        self._workers: dict[int, Worker] = {}
        self._waiting: set[int] = set()
        self._changes = 0
        """The number of the last change of a task that `_waiting` has."""
        self._last_id = int(time.time())  # never the number of an earlier run
        self._programs = Programs(self._folder, self._settings)
        self._notified: dict[str, str] = {}
        self._present: set[str] = set()
        """Keys of the managers in the last round."""
        self._agents_at = -math.inf
        self._published_at = -math.inf
        self._served_at = 0.0
        """When a manager was last found."""
        self._survey: Survey
        self._rounds: asyncio.Task[None]
        self._watch: DirectoryWatch
        self._host: Host
        self._stager: Stager

    # --- the engine's interface to the scheduler ------------------------------------------------
    def resume(self, saved: list[SavedTask]) -> list[SavedTask]:
        """All workers continue: they do not notice the scheduler's death."""
        for one in saved:
            self._workers[one.task.id] = Worker(one.task, 0.0, None)
        self._last_id = max([self._last_id, *self._workers])
        return saved

    def start(self, host: Host) -> None:
        self._host = host
        now = self._served_at = host.clock()
        for worker in self._workers.values():
            worker.asked_at = now
        if self._workers:
            self._echo(m.POOL_TOOK_OVER(workers=counted(len(self._workers), "worker")))
        self._survey = Survey(host.clock)
        self._stager = Stager(self._folder, host.inputs, host.post_threadsafe)
        self._watch = DirectoryWatch(self._file.parent, [self._file.name], self._file_changed)
        self._watch.start()
        self._rounds = host.loop.create_task(self._go_round())
        self._rounds.add_done_callback(self._rounds_ended)

    def report(self, report: act.ReportTask, host: str) -> None:
        self._count(report)
        self._runlog.task_ended(report, host)
        worker = self._workers.pop(report.task.id, None)
        if report.task.outputs:
            remove_old_logs(self._folder)
        if worker is None or worker.draining or report.withdrawn:
            return
        now = self._host.clock()
        if not report.finished:
            line = _failure(worker, report, host, more_of_it(report, self._state_dir))
            log.warning("%s", line)
            self._notify_once(worker.project, line)
        if report.result is not None and report.result.resource == "memory":
            self._pool.outgrown(worker.manager, worker.size)
        if not worker.seen and (not report.finished or now - worker.asked_at < YOUNG_S or not worker.presumed):
            ended = m.POOL_WORKER_ENDED_ON(host=host) if host else m.POOL_WORKER_ENDED()
            self._pool.crashed(worker.project, report.reason or ended, now)

    def alive(self) -> str:
        return self.orphaned()

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        self._rounds.cancel()
        self._watch.stop()
        self._programs.close()
        self._stager.close()
        self._runlog.close()
        if not crashed:
            for name in (pool_status.FILE, GOOD):
                (self._state_dir / name).unlink(missing_ok=True)

    # --- settings -------------------------------------------------------------------------------
    def _first_settings(self) -> PoolSettings:
        """A restarted scheduler reads the present pool.json; the last valid settings are on disk."""
        good = self._state_dir / GOOD
        try:
            settings = pool_settings.read(self._file, self._base)
        except ConfigError as e:
            if not good.exists():
                raise
            self._echo(m.POOL_SETTINGS_KEPT(problem=e))
            return pool_settings.read(good, self._base)
        self._keep(settings)
        return settings

    def _keep(self, settings: PoolSettings) -> None:
        with contextlib.suppress(OSError):  # on a full disk they are lost only after a crash
            atomic.write(self._state_dir / GOOD, json.dumps(pool_settings.as_json(settings)), mode=0o600)

    def _file_changed(self, name: str) -> None:
        """Runs on the watch's thread."""
        try:
            settings = pool_settings.read(self._file, self._base)
        except ConfigError as e:
            self._host.loop.call_soon_threadsafe(self._echo, m.POOL_SETTINGS_KEPT(problem=e))
        else:
            self._host.loop.call_soon_threadsafe(self._take, settings)

    def _take(self, settings: PoolSettings) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        self._keep(settings)
        self._programs.take(settings)
        self._pool.pace = replace(self._pool.pace, idle_s=settings.idle_s)
        self._echo(m.POOL_SETTINGS_CHANGED(
            path=self._file, projects=counted(len(settings.projects), "project")))

    # --- a round --------------------------------------------------------------------------------
    def _rounds_ended(self, rounds: asyncio.Task[None]) -> None:
        error = None if rounds.cancelled() else rounds.exception()
        if error is not None:
            self._host.crash(error)

    async def _go_round(self) -> None:
        while not self._host.snapshot().stopping:
            await self._round()
            await asyncio.sleep(ROUND_S)

    async def _round(self) -> None:
        settings, host = self._settings, self._host
        now = host.clock()
        if now - self._agents_at >= AGENTS_S:
            self._agents_at = now
            host.list_agents()
        view = await self._survey.look(settings)
        view = replace(view, managers=through_foremen(view.managers, settings.foremen))
        self._notify_once("source", m.POOL_SOURCE_FAILED(problem=view.problem) if view.problem else "")
        if view.ignored and "ignored" not in self._notified:  # once: anyone may send a catalog new ones all the time
            self._notify_once("ignored", _first_of(view.ignored))
        self._note_changes(view)
        now = host.clock()
        if view.managers:
            self._served_at = now
        elif settings.factory_timeout_s and now - self._served_at >= settings.factory_timeout_s:
            reason = m.POOL_TIMED_OUT(seconds=settings.factory_timeout_s)
            self._echo(reason)
            host.stop(reason)
            return
        for project in see(self._workers.values(), view, self._now_waiting(), now):
            self._pool.worked(project)
        self._drain_rejected(view, now)
        self._drain_misled(view)
        view = await self._with_refusals(view)
        agent, cores = self._room()
        projects = {*(manager.project for manager in view.managers), *(w.project for w in self._workers.values())}
        bounds = {p: its for p in projects if (its := settings.of(p)) is not None}
        decided = self._pool.decide(
            view.managers, bounds, [w.as_core() for w in self._workers.values()], agent, now, cluster_cores=cores,
            overhead=self._overhead(), strangers=strangers(self._workers.values(), view))
        for drain in decided.drains:
            self._drain(int(drain.worker_id), drain.reason)
        await self._start(decided.starts, now)
        self._write_status(view, decided, agent, cores)

    def _now_waiting(self) -> set[int]:
        """The ids of workers that wait for resources."""
        found = self._host.changes_since(self._changes)
        self._changes = found.changes
        if found.tasks is None:
            self._waiting.clear()
        for number in self._workers if found.tasks is None else found.tasks:
            task = self._host.task(number)
            if task is not None and task.waits:
                self._waiting.add(number)
            else:
                self._waiting.discard(number)
        return self._waiting

    def _drain_rejected(self, view: View, now: float) -> None:
        for worker in self._workers.values():
            if cannot_join(worker, view, now):
                self._pool.crashed(worker.project, m.POOL_NEVER_JOINED(manager=worker.manager), now)
                self._drain(worker.task.id, m.POOL_DRAIN_CANNOT_JOIN())

    def _drain_misled(self, view: View) -> None:
        """Workers that wait for resources while their manager blocks other hosts than at their start."""
        blocked = {manager.key: (*manager.blocked, *self._settings.blocked) for manager in view.managers}
        for worker in self._workers.values():
            if (worker.placed_at is None and not worker.draining
                    and blocked.get(worker.manager, worker.task.not_on) != worker.task.not_on):
                self._drain(worker.task.id, m.POOL_DRAIN_BLOCKED())

    async def _with_refusals(self, view: View) -> View:
        """Managers that need workers, with the reason where no configured worker could join."""
        managers = []
        for manager in view.managers:
            if manager.all_tasks and not manager.refuses:
                try:
                    await self._programs.of(manager)
                except ConfigError as e:
                    manager = replace(manager, refuses=str(e))
            if manager.refuses:
                self._notify_once(f"refused {manager.key}", manager.refuses)
            managers.append(manager)
        return replace(view, managers=tuple(managers))

    def _room(self) -> tuple[Resources, float]:
        """The largest worker that fits an agent, and the cores of all agents that others do not use."""
        room = self._host.room()
        agents = [(a - MARGIN).at_least_zero() for a in room.agents]
        if not self._gpus:
            agents = [a._replace(gpus=0.0) for a in agents]
        agents = [a._replace(cores=float(math.floor(a.cores + 0.0005))) for a in agents if a.memory_mb and a.disk_mb]
        if not agents:
            return Resources(), 0.0
        return max(agents, key=lambda a: (a.cores, a.memory_mb)), sum(a.cores for a in agents) - room.cores_of_others

    def _overhead(self) -> Resources:
        """What each worker costs an agent beside its size."""
        return MARGIN._replace(memory_mb=MARGIN.memory_mb + EXECUTOR_MB)

    def _drain(self, number: int, reason: str) -> None:
        """A worker with a debug log that is connected to no manager ends by itself (CONNECT_S), so that its log comes
        back.
        """
        worker = self._workers[number]
        alone = worker.placed_at is not None and (not worker.seen or worker.manager not in self._present)
        worker.draining = True
        log.info("event=drain worker=%d manager=%r reason=%r", number, worker.manager, reason)
        if not (alone and worker.task.outputs):
            self._host.post(ev.TaskWithdrawn(number))

    async def _start(self, starts: Iterable[Start], now: float) -> None:
        for start in starts:
            try:
                program, secret = await self._programs.of(start.manager)
            except ConfigError as e:  # of a manager without tasks that keeps a minimum of workers
                self._notify_once(f"refused {start.manager.key}", str(e))
                continue
            its = self._settings.of(start.manager.project)
            taken = {identity(w.size) for w in self._workers.values() if w.manager == start.manager.key}
            staying = sum(w.project == start.manager.project and not w.draining and not leaves(w.task)
                          for w in self._workers.values())
            for _ in range(start.count):
                # TaskVine would let a worker leave that has the only copy of a file: the pool ends its workers,
                # except those whose debug log comes back only if they leave.
                debug = self._settings.debug_workers
                stays = start.manager.tasks_left > 0 or (start.manager.worker == TASK_VINE and not debug) or (
                    its is not None and staying < its.min_workers)
                staying += stays
                size = distinct_size(start.size, taken)
                taken.add(identity(size))
                self._last_id += 1
                task = program.task(self._last_id, start.manager, size, secret, debug=debug,
                                    blocked=self._settings.blocked,
                                    idle_s=IDLE_S if stays else self._settings.idle_s)
                self._workers[task.id] = Worker(task, now, now)
                log.info("event=start worker=%d manager=%r size=%r", task.id, start.manager.key, str(size))
                self._stager.submit(task)

    # --- notifications --------------------------------------------------------------------------
    def _notify_once(self, subject: str, text: str) -> None:
        if self._notified.get(subject, "") != text:
            self._notified[subject] = text
            if text:
                self._echo(text)

    def _note_changes(self, view: View) -> None:
        """Report managers that have appeared or ended."""
        present = {manager.key: manager for manager in view.managers}
        for key in present.keys() - self._present:
            self._echo(m.POOL_MANAGER_FOUND(manager=key, tasks=counted(present[key].tasks, "task")))
        for key in self._present - present.keys():
            self._echo(m.POOL_MANAGER_GONE(manager=key))
        self._present = set(present)

    def _write_status(self, view: View, decided: Decisions, agent: Resources, cores: float) -> None:
        waiting = self._now_waiting()
        by_manager: dict[str, list[Worker]] = {manager.key: [] for manager in view.managers}
        abandoned = 0
        for worker in self._workers.values():
            if worker.manager in by_manager:
                by_manager[worker.manager].append(worker)
            else:
                abandoned += 1
        rows = []
        for manager in view.managers:
            mine = by_manager[manager.key]
            needs = decided.needs.get(manager.key, 0.0)
            rows.append(pool_status.Row(
                manager.project, manager.host, manager.port, manager.tasks_waiting, manager.tasks_running,
                needs, sum(w.size.cores for w in mine if not w.draining), len(mine),
                sum(w.task.id in waiting for w in mine), sum(w.seen for w in mine),
                sum(w.idle for w in mine), sum(w.draining for w in mine),
                decided.why_not_more.get(manager.key) or decided.why_not_more.get(manager.project, "")))
        self._publish(rows)
        pool_status.write(self._state_dir, pool_status.Status(
            time.time(), tuple(rows), str(agent) if agent.cores else "", cores, view.problem, abandoned))

    def _publish(self, rows: list[pool_status.Row]) -> None:
        """Send the pool's record to the catalog, once a minute."""
        now = self._host.clock()
        if self._settings.manager or now - self._published_at < pool_record.EVERY_S:
            return
        self._published_at = now
        host, port = split_host_port(self._settings.catalog, CATALOG_PORT)
        data = pool_record.record(self._settings, rows)
        self._host.loop.run_in_executor(None, pool_record.send, host, port, data).add_done_callback(_published)


def _published(sent: asyncio.Future[None]) -> None:
    if not sent.cancelled() and sent.exception() is not None:
        log.info("event=record_not_sent reason=%r", str(sent.exception()))


def _failure(worker: Worker, report: act.ReportTask, host: str, more: str) -> str:
    """One line for the user."""
    project, number = worker.project, worker.task.id
    if host:
        return m.POOL_WORKER_FAILED_ON(project=project, worker=number, host=host, why=report.reason, more=more)
    return m.POOL_WORKER_FAILED(project=project, worker=number, why=report.reason, more=more)


def _first_of(ignored: tuple[str, ...]) -> str:
    """The first of these lines, with the number of the others."""
    others = len(ignored) - 1
    if others > 1:
        return m.POOL_AND_OTHERS(first=ignored[0], others=others)
    return m.POOL_AND_OTHER(first=ignored[0]) if others else ignored[0]
