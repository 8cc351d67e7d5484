"""What lets users see a run: its record, its progress counters and its control socket. The run never depends on it."""
from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Callable

from mfmesos.control import socket_place
from mfmesos.control.control_server import ControlServer
from mfmesos.core.actions import CloseClaim, OpenClaim, ReportAttempt, ReportTask
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Task
from mfmesos.engines.engine import Display, Engine
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.scheduler.log_pieces_asked import LogPiecesAsked
from mfmesos.scheduler.metrics_file import MetricsFile
from mfmesos.scheduler.printed_question import PrintedQuestion
from mfmesos.scheduler.questions import Questions
from mfmesos.scheduler.steering_questions import SteeringQuestions
from mfmesos.scheduler.table_questions import TableQuestions
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.shared.messages import control, engines
from mfmesos.shared.messages import runs as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.wire import Result
from mfmesos.store import run_registry
from mfmesos.store.run_record import RunInfo, RunRecord
from mfmesos.store.run_tables import ENDED, FAILED, RUNNING, STOPPED

log = logging.getLogger("mfmesos.sight")
BEGIN_S = 3.0
GOOD_ENDS = (engines.ENGINE_ENDED(word="finished"), engines.ENGINE_DONE())
"""Why a scheduler stops whose engine has ended by itself."""
INTRODUCED_WITHIN_S = 5.0


class Sight:
    """For the loop's thread."""

    def __init__(
        self, config: SchedulerConfig, views: CoreViews, engine: Engine, post: Callable[..., None],
        clock: Callable[[], float], shown: Display | None = None, environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._views = views
        self._engine = engine
        self._post = post
        self._now = clock
        self._environ = environ
        self._offset_s = time.time() - clock()
        self._metrics = MetricsFile(config.metrics_file, Path(config.workdir).name, clock)
        self._questions: Questions
        self._record = RunRecord(
            config.state_dir, self._offset_s, keep_output=config.keep_output, again=engine.again)
        self.asked = LogPiecesAsked()
        self._server: ControlServer | None = None
        self._socket: Path | None = None
        self._began: Future[None] | None = None
        self._stopping = False
        self._shown = shown
        self._introduced = shown is None
        self._learned = 0
        self._sent_bytes = 0
        self._started_at = self._now()
        self._about: dict[str, Any] = {"first": ""}
        """What the control socket tells of the run; "first" is its first line."""

    def begin(self, resumed: bool) -> None:
        """Begin the record: before anything is opened or ends."""
        self._began = self._record.begin(RunInfo(self._config.engine, self._config.master, resumed))

    async def start(self) -> None:
        """Open the socket. An error is logged."""
        config = self._config
        self._about.update({
            "workdir": config.workdir, "engine": config.engine, "master": config.master, "pid": os.getpid(),
            "launcher": config.parent_pid or os.getpid(), "started": time.time()})
        self._questions = Questions(self._views, self._engine, self._offset_s, self._about)
        server = ControlServer({
            **self._questions.answers(),
            **TableQuestions(self._views, self._engine, self._offset_s, self._write).answers(),
            **SteeringQuestions(self._views, self._engine, self._post, config.ordering).answers(),
            "printed": PrintedQuestion(self._views, self.asked).answer})
        try:
            path = socket_place.socket_path(Path(config.workdir), self._environ)
            await server.start(path)
            self._server, self._socket = server, path
            socket_place.point(config.state_dir, path)
        except (ConfigError, OSError) as e:
            log.warning("event=no_control %s", control.NO_CONTROL(why=e if isinstance(e, ConfigError) else plain(e)))
        self._register()

    def await_begin(self) -> None:
        """Before the first task is reported: its output is kept where that of the run before was. Blocks, though hardly
        ever, for BEGIN_S at most.
        """
        if self._began is not None and not self._began.done():
            wait((self._began,), BEGIN_S)

    def _register(self) -> None:
        """For `mfmesos runs`."""
        config = self._config
        try:
            run_registry.remember(run_registry.Known(
                os.path.realpath(config.workdir), config.engine, config.master.rpartition("@")[2],
                socket.gethostname(), time.time()), self._environ)
        except OSError as e:
            log.warning("event=not_registered %s", plain(e))

    def learned(self, attempts: Iterable[Attempt]) -> None:
        """What the history has of earlier runs."""
        self._learned = len({attempt.category for attempt in attempts})

    def _introduce(self) -> None:
        """The first line of a run, as soon as the agents are known."""
        room = self._views.room()
        if self._shown is None or self._introduced or not (
                room.agents or self._now() - self._started_at >= INTRODUCED_WITHIN_S):
            return
        self._introduced = True
        counts, config = self._engine.counts(), self._config
        master = config.master.rpartition("@")[2]
        where = m.EMBEDDED_CLUSTER() if config.embedded else m.CLUSTER_OF(master=master)
        amounts = m.CLUSTER_AMOUNTS(
            agents=counted(len(room.agents), "agent"), cores=f"{sum(a.cores for a in room.agents):g}",
            memory=f"{sum(a.memory_mb for a in room.agents):.0f}") if room.agents else m.CLUSTER_UNKNOWN()
        tasks = counted(counts.total, "task") if config.engine == "batch" else ""
        if counts.before:
            tasks = m.TASKS_DONE_BEFORE(done=counts.before, tasks=tasks)
        known = m.LEARNED_OF(
            count=self._learned, noun="category" if self._learned == 1 else "categories") if self._learned else ""
        self._about["first"] = ", ".join(filter(None, (m.RUN_BEGINS(where=where, amounts=amounts), tasks, known)))
        self._shown.note(self._about["first"])

    def ended(self, report: ReportTask | ReportAttempt, host: str) -> None:
        """A task, or an attempt before another."""
        if not self._introduced:
            self._introduce()
        self._record.ended(report, host)

    def opened(self, claim: OpenClaim) -> None:
        self._record.opened(claim)

    def closed(self, claim: CloseClaim) -> None:
        self._record.closed(claim)

    def killed(self, result: Result) -> None:
        """An attempt was killed on request; its task runs again or has ended."""
        known = self._views.started_here(result.attempt)
        if known is not None:
            self._record.killed(*known, result)

    def not_run(self, task: Task, reason: str) -> None:
        """A task that the engine will never submit."""
        self._record.not_run(task, reason)

    def runs_again(self, task_ids: Collection[int]) -> None:
        """Tasks that have ended."""
        self._record.runs_again(task_ids)

    def tick(self, sent_bytes: int) -> None:
        """About twice a second."""
        self._introduce()
        if self._shown is not None:
            self._shown.update(self._engine.counts())
        self._sent_bytes = sent_bytes
        self._record.sample(self._views.snapshot())
        self._write()
        self._metrics.tick(self._questions.status, sent_bytes)

    def _write(self) -> None:
        """What has ended, and how much, to the record."""
        self._record.count(self._engine.counts(), self._sent_bytes)
        self._record.flush()

    def signalled(self, name: str, stop: Callable[[str], None]) -> None:
        """Ending attempts takes some seconds, in which the user must know what happens."""
        why = m.STOPPED_BY_SIGNAL(signal=name)
        if not self._stopping and self._shown is not None and self._config.engine == "batch":
            self._shown.note(m.RUN_STOPPING(why=why))
        self._stopping = True
        stop(why)

    async def end(self, failure: str | None, crashed: bool, sent_bytes: int) -> None:
        """The run has ended: no more questions, and the record is complete within seconds."""
        if self._server is not None:
            await self._server.stop()
        if self._socket is not None:
            socket_place.remove(self._config.state_dir, self._socket)
        if self._began is not None:
            counts = self._engine.counts()
            self._record.count(counts, sent_bytes)
            if self._shown is not None:
                self._shown.update(counts)
            await self._metrics.end(self._questions.status, sent_bytes)
        stopping = self._views.snapshot().stopping
        if stopping in GOOD_ENDS:
            stopping = ""
        state = RUNNING if crashed else FAILED if failure else STOPPED if stopping else ENDED
        await self._record.close(state, failure or stopping)
