"""Writes record.sqlite on a thread of its own, in batches: no error of the record affects the run."""
from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sqlite3
import stat
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Union

from mfmesos import __version__
from mfmesos.core.actions import CloseClaim, OpenClaim, ReportAttempt, ReportTask
from mfmesos.core.model import Moment, Resources, Task
from mfmesos.core.snapshot import Counts, Snapshot
from mfmesos.shared.messages import store as m
from mfmesos.shared.netfs import on_network
from mfmesos.shared.phrases import cut
from mfmesos.shared.values import value
from mfmesos.shared.wire import Result, Usage
from mfmesos.store import makers, sqlitefile
from mfmesos.store.run_tables import (
    APPLICATION_ID,
    ATTEMPT_COLUMNS,
    BLOCKED,
    CLAIM_COLUMNS,
    ENDED,
    FILE,
    MADE_COLUMNS,
    MEASURES,
    RUN_COLUMNS,
    RUNNING,
    SAMPLE_COLUMNS,
    STEPS,
    TABLES,
    TASK_COLUMNS,
    VERSION,
    RecordError,
    insert,
)
from mfmesos.store.runlog import keep_output, rename_output, set_aside

log = logging.getLogger("mfmesos.record")
AT_ONCE = 500
CLOSE_S = 5.0
BUSY_S = 3.0
MOST_RUNS, MOST_TASKS = 20, 300_000
"""Older runs are removed when another begins; the last one always stays."""
COMMAND, FILES, REASON, NOTE, STORY = 600, 240, 240, 60, 400
"""Characters; of a longer text the middle is left out. FILES: of the inputs, and of the outputs."""
NEEDS = 120
MOST_SIZED = 20
"""Outputs of a task whose sizes are looked at."""
SAMPLES = 1000
"""What the run holds is sampled when it has changed, but not again within 1/SAMPLES of the run's time so far."""
_TASK, _ATTEMPT, _RUN = (
    insert("tasks", TASK_COLUMNS), insert("attempts", ATTEMPT_COLUMNS), insert("runs", RUN_COLUMNS))
_CLAIM, _SAMPLE, _MADE = (
    insert("claims", CLAIM_COLUMNS), insert("samples", SAMPLE_COLUMNS), insert("made", MADE_COLUMNS))
_CLOSED = "UPDATE claims SET ended = ?3, gpus_isolated = ?4 WHERE run = ?1 AND claim = ?2"
_AS_ATTEMPT = f"SELECT run, task, attempts, ended, reason, {', '.join(MEASURES)} FROM tasks WHERE run = ? AND task = ?"
_COUNTED = ("total", "before", "finished", "failed", "withdrawn", "sent_bytes")
_NO_USAGE = Usage()
Row = tuple[Any, ...]
Report = Union[ReportTask, ReportAttempt]


@value(frozen=True)
class RunInfo:
    """What is known of a run when it begins."""

    engine: str
    master: str
    resumed: bool
    """It continues the last one in the file, whose scheduler died."""


class RunRecord:
    """Methods are for one thread, the scheduler's loop; they return at once. `offset_s`: epoch minus the core's
    clock.
    """

    def __init__(
        self, state_dir: Path, offset_s: float, clock: Callable[[], float] = time.time, keep_output: bool = True,
        again: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """`again`: why tasks run again that an earlier run had finished; in the record the stories of these begin so.
        """
        self._path = state_dir / FILE
        self._workdir = str(state_dir.parent)
        self._keep_output = keep_output
        self._offset_s = offset_s
        self._again = again
        self._clock = clock
        self._waiting: list[tuple[Report, str, float]] = []
        self._claims: list[tuple[str, Row]] = []
        """Statements about claims, with their values after the run."""
        self._samples: list[Row] = []
        self._sampled: Row = ()
        self._sampled_at = self._began_at = clock()
        self._counts: Row = ()
        self._written: Row = ()
        self._db: sqlite3.Connection | None = None
        self.run = 0
        """Its number in the file; 0: not known yet, or nothing is recorded."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="record")

    def begin(self, info: RunInfo) -> Future[None]:
        """Before any task ends; sets the kept output of the run before aside."""
        return self._thread.submit(self._guarded, self._begin, info)

    def ended(self, report: Report, host: str) -> None:
        """A task has ended for good, or one of its attempts before another."""
        self._waiting.append((report, host, self._clock()))
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def killed(self, task: int, attempt: int, result: Result) -> None:
        """Keep what an attempt has printed that was ended on request."""
        if self._keep_output:
            self._thread.submit(keep_output, self._path.parent, f"task-{task}.attempt-{attempt}", result)

    def not_run(self, task: Task, reason: str) -> None:
        """The task never ran, since another one failed."""
        self.ended(ReportTask(task, finished=False, reason=reason, category=task.category or ""), BLOCKED)

    def opened(self, claim: OpenClaim) -> None:
        size, others = claim.resources, claim.resources.rest()
        self._claims.append((_CLAIM, (
            claim.claim_id, claim.agent_id, claim.offers[0].hostname, self._clock(), None, size.cores, size.memory_mb,
            size.disk_mb, others, None)))

    def closed(self, claim: CloseClaim) -> None:
        self._claims.append((_CLOSED, (claim.claim_id, self._clock(), claim.gpus_isolated)))

    def runs_again(self, task_ids: Collection[int]) -> None:
        """Tasks of this run that have ended, and run again."""
        self.flush()
        self._thread.submit(self._guarded, self._forget, tuple(task_ids))

    def count(self, counts: Counts, sent_bytes: int) -> None:
        """For the row of the run."""
        self._counts = (counts.total, counts.before, counts.finished, counts.failed, counts.withdrawn, sent_bytes)

    def sample(self, now: Snapshot) -> None:
        """What the run holds."""
        found = (now.claims, now.held.cores, now.held.memory_mb, now.running, now.waiting)
        at = self._clock()
        if found != self._sampled and at - self._sampled_at >= (at - self._began_at) / SAMPLES:
            self._sampled, self._sampled_at = found, at
            self._samples.append((at, *found))

    def flush(self) -> None:
        if self._waiting or self._claims or self._samples or self._counts != self._written:
            self._thread.submit(self._guarded, self._add, self._waiting, self._claims, self._samples, self._counts)
            self._waiting, self._claims, self._samples, self._written = [], [], [], self._counts

    async def close(self, state: str, failure: str = "") -> None:
        """Write what waits, within CLOSE_S. `state`: RUNNING for a crash, that another scheduler resumes."""
        self.flush()
        last = asyncio.wrap_future(self._thread.submit(self._guarded, self._end, state, failure))
        await asyncio.wait([last], timeout=CLOSE_S)
        self._thread.shutdown(wait=False)

    # --- on the thread --------------------------------------------------------------------------
    def _guarded(self, what: Callable[..., None], *args: Any) -> None:
        try:
            with sqlitefile.translated_errors(self._path, RecordError, m.RECORD_AWAY()):
                what(*args)
        except Exception as e:  # the record must never end the run
            log.warning("event=record_lost %s", e, exc_info=not isinstance(e, RecordError))
            self.run = 0
            if self._db is not None:
                self._db.close()
                self._db = None

    def _begin(self, info: RunInfo) -> None:
        sqlitefile.prepare(self._path, m.RECORD_AWAY())
        db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        with sqlitefile.closed_on_failure(db):
            if not sqlitefile.is_new(db):
                sqlitefile.check(db, self._path, APPLICATION_ID, VERSION, m.RECORD_AWAY(), whole=False)
            db.execute(f"PRAGMA journal_mode = {'TRUNCATE' if on_network(self._path) else 'WAL'}")
            db.execute("PRAGMA synchronous = NORMAL")
            sqlitefile.migrate(db, STEPS, APPLICATION_ID)
            with sqlitefile.transaction(db):
                self._begin_run(db, info)
        self._db = db

    def _begin_run(self, db: sqlite3.Connection, info: RunInfo) -> None:
        last = db.execute("SELECT run, state FROM runs ORDER BY run DESC LIMIT 1").fetchone() or (0, ENDED)
        if info.resumed and last[1] == RUNNING:
            self.run = last[0]
            db.execute("UPDATE runs SET pid = ?, host = ?, master = ? WHERE run = ?",
                       (os.getpid(), socket.gethostname(), info.master, self.run))
            return
        self.run = last[0] + 1
        db.execute(_RUN, (
            self.run, info.engine, info.master, __version__, socket.gethostname(), os.getpid(), self._clock(), None,
            RUNNING, "", 0, 0, 0, 0, 0, 0))
        _prune(db)
        set_aside(self._path.parent, last[0], [run for run, in db.execute("SELECT run FROM runs")])

    def _add(
        self, waiting: Sequence[tuple[Report, str, float]], claims: Sequence[tuple[str, Row]], samples: Sequence[Row],
        counts: Row,
    ) -> None:
        if self._db is None:
            return
        for report, _, _ in waiting:
            if isinstance(report, ReportAttempt) and report.result is not None and self._keep_output:
                keep_output(self._path.parent, f"task-{report.task.id}.attempt-{report.attempt}", report.result)
        for number, (report, host, _) in enumerate(waiting, 1):
            _log(report, host, followed=number < len(waiting))
        sizes = [self._output_bytes(report) for report, _, _ in waiting]
        tasks: list[Row] = []
        attempts: list[Row] = []
        with sqlitefile.transaction(self._db):
            for (report, host, now), size in zip(waiting, sizes):
                if isinstance(report, ReportTask):
                    needs = makers.written(makers.makers(self._db, self.run, report.task.inputs), NEEDS) \
                        if report.task.inputs else ""
                    tasks.append(self._task(report, host, now, needs, size))
                    if report.finished:
                        self._db.executemany(_MADE, (
                            (self.run, makers.hashed(name), report.task.id, now) for name in report.task.outputs))
                else:
                    attempts.append(self._attempt(report, host, now))
            self._db.executemany(_ATTEMPT, attempts)
            self._db.executemany(_TASK, tasks)
            for statement, row in claims:
                self._db.execute(statement, (self.run, *row))
                if statement is _CLOSED:
                    log.info("event=claim_ended claim=%s", row[0])
            self._db.executemany(_SAMPLE, ((self.run, *row) for row in samples))
            if counts:
                self._db.execute(f"UPDATE runs SET {', '.join(f'{c} = ?' for c in _COUNTED)} WHERE run = ?",
                                 (*counts, self.run))

    def _output_bytes(self, report: Report) -> int:
        """Of its files, as far as they lie in the workflow's folder."""
        found = 0
        if isinstance(report, ReportTask) and report.finished:
            for name in report.task.outputs[:MOST_SIZED]:
                with contextlib.suppress(OSError, ValueError):
                    state = os.lstat(os.path.join(self._workdir, name))
                    found += state.st_size if stat.S_ISREG(state.st_mode) else 0
        return found

    def _forget(self, task_ids: Sequence[int]) -> None:
        """What was the end of a task becomes that of an attempt."""
        if self._db is None:
            return
        with sqlitefile.transaction(self._db):
            for number in task_ids:
                row = self._db.execute(_AS_ATTEMPT, (self.run, number)).fetchone()
                if row is not None and row[2]:
                    self._db.execute(_ATTEMPT, row)
                    rename_output(self._path.parent, number, row[2])
                self._db.execute("DELETE FROM tasks WHERE run = ? AND task = ?", (self.run, number))

    def _task(self, report: ReportTask, host: str, now: float, needs: str, output_bytes: int) -> Row:
        task, story = report.task, report.story
        asked = task.request
        again = self._again.get(task.id)
        if again and story:
            story = ((*story[0][:2], m.RUNS_AGAIN_SINCE(why=again)), *story[1:])
        state = "finished" if report.finished else "withdrawn" if report.withdrawn else "failed"
        if host == BLOCKED and not report.attempt_id:
            state, host = BLOCKED, ""
        began = [at for at, name, _ in story if name == "assigned"] if report.claim_id else []
        return (
            self.run, task.id, state, cut(report.reason, REASON), cut(task.command, COMMAND), report.category,
            cut("\n".join(task.outputs), FILES), report.attempts, story[0][0] + self._offset_s if story else now, now,
            sum(i.size for i in report.inputs), story_text(story),
            *self._measures(report, host, began[-1] if began else None),
            cut("\n".join(task.inputs), FILES), needs, output_bytes,
            asked.cores, asked.memory_mb, asked.disk_mb, asked.wall_s)

    def _attempt(self, report: ReportAttempt, host: str, now: float) -> Row:
        return (self.run, report.task.id, report.attempt, now, cut(report.reason, REASON),
                *self._measures(report, host, report.assigned_at))

    def _measures(self, report: Report, host: str, began: float | None) -> Row:
        result, given = report.result, report.allocation or Resources()
        used, ended = (result.usage if result else _NO_USAGE), result or _NO_RESULT
        started = None if began is None else began + self._offset_s
        return (
            report.claim_id, host, started, ended.exit_code, ended.signal, ended.resource,
            given.cores, given.memory_mb, given.disk_mb, given.rest() if given.gpus or given.others else "",
            report.limit_memory_mb, report.limit_disk_mb,
            used.cores, used.memory_mb, used.disk_mb, used.cpu_s, used.wall_s, used.wait_s)

    def _end(self, state: str, failure: str) -> None:
        if self._db is None:
            return
        if state != RUNNING:
            self._db.execute("UPDATE runs SET state = ?, failure = ?, ended = ? WHERE run = ?",
                             (state, failure, self._clock(), self.run))
        self._db.close()
        self._db = None


_NO_RESULT = Result("", "")


def _log(report: Report, host: str, followed: bool) -> None:
    """One line for people who follow scheduler.log, on this thread. `followed`: another line comes at once."""
    ended, used = report.result or _NO_RESULT, report.result.usage if report.result else _NO_USAGE
    if isinstance(report, ReportTask):
        state = "finished" if report.finished else "withdrawn" if report.withdrawn else "failed"
        category, number, attempts = report.category, report.task.id, report.attempts
    else:
        state, category, number, attempts = "repeated", report.task.category or "", report.task.id, report.attempt
    log.info("event=%s task=%d state=%s category=%r attempt=%d claim=%s host=%s run_s=%.2f memory_mb=%.0f exit_code=%s "
             "reason=%r", "task_ended" if isinstance(report, ReportTask) else "attempt_ended", number, state, category,
             attempts, report.claim_id, host, used.wall_s, used.memory_mb, ended.exit_code, cut(report.reason, REASON),
             extra={"followed": True} if followed else None)


def story_text(story: Iterable[Moment]) -> str:
    """One line for each moment: seconds since the first one, the state, and the claim or the reason."""
    lines: list[str] = []
    first = None
    for at, state, note in story:
        first = at if first is None else first
        lines.append(f"{at - first:.2f} {state} {cut(note, NOTE)}" if note else f"{at - first:.2f} {state}")
    text = "\n".join(lines)
    while len(text) > STORY and len(lines) > 2:
        del lines[len(lines) // 2]
        text = "\n".join(lines)
    return text


def _prune(db: sqlite3.Connection) -> None:
    """Remove the oldest runs beyond the bounds."""
    total = 0
    for n, (run, tasks) in enumerate(db.execute(
            "SELECT r.run, (SELECT count(*) FROM tasks t WHERE t.run = r.run) FROM runs r ORDER BY run DESC"
            ).fetchall()):
        total += tasks
        if n > 1 and (n > MOST_RUNS or total > MOST_TASKS):
            for table in TABLES:
                db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
