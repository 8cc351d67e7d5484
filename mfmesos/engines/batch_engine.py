"""The batch runner's engine: submits tasks as they become ready, and writes results to mesos_task_state."""
from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import SavedTask, Task
from mfmesos.core.snapshot import Counts
from mfmesos.engines.ahead import Ahead
from mfmesos.engines.batch_steering import BatchSteering, Tally
from mfmesos.engines.batchfile import Batch
from mfmesos.engines.engine import Display
from mfmesos.engines.host import Host
from mfmesos.engines.kept import NotKept
from mfmesos.engines.stager import INLINE_BYTES, Stager
from mfmesos.engines.taskfile_engine import failure, shorten
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared import atomic
from mfmesos.shared.messages import engines as m
from mfmesos.shared.values import value
from mfmesos.staging import durable
from mfmesos.store.leftovers import DONE, TASK_STATE
from mfmesos.store.run_totals import RunTotals
from mfmesos.store.runlog import RunLog
from mfmesos.taskfiles.entries import Malformed, Record, Submitted, Withdrawn
from mfmesos.taskfiles.plan import Blocked
from mfmesos.taskfiles.plan_graph import Status
from mfmesos.taskfiles.reader import TaskReader
from mfmesos.taskfiles.statefile import StateFile
from mfmesos.taskfiles.tail import FileTail

LOOK_AGAIN_S = 2.0


@value(frozen=True)
class Options:
    keep_going: bool = False
    follow: bool = False
    dry_run: bool = False
    plain: bool = False
    verify: bool = False
    keep_stale: bool = False
    rerun: tuple[str, ...] = ()
    fsync: bool = False


class BatchEngine(BatchSteering):
    """Submits each task as soon as its inputs exist; maintains the state file and the display."""

    def __init__(
        self, config: SchedulerConfig, options: Options, batch: Batch, done: set[int], shown: Display,
    ) -> None:
        super().__init__(options.follow)
        self._options = options
        self._batch = batch
        self._plan = batch.plan
        self._workdir = Path(config.workdir)
        self._verbose = config.verbose
        self._state_dir = config.state_dir
        self._progress = shown
        self._state = fresh_state(self._workdir / TASK_STATE, done)
        self._runlog = RunLog(config.state_dir, config.keep_output)
        self._done = done
        self._earlier = batch.earlier
        self._earlier.begin()
        self._judged = frozenset(batch.tasks) if options.follow else None
        """Tasks that are known not to be done, unless they are in _done; None: all."""
        self._resumed: set[int] = set()
        self._readers = batch.temporaries
        self._remembered: set[int] = set()
        """Done tasks whose temporary outputs the core can have made again."""
        self._published: list[str] = []
        """Published outputs of tasks that are not reported yet."""
        self._tally = Tally(finished=len(done))
        self._feeder = ThreadPoolExecutor(1, thread_name_prefix="feeder")
        self._tail: FileTail | None = None
        self._looked_at = 0.0
        self._left_s: float | None = None
        self._complete = not options.follow
        self._stopping = False
        self._unwanted: set[int] = set()
        """Tasks that were cancelled while they ran or waited for a claim."""
        self._host: Host
        self._ahead: Ahead
        self._stager: Stager
        self.totals = RunTotals()
        self.problems = 0
        self.interrupted = False

    # --- the engine's interface to the scheduler ------------------------------------------------
    def resume(self, saved: list[SavedTask]) -> list[SavedTask]:
        """The tasks that are still to run unchanged, whatever their numbers are now."""
        found = self._batch.still_wanted(saved)
        self._resumed = {one.task.id for one in found}
        return found

    def start(self, host: Host) -> None:
        self._host, self._ahead = host, Ahead(host)
        self._stager = Stager(self._workdir, host.inputs, host.post_threadsafe)
        for task_id in self._batch.tasks:
            self._state.known(task_id)
        if self._options.follow:
            for task_id in sorted(self._batch.withdrawn):
                self._abort(task_id)
            self._tail = FileTail(self._batch.source, self._on_bytes, offset=self._batch.offset)
            self._tail.start()
        for task_id in self._done:
            self._readers.ended(self._batch.tasks[task_id], finished=True)
        self._readers.complete = self._complete
        self._free()
        self._submit(self._plan.ready())
        if self._tail is None:
            self._feeder.submit(host.post_threadsafe, ev.NoneFollowsSoon())  # the feeder submits in order
        self._end_if_complete()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Record finished tasks before anyone learns of them, including the executor that delivered them."""
        with self._state.batch(), self._runlog.batch():
            yield
            self._force()
            self._earlier.commit()
        self._progress.update(self.counts())

    def _force(self) -> None:
        """With --fsync: force published outputs to the disk before their tasks are reported."""
        published, self._published = self._published, []
        if not self._options.fsync or not published:
            return
        try:
            durable.force(self._workdir, published)
        except OSError as e:
            self._progress.note(m.OUTPUTS_NOT_FLUSHED(why=e.strerror))

    def report(self, report: act.ReportTask, host: str) -> None:
        task = report.task
        self._readers.ended(task, report.finished)
        self.totals.add(self._runlog.task_ended(report, host))
        if report.finished:
            self._tally.finished += 1
            self._earlier.finished(report, self._host.members(report.attempt_id))
            self._published += (name for name in task.outputs if name not in task.temporary)
            self._state.finished(task.id)
            self._submit(self._plan.finished(task.id))
        elif report.withdrawn:
            self._state.aborted(task.id)
            self._tried[task.id] = report.attempts
            blocked = self._plan.failed(task.id, m.NOT_MADE_NOT_RUN())
            if report.cancelled:
                self._take_cancelled(task.id, blocked)
            elif task.id in self._unwanted:
                self._tally.dropped += 1
                self._block(blocked)
            else:
                self._tally.withdrawn += 1
                for one in blocked if self._options.follow else ():
                    self._state.aborted(one.task.id)
        else:
            self._failed(report, host)
        self._free()
        self._end_if_complete()

    def note(self, note: act.Note) -> None:
        if note.level != "info" or self._verbose:
            self._progress.note(note.text)

    def alive(self) -> str:
        self._look_ahead()
        self._progress.update(self.counts())
        self._state.flush()
        self._earlier.commit()
        if self._tail is not None:
            self._follow(self._tail)
        return ""

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        self.interrupted = bool(self._host.snapshot().stopping) and failure is None
        if self._tail is not None:
            self._tail.stop()
        self._feeder.shutdown(wait=False, cancel_futures=True)
        self._stager.close()
        self._runlog.close()
        self._earlier.close()
        self._state.close()

    def counts(self) -> Counts:
        run = self._host.snapshot()
        total = len(self._batch.tasks) - self._tally.dropped
        ended = self._tally.finished + self._tally.failed
        waiting = max(total - ended - self._tally.withdrawn - run.running, 0)
        return Counts(total, waiting, run.running, self._tally.finished, self._tally.failed, run.claims, self._left_s,
                      self._tally.withdrawn, before=len(self._done), for_inputs=max(waiting - run.waiting, 0),
                      waits_for=self._ahead.waits_for)

    def _look_ahead(self) -> None:
        """Predict the remaining time, counting tasks that wait for other tasks' outputs as average tasks."""
        self._ahead.look()
        left, known = self._ahead.left_s, self._host.snapshot().tasks
        tally = self._tally
        unknown = len(self._batch.tasks) - tally.dropped - tally.finished - tally.failed - known
        self._left_s = None if left is None or not known else left * (1 + max(unknown, 0) / known)

    # --- consequences of results ----------------------------------------------------------------
    def _submit(self, tasks: list[Task]) -> None:
        if self._stopping:
            return
        ready, to_run = deque(tasks), []
        while ready:
            task = ready.popleft()
            if self._is_done(task):
                self._readers.ended(task, finished=True)
                ready.extend(self._plan.finished(task.id))
                continue
            if self._keep_changed(task):
                known = self._tail is None  # otherwise later lines may read outputs, too
                task = replace(task, read=self._plan.read_of(task) if known else None,
                               also_read=self._plan.also_read(task))
                self._batch.keep(task)
                to_run.append(task)
        if to_run:
            makers = self._readers.needed_makers(to_run, self._done - self._remembered)
            self._remembered.update(maker.id for maker in makers)
            if makers:
                self._feeder.submit(self._remember, makers)
            self._feeder.submit(self._stager.submit_all, to_run)

    def _remember(self, makers: list[Task]) -> None:
        """Earlier runs finished them, and left no temporary outputs."""
        for maker in makers:
            event = self._stager.look(maker)
            if isinstance(event, ev.TaskSubmitted):
                self._host.post_threadsafe(ev.TaskRemembered(event))

    def _free(self) -> None:
        """Nobody needs these any more."""
        names = self._readers.take_unneeded()
        if names:
            self._host.post(ev.TemporariesUnneeded(names))

    def _keep_changed(self, task: Task) -> bool:
        """Whether the task would overwrite no file that somebody has changed."""
        if task.id in self._resumed:  # its outputs may be published already
            return True
        try:
            for line in self._earlier.keep_changed(task, self._plan.read()):
                self._progress.note(line)
        except NotKept as e:
            self._host.post(ev.TaskRefused(task, str(e)))
            return False
        return True

    def _is_done(self, task: Task) -> bool:
        """Whether an earlier run finished this task, whose line came after the start."""
        if self._judged is None or task.id in self._judged or self._earlier.why(task, most=INLINE_BYTES) is not None:
            return False
        for line in self._earlier.unchecked():
            self._progress.note(line)
        self._done.add(task.id)
        self._tally.finished += 1
        self._state.finished(task.id)
        return True

    def _failed(self, report: act.ReportTask, host: str) -> None:
        task = report.task
        self._tally.failed += 1
        self._tried[task.id] = report.attempts
        self._state.failed(task.id, report.exit_code)
        self._progress.note(failure(report, host, self._state_dir))
        self._block(self._plan.failed(task.id))
        if not self._options.keep_going and not self._stopping:
            self._stopping = True
            self._complete = self._tail is None
            self._progress.note(
                m.STOPPING_AFTER_FAILURE() if self._complete else m.STOPPING_FOLLOW_AFTER_FAILURE(done=DONE))
            self._host.post(ev.NothingNew(m.NOTHING_NEW(task=task.id), follow=not self._complete))
            self._abort_rest()

    def _block(self, blocked: list[Blocked]) -> None:
        for one in blocked:
            self._tally.failed += 1
            self._readers.ended(one.task, finished=False)
            self._state.failed(one.task.id)
            self._host.sight.not_run(one.task, one.reason)
            self._progress.note(m.TASK_BLOCKED(
                task=one.task.id, why=one.reason, command=shorten(one.task.command)))

    def _abort_rest(self) -> None:
        """A program that follows the state file waits for a line about each task."""
        if self._stopping and self._options.follow:
            for task in self._plan.give_up():
                self._state.aborted(task.id)

    def _abort(self, task_id: int) -> None:
        self._state.known(task_id)
        self._state.aborted(task_id)

    def _end_if_complete(self) -> None:
        if self._complete and self._plan.left == 0:
            self._host.post(ev.NoMoreTasks())

    # --- a file that grows ----------------------------------------------------------------------
    def _on_bytes(self, data: bytes, reset: bool) -> None:
        """Runs on the tail's thread."""
        if reset:
            self._batch.reader = TaskReader(self._workdir)
        records = self._batch.reader.feed(data)
        self._earlier.ask_servers(r.task for r in records if isinstance(r, Submitted))
        self._host.loop.call_soon_threadsafe(self._add, records)

    def _add(self, records: list[Record]) -> None:
        for record in records:
            if isinstance(record, Submitted):
                self._add_task(record)
            elif isinstance(record, Withdrawn):
                self._withdraw(record.task_id)
            else:
                self._refuse(record)
        self._abort_rest()
        self._submit(self._plan.ready())
        self._progress.update(self.counts())

    def _add_task(self, record: Submitted) -> None:
        problems, blocked = self._plan.add(record)
        for problem in problems:
            self._refuse(problem)
        if not problems:
            self._batch.tasks[record.task.id] = record.task
            self._readers.add(record.task)
            self._batch.inputs.temporaries.update(record.task.temporary)
            self._state.known(record.task.id)
        self._block(blocked)

    def _refuse(self, problem: Malformed) -> None:
        """An invalid line; if it has a number, its author waits for an answer."""
        self._say(problem)
        if problem.task_id is not None and not self._state.is_known(problem.task_id):
            self._state.known(problem.task_id)
            self._state.failed(problem.task_id)

    def _withdraw(self, task_id: int) -> None:
        if task_id not in self._batch.tasks:
            return  # refused, with an answer
        waited, blocked = self._plan.withdraw(task_id)
        if waited:
            self._tally.dropped += 1
            self._readers.ended(self._batch.tasks[task_id], finished=False)
            self._state.aborted(task_id)
            self._block(blocked)
        elif self._plan.status(task_id) is Status.TAKEN:
            self._unwanted.add(task_id)
            self._host.post(ev.TaskWithdrawn(task_id))

    def _say(self, problem: Malformed) -> None:
        self.problems += 1
        self._progress.note(problem.message(self._batch.source))

    def _follow(self, tail: FileTail) -> None:
        """From time to time: check for the end of the file, and for missing inputs that somebody else has made."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = now
            self._submit(self._plan.look_again())
        if (self._workdir / DONE).exists():
            self._tail = None
            tail.stop(last_look=True)
            self._host.loop.call_soon(self._file_ended)  # after the results of the last look

    def _file_ended(self) -> None:
        self._add(self._batch.reader.finish())
        self._complete = self._readers.complete = True
        for problem in self._plan.stuck():
            self._say(problem)
            if problem.task_id is not None:
                self._tally.failed += 1
                self._state.failed(problem.task_id)
                self._block(self._plan.failed(problem.task_id))
        self._free()
        self._end_if_complete()


def fresh_state(path: Path, done: set[int]) -> StateFile:
    """The state file of this run: of an earlier file only the lines of done tasks stay."""
    atomic.write(path, "".join(f"{task_id},finished\n" for task_id in sorted(done)))
    state = StateFile(path)
    state.load(adopt=done)
    return state
