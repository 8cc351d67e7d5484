"""The standalone batch runner: runs a user's task file in the order of its inputs and outputs."""
from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from mfmesos.core.snapshot import Counts
from mfmesos.engines.batch_engine import BatchEngine, Options
from mfmesos.engines.batchfile import Batch
from mfmesos.engines.taskfile_engine import shorten
from mfmesos.settings.config import STATE_DIR, ConfigError, SchedulerConfig
from mfmesos.shared.messages import runs as m
from mfmesos.shared.phrases import counted, duration
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.terminal import ending_signals, line, say
from mfmesos.store.leftovers import DONE, TASK_INFO, TASK_STATE, FolderLock, begin_run, recover
from mfmesos.store.plainfiles import check_state, oddity
from mfmesos.store.run_totals import RunTotals
from mfmesos.store.runlog import LOGS, REPORT
from mfmesos.views import status_view, summary
from mfmesos.views.progress import progress

__all__ = ["Options", "find", "run"]

log = logging.getLogger("mfmesos.batch")
JSON_LINES = "tasks.jsonl"
INTERRUPTED = 130
NAMED = 5
"""The number of tasks to name before the start when finished tasks run again."""


def find(path: Path) -> Path | str:
    """The task file of a TASKFILE|DIR argument, or one line with the reason why there is none."""
    try:
        check_state((path if path.is_dir() else path.parent) / STATE_DIR)
        recover(path, say)
    except (ConfigError, OSError) as e:
        return plain(e)
    if not path.is_dir():
        return _plain(path)
    for name in (TASK_INFO, JSON_LINES):
        if (path / name).exists():
            return _plain(path / name)
    return m.NO_TASK_FILE(path=path, first=TASK_INFO, second=JSON_LINES)


def _plain(path: Path) -> Path | str:
    """The path if it and the state file beside it can be read without blocking; otherwise one line with the reason."""
    odd = oddity(path)
    if odd:
        return m.TASK_FILE_ODD(path=path, odd=odd)
    state, done = path.with_name(TASK_STATE), path.with_name(DONE)
    odd = oddity(state)
    if odd:
        return m.STATE_FILE_ODD(path=state, odd=odd)
    odd = oddity(done)
    return m.DONE_FILE_ODD(path=done, odd=odd) if odd else path


def run(source: Path, config: SchedulerConfig, options: Options, local_agents: int = 1) -> int:
    """Run the file's tasks. Exit code: 0 all finished, 1 not all, 2 nothing was started, 130 interrupted."""
    from mfmesos.launchers.localrun import local_cluster
    from mfmesos.scheduler.daemon import CRASHED, open_log, say_crashed
    from mfmesos.scheduler.scheduler import Scheduler

    workdir = Path(config.workdir)
    batch = Batch(source, workdir, config.shared_fs, config.counters)
    problems = batch.read(whole=not options.follow)
    for problem in problems:
        say(problem.message(source))
    for text in batch.overlapping:
        say(text)
    if problems:
        say(m.NOTHING_STARTED())
        return 2
    done, reasons = batch.skip_done(config.state_dir, options.verify, options.keep_stale, options.rerun)
    for text in batch.earlier.unchecked():
        say(text)
    if options.dry_run:
        return dry_run(batch, done, reasons)
    config.state_dir.mkdir(exist_ok=True)
    config.own_files = [source.name]
    started = time.monotonic()
    config.gpus = any(task.request.gpus for task in batch.tasks.values())
    with FolderLock(config.state_dir, say), local_cluster(config, local_agents) as resolved:
        open_log(resolved)
        begin_run(workdir)
        (workdir / DONE).unlink(missing_ok=True)
        shown = progress(options.plain)
        again = {task_id: why for task_id, why in reasons.items() if why}
        if again:
            shown.note(run_again(again))
        try:
            engine = BatchEngine(resolved, options, batch, done, shown)
            engine.again = again
            scheduler = Scheduler(resolved, engine, inputs=batch.inputs, shown=shown)
            failure = asyncio.run(scheduler.run(stop_on=ending_signals()))
        except (ConfigError, OSError):
            raise
        except Exception as e:
            log.exception("event=crash")
            say_crashed(e, resolved)
            say(m.CRASH_CURE())
            return CRASHED
        finally:
            shown.close()
    if failure:
        say(failure)
    summary.show(engine.totals.by_category())
    counts = engine.counts()
    for text in summary.moved(scheduler.transfers()):
        say(text)
    last_lines(engine.totals, counts)
    took = duration(time.monotonic() - started)
    say(m.FINISHED_RESUMED(finished=counts.finished, total=counts.total, before=len(done), time=took, folder=workdir)
        if done else m.FINISHED(finished=counts.finished, total=counts.total, time=took, folder=workdir))
    if engine.interrupted:
        return INTERRUPTED
    return 0 if counts.finished == counts.total and not failure and not engine.problems else 1


def last_lines(totals: RunTotals, counts: Counts) -> None:
    """Print the failures by reason, what is kept where, and how to continue."""
    failures = totals.failures()
    for text in status_view.failure_lines(failures) if failures else ():
        line(text)
    not_run = counts.failed - sum(one["count"] for one in failures)
    if not_run > 0:
        say(m.NOT_RUN(tasks=counted(not_run, "task")))
    if len(totals):
        say(m.RUN_KEEPS(logs=f"{STATE_DIR}/{LOGS}", report=f"{STATE_DIR}/{REPORT}"))
    if counts.finished < counts.total:
        say(m.RUN_CONTINUES())


def dry_run(batch: Batch, done: set[int], reasons: Mapping[int, str]) -> int:
    order = batch.plan.order()
    for task in batch.temporaries.needed_makers(order, done):
        print(m.WOULD_MAKE_AGAIN(task=task.id, command=shorten(task.command), names=", ".join(task.temporary)))
    for task in order:
        why = reasons.get(task.id)
        command = shorten(task.command)
        print(m.WOULD_RUN_AGAIN(task=task.id, command=command, why=why) if why
              else m.WOULD_RUN(task=task.id, command=command))
    if done:
        say(m.WOULD_SKIP(done=len(done), total=len(batch.tasks)))
    return 0


def run_again(reasons: Mapping[int, str]) -> str:
    """One line about finished tasks that run again."""
    named = ", ".join(
        m.TASK_RUNS_AGAIN(task=task_id, why=why) for task_id, why in itertools.islice(reasons.items(), NAMED))
    count = counted(len(reasons), "task")
    if len(reasons) <= NAMED:
        return m.RUNS_AGAIN(count=count, tasks=named)
    return m.RUNS_AGAIN_MORE(count=count, tasks=named, more=len(reasons) - NAMED)
