"""The scheduler as a process of its own, beside makeflow.

    mfmesos.scheduler CONFIG.json [--end]    started by our launcher, see mfmesos.start
    mfmesos.scheduler --early FD             the same before its arguments are known, see mfmesos.launchers.early
    mfmesos.scheduler [--peer-transfers] --makeflow CWD MASTER    started by an installed makeflow (after `mfmesos
                                             link`), see mfmesos.launchers.linked
"""
from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mfmesos.launchers.early import EARLY, await_arguments
from mfmesos.scheduler.private_log import PrivateLog
from mfmesos.settings.config import END, PEER_TRANSFERS, ConfigError, SchedulerConfig
from mfmesos.shared.messages import runs as m
from mfmesos.shared.plainerrors import plain

if TYPE_CHECKING:
    from mfmesos.engines.engine import Engine

CRASHED = 70
"""The exit code of an internal error in sysexits.h."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the run was carried through (failed tasks included); 1: it was not; 2: bad usage; CRASHED: another
    scheduler may resume where this one died.
    """
    argv = sys.argv[1:] if argv is None else argv
    gc.disable()  # until the run begins: see Scheduler.run
    try:
        if argv[:1] == [EARLY]:
            _import_all()
            told = await_arguments(argv[1])
            if told is None:
                return 0
            argv = told
        peer_transfers = argv[:1] == [PEER_TRANSFERS]
        argv = argv[peer_transfers:]
        if len(argv) >= 3 and argv[0] == "--makeflow":
            from mfmesos.launchers import linked

            return linked.main(argv[1:], lambda config: _run(replace(config, peer_transfers=peer_transfers)))
        if len(argv) == 1 or argv[1:] == [END]:
            config = replace(SchedulerConfig.load(Path(argv[0])), ending=len(argv) > 1)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except ConfigError as e:
        print(m.SCHEDULER_ERROR(why=e), file=sys.stderr)
        return 1
    return _run(config)


def leave(code: int) -> NoReturn:
    """End the process after everything is closed, without the interpreter's teardown: makeflow's user waits for the end
    (docs/performance.md, Start-up).
    """
    logging.shutdown()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def say_crashed(error: Exception, config: SchedulerConfig) -> None:
    print(m.SCHEDULER_CRASHED(kind=type(error).__name__, why=plain(error), log=config.state_dir / "scheduler.log"),
          file=sys.stderr)


def open_log(config: SchedulerConfig) -> None:
    """Open scheduler.log in .mfmesos, for this user only; stderr is kept for notes to the user."""
    config.state_dir.mkdir(exist_ok=True)
    handler = PrivateLog(config.state_dir / "scheduler.log", config.log_format)
    logging.raiseExceptions = False  # a full disk must not print tracebacks on the user's terminal
    # A line is written for each task: what none shows need not be found out (Python's Logging HOWTO, Optimization).
    setattr(logging, "_srcfile", None)  # noqa: B010 - typeshed does not know it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    if config.verbose:
        logging.getLogger("mfmesos").setLevel(logging.DEBUG)


def _import_all() -> None:
    """What `_run` imports for a launcher's engine."""
    import mfmesos.engines.taskfile_engine
    import mfmesos.scheduler.scheduler
    import mfmesos.views.progress  # noqa: F401


def _run(config: SchedulerConfig) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is makeflow's; makeflow writes mesos_done
    open_log(config)
    log = logging.getLogger("mfmesos.schedulerd")
    try:
        from mfmesos.scheduler.scheduler import Scheduler
        from mfmesos.shared.terminal import ending_signals, say
        from mfmesos.views.progress import PlainProgress

        engine, shown = _engine(config), PlainProgress()
        try:
            failure = asyncio.run(Scheduler(config, engine, shown=shown).run(stop_on=ending_signals()))
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            shown.close()
    except ConfigError as e:
        print(m.SCHEDULER_ERROR(why=e), file=sys.stderr)
        failure = str(e)
    except Exception as e:
        log.exception("event=crash")
        say_crashed(e, config)
        return CRASHED
    else:
        if failure:
            say(failure)
    return 1 if failure else 0


def _engine(config: SchedulerConfig) -> Engine:
    if config.engine == "pool":
        from mfmesos.engines.pool_engine import PoolEngine

        return PoolEngine(config)
    from mfmesos.engines.taskfile_engine import TaskFileEngine

    return TaskFileEngine(config)
