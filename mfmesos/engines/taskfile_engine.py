"""The engine for makeflow and work_queue_factory: three files in the workflow's folder.

The engine follows mesos_task_info and appends to mesos_task_state; mesos_done (or the parent's death) ends the run.
"""
from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Callable

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import SavedTask, Task
from mfmesos.engines.engine import Launched
from mfmesos.engines.host import Host
from mfmesos.engines.stager import Stager
from mfmesos.settings.config import SECRET_VARIABLE, SchedulerConfig
from mfmesos.shared import engine_programs
from mfmesos.shared.messages import core as core_messages
from mfmesos.shared.messages import engines as m
from mfmesos.shared.messages import steering
from mfmesos.shared.phrases import printable
from mfmesos.shared.terminal import say
from mfmesos.store.leftovers import DONE, TASK_INFO, TASK_STATE, clear, own
from mfmesos.store.runlog import RunLog, more_of_it
from mfmesos.taskfiles.entries import MAX_ID, CommaNames, Folder, Malformed, Record, Submitted
from mfmesos.taskfiles.makeflow_debug import DebugLog, sendable
from mfmesos.taskfiles.overlaps import Overlaps
from mfmesos.taskfiles.splitter import start_at_last_first_id
from mfmesos.taskfiles.statefile import StateFile
from mfmesos.taskfiles.tail import FileTail
from mfmesos.taskfiles.taskfile import TaskInfoParser
from mfmesos.taskfiles.workers import as_worker

log = logging.getLogger("mfmesos.engine")
ENGINE_ENDS_WITHIN_S = 6.0
LOOK_S, LOOK_SOON_S = 0.02, 0.005
"""Interval of checks for the engine's end, while tasks are left and when all have ended; the scheduler checks more
thoroughly, and less often."""
QUIET_S = 0.03
"""An engine that has added nothing to its file for this long waits for results."""


class TaskFileEngine(Launched):
    """The scheduler's side of the file protocol of makeflow."""

    def __init__(self, config: SchedulerConfig, echo: Callable[[str], None] = say,
                 getppid: Callable[[], int] = os.getppid) -> None:
        super().__init__(config, echo, getppid)
        self._workdir = Path(config.workdir)
        self._of_workers = config.engine == "factory"
        self._engine_pid = config.engine_pid
        self._engine_was_ended = False
        self._offset = leftover_bytes(self._workdir / TASK_INFO) if config.start_at_last_run else 0
        config.state_dir.mkdir(exist_ok=True)
        own(config.state_dir, config.engine)
        self._state = StateFile(self._workdir / TASK_STATE)
        self._runlog = RunLog(config.state_dir, config.keep_output)
        self._parser = TaskInfoParser(config.workdir, of_engine=True)
        self._debug = debug_log(config)
        self._folder = Folder(config.workdir)
        self._comma_names = CommaNames()
        self._taken: set[int] = set()
        self._has_read = False
        self._cancelled: set[tuple[str, tuple[str, ...]]] = set()
        """Command and outputs of what the user has cancelled: makeflow submits such a rule again, as another task."""
        self._cancelled_before: Collection[int] = ()
        """By number, under an earlier scheduler: the task file, which is read again, has the rest."""
        self._overlaps = Overlaps()
        self._tail: FileTail
        self._looking: asyncio.TimerHandle | None = None
        self._stager: Stager
        self._post: Callable[..., None]
        self._host: Host

    def resume(self, saved: list[SavedTask]) -> list[SavedTask]:
        """The tasks that have no line yet: the state file lists the ended tasks."""
        ended = self._state.load(adopt=range(1, MAX_ID + 1))
        going_on = [one for one in saved if one.task.id not in ended]
        for one in going_on:
            self._state.known(one.task.id)
        self._taken = {*ended, *(one.task.id for one in going_on)}
        return going_on

    def start(self, host: Host) -> None:
        self._post = host.post_threadsafe
        self._stager = Stager(self._workdir, host.inputs, self._post)
        self._cancelled_before = host.cancelled_before()
        self._tail = FileTail(self._workdir / TASK_INFO, self._on_bytes, offset=self._offset)
        self._tail.start()
        self._host = host
        self._look_for_end()

    def _look_for_end(self) -> None:
        word = self._last_word()
        if word:
            self._looking = None
            self._host.stop(m.ENGINE_ENDED(word=word))
            self._tail.end()  # its threads take a moment
        else:
            self._looking = self._host.loop.call_later(
                LOOK_SOON_S if self._have_all_ended() else LOOK_S, self._look_for_end)

    def _have_all_ended(self) -> bool:
        return self._finished + self._failed + self._withdrawn == len(self._taken)

    def _last_word(self) -> str | None:
        """makeflow's last word in mesos_done; None before."""
        try:
            return (self._workdir / DONE).read_text().strip()
        except OSError:
            return None

    def _on_bytes(self, data: bytes, reset: bool) -> None:
        """Runs on the tail's thread."""
        if reset:
            self._parser, self._overlaps = TaskInfoParser(str(self._workdir), of_engine=True), Overlaps()
        fresh: list[Task] = []
        records = self._parser.feed(data)
        if self._debug is not None:
            records = as_logged(records, self._debug, self._folder)
            for name in self._debug.with_commas():
                self._comma_names.add(self._folder.relative(name), self._folder.pieces(name))
        for record in records:
            if isinstance(record, Submitted):
                if record.task.id in self._cancelled_before:
                    self._cancelled.add((record.task.command, record.task.outputs))
                if record.task.id not in self._taken:  # repeated: the file was read from its beginning again
                    self._taken.add(record.task.id)
                    self._state.known(record.task.id)
                    task = self._with_whole_inputs(record.task)
                    task = as_worker(task) if self._of_workers else task
                    refusal = self._overlap(task) or self._why_cancelled(task)
                    if refusal:
                        self._post(ev.TaskRefused(task, refusal))
                    else:
                        fresh.append(task)
                continue
            self._stager.submit_all(fresh)  # in the order of the file
            fresh = []
            if isinstance(record, Malformed):
                self._refuse(record)
            else:
                self._stager.withdraw(record.task_id)
        self._stager.submit_all(fresh)
        if not self._has_read and data:
            self._has_read = True
            if self._is_quiet():
                self._post(ev.NoneFollowsSoon())

    def _is_quiet(self) -> bool:
        try:
            return time.time() - (self._workdir / TASK_INFO).stat().st_mtime >= QUIET_S
        except OSError:
            return False

    def _overlap(self, task: Task) -> str:
        """Why its outputs and those of an earlier task exclude each other; other overlaps are only reported."""
        for one in self._overlaps.add(task):
            if one.impossible:
                return str(one)
            log.warning("%s", one)
            self._echo(str(one))
        return ""

    def _with_whole_inputs(self, task: Task) -> Task:
        """makeflow cuts names at commas; the inputs exist by now, which shows the whole names."""
        names = tuple(dict.fromkeys(self._comma_names.whole(
            task.inputs, lambda name: os.path.lexists(self._workdir / name))))
        return task if names == task.inputs else replace(task, inputs=names)

    def _refuse(self, record: Malformed) -> None:
        if record.task_id is not None and self._state.is_ended(record.task_id):
            return  # reported before the scheduler died
        message = record.message(self._workdir / TASK_INFO)
        log.error("%s", message)
        self._echo(message)
        if record.task_id is not None:  # the engine waits for an answer
            self._state.known(record.task_id)
            self._state.failed(record.task_id)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write the report first: its lines may be repeated, lines of the state file may not."""
        with self._state.batch(), self._runlog.batch():
            yield
        if self._looking is not None and self._have_all_ended():
            self._looking.cancel()
            self._looking = self._host.loop.call_later(LOOK_SOON_S, self._look_for_end)

    def report(self, report: act.ReportTask, host: str) -> None:
        task = report.task
        self._count(report)
        self._runlog.task_ended(report, host)
        if report.finished:
            self._state.finished(task.id)
        elif report.withdrawn and not report.cancelled:
            self._state.aborted(task.id)
        else:
            self._state.failed(task.id, report.exit_code)
            line = failure(report, host, self._state_dir)
            log.warning("%s", line)
            self._echo(line)

    def refuses(self, task_id: int) -> str:
        if self._of_workers:
            return super().refuses(task_id)
        return steering.TASK_NOT_THERE(task=task_id) if self._host.task(task_id) is None else ""

    def cancel(self, task_id: int, command: str) -> None:
        view = self._host.task(task_id)
        if view is not None:
            self._cancelled.add((view.task.command, view.task.outputs))
        super().cancel(task_id, command)

    def _why_cancelled(self, task: Task) -> str:
        return core_messages.CANCELLED_BY_USER() if (task.command, task.outputs) in self._cancelled else ""

    def alive(self) -> str:
        """makeflow writes mesos_done at its end."""
        self._state.flush()
        word = self._last_word()
        if word is not None:
            return m.ENGINE_ENDED(word=word) if word else m.ENGINE_DONE()
        return self.orphaned()

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        self._tail.stop()
        self._stager.close()
        self._runlog.close()
        if crashed:
            return
        if self.orphaned():
            self._await_engine()
        clear(self._workdir)

    def orphaned(self) -> str:
        """If the linked script was killed, too, it cannot end makeflow, which would wait for ever."""
        why = super().orphaned()
        if why and self._engine_pid is not None and not self._engine_was_ended:
            self._engine_was_ended = True
            engine_programs.end(self._engine_pid)
        return why

    def _await_engine(self) -> None:
        """The launcher died and ended makeflow with SIGTERM: makeflow still writes mesos_done, and would spin without a
        mesos_task_state until then.
        """
        deadline = time.monotonic() + ENGINE_ENDS_WITHIN_S
        while time.monotonic() < deadline and not (self._workdir / DONE).exists() and (
                self._engine_pid is None or engine_programs.is_running(self._engine_pid)):
            time.sleep(0.1)  # the watch has ended already


def debug_log(config: SchedulerConfig) -> DebugLog | None:
    """makeflow's debug log, if it writes one."""
    if not config.debug_log:
        return None
    sent = sendable(os.environ, SECRET_VARIABLE) if config.send_environment else None
    return DebugLog(Path(config.debug_log), sent, os.environ)


def as_logged(records: list[Record], debug: DebugLog, folder: Folder) -> list[Record]:
    """Add what makeflow logged about these tasks; refuse a task without a log entry."""
    try:
        debug.read()
    except OSError as e:
        log.error("%s", m.DEBUG_LOG_UNREADABLE(why=e))
    return [_as_logged(record, debug, folder) if isinstance(record, Submitted) else record for record in records]


def _as_logged(record: Submitted, debug: DebugLog, folder: Folder) -> Record:
    task = record.task
    logged = debug.of(task.id)
    if logged is None or logged.cut:
        problem, cure = (m.NO_ENVIRONMENT.parts(task=task.id) if logged is None
                         else m.LARGE_VARIABLE.parts(task=task.id))
        return Malformed(record.line, shorten(task.command), problem, cure, task.id)
    return replace(record, task=replace(
        task, env=debug.environment(logged.exports), outputs=folder.whole(task.outputs, logged.outputs)))


def leftover_bytes(task_info: Path) -> int:
    """The offset of the run's first record, after the records of crashed runs."""
    try:
        return start_at_last_first_id(task_info.read_bytes())
    except OSError:
        return 0


def shorten(text: str, limit: int = 120) -> str:
    """One line of at most `limit` characters, printable on any terminal."""
    return printable(" ".join(text.split()), limit)


def failure(report: act.ReportTask, host: str, state_dir: Path) -> str:
    """One line for the user: the task, the host if known, the reason, the command and the place of its output."""
    task, why = report.task.id, report.reason
    command, more = shorten(report.task.command), more_of_it(report, state_dir)
    if host:
        return m.TASK_FAILED_ON(task=task, host=host, why=why, command=command, more=more)
    return m.TASK_FAILED(task=task, why=why, command=command, more=more)
