"""The scheduler: connects the core to Mesos, to the executors and to an engine, in one asyncio loop.

The loop's thread owns the core. Adapters on other threads (pymesos, watchdog) only call `post_threadsafe`. The loop
handles all pending events together; each resulting action becomes one call of an adapter, in order.
"""
from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import signal
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import SavedClaim, SavedTask
from mfmesos.core.snapshot import Transfers, transfers
from mfmesos.engines.engine import Display, Engine
from mfmesos.estimates.learning import PER_CATEGORY
from mfmesos.mesos.master_link import MesosLink
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.scheduler.heldsyncs import HeldSyncs
from mfmesos.scheduler.parts import archive_of, claim_data, claim_labels, core_of, framework_of
from mfmesos.scheduler.publisher import Publisher
from mfmesos.scheduler.run_folder import RunFolder
from mfmesos.scheduler.sight import Sight
from mfmesos.settings.config import SchedulerConfig
from mfmesos.settings.ports import to_try
from mfmesos.shared import descriptors
from mfmesos.shared.addresses import split_host_port
from mfmesos.shared.messages import runs as m
from mfmesos.shared.plainerrors import plain
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.permits import derived_token
from mfmesos.staging.server import StagingServer, default_host
from mfmesos.store import framework
from mfmesos.store.journal import FILE as JOURNAL
from mfmesos.store.journal import Journal, JournalError
from mfmesos.store.markers import Markers
from mfmesos.store.recorder import Recorder

log = logging.getLogger("mfmesos.scheduler")
STOP_WITHIN_S = 20.0
"""The launcher kills this process after 30 s: end earlier, TEARDOWN included."""


class Scheduler(CoreViews):
    """One run of one workflow. `run` returns None, or the reason for its failure."""

    def __init__(
        self, config: SchedulerConfig, engine: Engine, clock: Callable[[], float] = time.monotonic,
        inputs: InputIndex | None = None, shown: Display | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.clock = clock
        self.workdir = Path(config.workdir)
        self.core = core_of(config)
        self.inputs = inputs or InputIndex(
            self.workdir, own_files=config.own_files, shared=config.shared_fs)
        self.staging: StagingServer
        self.journal: Journal
        self.recorder = Recorder(config.history, self.workdir.name, self._complain, PER_CATEGORY)
        self.sight = Sight(config, self, engine, self.post, clock, shown)
        self.loop: asyncio.AbstractEventLoop
        self._link: MesosLink
        self._pending: list[ev.Event] = []
        self._decided: deque[list[act.Action]] = deque()
        """Actions that wait for the journal."""
        self._journal_noted_at = -1e9
        self._scheduled = False
        self._ready = False
        """Whether all adapters are ready: an executor of an earlier scheduler may sync before."""
        self._wakeup: asyncio.TimerHandle | None = None
        self._held = HeldSyncs(self.post, self.sight.asked, self.sight.killed)
        self._publisher = Publisher(self.post)
        self._hosts: dict[str, str] = {}
        self._over: asyncio.Future[str | None]
        self._folder: RunFolder
        self._markers: Markers
        self._lost = ""
        """Why the folder is unusable; the journal is unusable with it."""
        self._registered = False
        self._perform: dict[type, Callable[[Any], None]] = {
            act.OpenClaim: self._open_claim,
            act.DeclineOffers: lambda a: self._link.decline(a.offer_ids, a.refuse_s),
            act.Revive: lambda a: self._link.revive(),
            act.Suppress: lambda a: self._link.suppress(),
            act.AcknowledgeUpdate: lambda a: self._link.acknowledge(a.claim_id, a.agent_id, a.uuid),
            act.KillClaim: lambda a: self._link.kill(a.claim_id, a.agent_id, a.grace_s),
            act.Reconcile: lambda a: self._link.reconcile(a.claims),
            act.AcceptInverseOffer: lambda a: self._link.accept_inverse_offer(a.inverse_offer_id),
            act.ListAgents: lambda a: self._link.list_agents(a.holders),
            act.ListUse: lambda a: self._link.list_use(),
            act.PermitAttempt: self._permit,
            act.WithdrawPermit: lambda a: self.staging.withdraw_permit(a.claim_id, a.attempt_id),
            act.AnswerSync: self._held.answer,
            act.ReceiveTemporary: lambda a: self.staging.temporaries.expect(a.claim_id, a.digest, a.size),
            act.DropTemporary: lambda a: self.staging.temporaries.drop(a.digest),
            act.PublishOutputs: lambda a: self._publisher.publish(self.staging, a.attempt_id),
            act.CloseClaim: self._close_claim,
            act.RecordAttempt: lambda a: self.recorder.keep(a.attempt),
            act.ReportAttempt: lambda a: self.sight.ended(a, self._hosts.get(a.claim_id, "")),
            act.Note: self._note,
            act.Over: self._finish,
        }

    # --- events in ------------------------------------------------------------------------------
    def post(self, *batch: ev.Event) -> None:
        """Post events from the loop's own thread."""
        self._pending.extend(batch)
        if not self._scheduled and self._ready:
            self._scheduled = True
            self.loop.call_soon(self._drain)

    def post_threadsafe(self, *batch: ev.Event) -> None:
        """Post events from any thread; a no-op after the loop has ended."""
        try:
            self.loop.call_soon_threadsafe(self.post, *batch)
        except RuntimeError:
            log.debug("event=late count=%d", len(batch))

    def stop(self, reason: str) -> None:
        """Kill all attempts, release all claims, and end. From any thread or a signal handler of the loop."""
        self.post_threadsafe(ev.StopRequested(reason))

    def _drain(self) -> None:
        self._scheduled = False
        batch, self._pending = self._pending, []
        try:
            batch = [event for event in batch if not self._keeps(event)]
            self._decided.append(self.core.handle_all(tuple(batch), self.clock()))
            self._carry_out()
            self._arm_wakeup()
        except Exception as e:
            self.crash(e)

    def _keeps(self, event: ev.Event) -> bool:
        """Record what Mesos reports about this framework; returns whether the core gets the event. The core does not
        learn that a framework of an earlier scheduler is gone (torn down by that scheduler or by an operator): the run
        registers again with a new id, and reconciliation reports the claims.
        """
        if isinstance(event, ev.Registered):
            self._remember_framework(event)
            return False
        if not isinstance(event, ev.FrameworkEnded) or not event.removed or self._registered:
            return False
        if framework.load(self.config.state_dir) is None:
            return False
        log.warning("event=new_framework the framework of the earlier run was removed")
        framework.forget(self.config.state_dir)
        self.loop.run_in_executor(None, self._link.stop, False, 1.0)
        self._connect()
        return True

    def _connect(self) -> None:
        self._link = MesosLink(self.config.master, framework_of(self.config), self.post_threadsafe)
        self._link.start()

    def list_agents(self) -> None:
        """Report the list of agents to the core."""
        self._link.list_agents()

    def transfers(self) -> Transfers:
        """Also after the run."""
        return transfers(self.core.state, *self.staging.sent())

    def members(self, attempt_id: str) -> Mapping[str, tuple[str, ...]]:
        return self.staging.members(attempt_id)

    def crash(self, error: BaseException) -> None:
        """An unexpected error ends the run and never lets it hang; the next scheduler resumes."""
        if self._over.done():
            log.error("event=crash_while_ending", exc_info=error)
        else:
            self._over.set_exception(error)

    def _ticker_ended(self, ticker: asyncio.Task[None]) -> None:
        if not ticker.cancelled():
            self.crash(ticker.exception() or RuntimeError("the ticks ended"))

    def _carry_out(self) -> None:
        """Write the saves to the journal before any action is carried out; while the journal cannot be written, carry
        out nothing.
        """
        while self._decided:
            decided = self._decided[0]
            try:
                if not self._lost:
                    self.journal.write(decided)
            except JournalError as e:
                if self.clock() - self._journal_noted_at >= 60.0:
                    self._journal_noted_at = self.clock()
                    self._note(act.Note("warning", m.JOURNAL_FAILING(why=e)))
                return
            self._decided.popleft()
            for kind, group in itertools.groupby((a for a in decided if not isinstance(a, act.JOURNALED)), key=type):
                if kind is act.ReportTask:
                    self._report_all(group)
                else:
                    for action in group:
                        self._perform[kind](action)
        if self.staging.starting:
            self.staging.open_up()

    def _arm_wakeup(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
        at = self.core.wakeup()
        if at is not None:
            self._wakeup = self.loop.call_later(max(0.0, at - self.clock()) + 0.001, self.post, ev.Tick())

    # --- actions out ----------------------------------------------------------------------------
    def _open_claim(self, action: act.OpenClaim) -> None:
        self.sight.opened(action)
        self._hosts[action.claim_id] = action.offers[0].hostname
        log.info("event=open_claim claim=%s host=%s resources=%r",
                 action.claim_id, self._hosts[action.claim_id], str(action.resources))
        elsewhere = self.config.executor_uri
        url = "" if elsewhere else self.staging.archive.url(action.claim_id, self.first_inputs(action.claim_id))
        self._link.open_claim(
            action, archive_uri=elsewhere, command=self._archive.command(url),
            data=claim_data(action, self.staging),
            task_name=f"mfmesos {self.workdir.name} claim {action.claim_id}", labels=claim_labels(self, action))

    def _close_claim(self, action: act.CloseClaim) -> None:
        self.staging.close_claim(action.claim_id)
        self.sight.closed(action)

    def _permit(self, action: act.PermitAttempt) -> None:
        self.staging.permit(action.claim_id, action.attempt_id, action.inputs, action.outputs)

    def _report_all(self, actions: Iterable[Any]) -> None:
        reports: list[act.ReportTask] = list(actions)
        self.sight.await_begin()
        with self.engine.together():
            for report in reports:
                host = self._hosts.get(report.claim_id, "")
                self.engine.report(report, host)
                self.sight.ended(report, host)
        for report in reports:
            self.staging.settle(report.attempt_id)

    def _note(self, action: act.Note) -> None:
        log.log({"info": logging.INFO, "warning": logging.WARNING}.get(action.level, logging.ERROR), "%s", action.text)
        self.engine.note(action)

    def _complain(self, text: str) -> None:
        """Notify the user, from any thread."""
        self.loop.call_soon_threadsafe(self._note, act.Note("warning", text))

    def _finish(self, action: act.Over) -> None:
        if not self._over.done():
            self._over.set_result(action.failure or self._lost or None)

    # --- the run --------------------------------------------------------------------------------
    async def run(self, stop_on: tuple[signal.Signals, ...] = ()) -> str | None:
        """Run to the end; returns None, or the reason for the failure. Each signal in `stop_on` stops the run in
        order.
        """
        self.loop = asyncio.get_running_loop()
        descriptors.raise_limit()
        for number in stop_on:
            self.loop.add_signal_handler(number, self.sight.signalled, number.name, self.stop)
        self._over = self.loop.create_future()
        self.config.state_dir.mkdir(exist_ok=True)
        self._folder = RunFolder(self.workdir, self.config.state_dir)
        history = asyncio.wrap_future(self.recorder.load())  # meanwhile: a short workflow feels each part of the start
        self._archive, self.journal = await asyncio.gather(
            self.loop.run_in_executor(None, archive_of, self.config),
            self.loop.run_in_executor(None, Journal, self.config.state_dir / JOURNAL, self.config.launch))
        self._markers = Markers(
            self.config.state_dir, self.config.shared_fs, derived_token(self.journal.secret, "shared")[:16])
        self.post(ev.SharedFolders(await self.loop.run_in_executor(None, self._markers.write, self._complain)))
        await self._start_staging()
        self.staging.serve()  # the first agent fetches the executor soon (docs/performance.md, Start-up)
        self._connect()
        known = tuple(await history)
        self.sight.learned(known)
        self.post(ev.HistoryLoaded(known))
        self.engine.start(self)
        self.sight.begin(self.journal.resumed)
        gc.freeze()  # what exists now stays to the end: no collection need look at it
        gc.enable()
        self._ready = True
        self._drain()
        await self.sight.start()  # while the agent starts the first executor
        if self.config.ending:
            self.stop(m.ONLY_ENDED())
        ticker = self.loop.create_task(self._tick())
        ticker.add_done_callback(self._ticker_ended)
        failure: str | None = None
        crashed = True
        try:
            failure = await self._over
            crashed = False
        finally:
            ticker.cancel()
            await asyncio.gather(
                self.loop.run_in_executor(None, self._link.stop, not crashed, 5.0), self.staging.stop(keep=crashed),
                self.sight.end(failure, crashed, self.staging.sent()[0]),
                self.loop.run_in_executor(None, self.recorder.close))
            self.engine.close(failure, crashed=crashed)
            self.core.close()
            if crashed:
                self.journal.close()
            else:
                await self.loop.run_in_executor(None, self._markers.remove)
                framework.forget(self.config.state_dir)
                self.journal.end()
        return failure

    async def _start_staging(self) -> None:
        """Start the staging server; after the death of an earlier scheduler of this run, at its address and with its
        tokens.
        """
        journal, config = self.journal, self.config
        tasks, claims = self._resume() if journal.resumed else ([], [])
        host, port = split_host_port(config.listen or default_host(config.master), 0)
        known = int(journal.get("port") or 0)
        for wanted in (candidates := to_try(known, port, config.ports)):
            self.staging = StagingServer(
                self.workdir, self._held.on_sync, inputs=self.inputs, tls=None, secret=journal.secret,
                own_files=config.own_files, peer_transfers=config.peer_transfers, keep_failed_mb=config.keep_failed_mb,
                on_temporary=lambda digest: self.post(ev.TemporaryReceived(digest)), on_crash=self.crash)
            self.staging.starting = True
            for claim in claims:
                self.staging.open_claim(claim.id)
                self._hosts[claim.id] = claim.hostname
            try:
                await self.staging.start(
                    host, wanted, config.advertise, resume=journal.resumed, certificate=journal.get("tls").encode())
                break
            except OSError as e:
                await self.staging.stop(keep=True)
                if wanted == candidates[-1]:
                    raise
                if wanted == known:
                    self._note(act.Note("warning", m.SYNC_ADDRESS_LOST(why=plain(e))))
                    claims = []
        journal.put("port", str(self.staging.port))
        journal.put("tls", self.staging.certificate.decode())
        self.staging.archive.serve(self._archive.path)
        if journal.resumed:
            log.info("event=resumed tasks=%d claims=%d", len(tasks), len(claims))
            self.post(ev.Restored(tuple(tasks), tuple(claims), journal.steered(self.engine.tasks())))

    def _resume(self) -> tuple[list[SavedTask], list[SavedClaim]]:
        """Tasks and claims of an earlier scheduler that are still wanted. Tasks may have other numbers now; a claim
        that was opened for a task that is no longer wanted belongs to no task.
        """
        saved, claims = self.journal.load()
        tasks = self.engine.resume(saved)
        if tasks != saved:
            self.journal.keep(tasks)
        now = {task.stem: task.task.id for task in tasks}
        numbers = {task.task.id: now.get(task.stem, 0) for task in saved}
        return tasks, [replace(one, solo_task=one.solo_task and numbers.get(one.solo_task, 0)) for one in claims]

    async def _tick(self) -> None:
        stopping_since = None
        while True:
            await asyncio.sleep(0.5)
            why = self._look_at_folder() or self.engine.alive()
            if why:
                self.post(ev.StopRequested(why))
            self.post(ev.Tick())
            self.recorder.flush()
            self.sight.tick(self.staging.sent()[0])
            self._flush_journal()
            stopping = self.snapshot().stopping
            if stopping:
                stopping_since = stopping_since or self.clock()
                if self.clock() - stopping_since > STOP_WITHIN_S and not self._over.done():
                    self._over.set_result(m.STOPPED_LATE(why=stopping, seconds=STOP_WITHIN_S))

    def _look_at_folder(self) -> str:
        if not self._lost:
            self._lost = self._folder.problem()
        return self._lost

    def _flush_journal(self) -> None:
        try:
            if not self._lost:
                self.journal.flush()
        except JournalError as e:
            log.warning("%s", e)  # the next save reports this to the user

    def _remember_framework(self, event: ev.Registered) -> None:
        if not self._registered:
            framework.save(self.config.state_dir, framework.Framework(
                event.framework_id, event.master, self.config.engine))
            self._registered = True
        log.info("event=registered framework=%s master=%s", event.framework_id, event.master)
