"""The scheduler as a process of its own, beside makeflow.

    mfmesos.scheduler CONFIG.json [--end]    started by our launcher, see mfmesos.start
    mfmesos.scheduler --makeflow CWD MASTER  started by an installed makeflow (after `mfmesos link`), with an empty
                                             environment and every descriptor that makeflow had open
"""
from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import secrets
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mfmesos.config import DEFAULT_MASTER, END, STATE_DIR, ConfigError, SchedulerConfig
from mfmesos.plainerrors import plain
from mfmesos.workflow.leftovers import RUN, TASK_STATE, clear_older, owner
from mfmesos.workflow.workers import for_workers

if TYPE_CHECKING:
    from mfmesos.engine import Engine

FACTORY_NAME = "work_queue_fact"
ENGINES = ("makeflow", FACTORY_NAME)  # as /proc/PID/comm has them, cut to 15 characters
NO_PROCESS = -1
CRASHED = 70
"""As sysexits.h has it for an internal error."""
ENGINE_STARTS_S = {"makeflow": 0.03, FACTORY_NAME: 0.0}
"""An engine has written nothing yet when it is so old. The kernel rounds its start down to 10 ms; a factory writes
its first records within 20 ms, so nothing is added for it."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def main(argv: list[str] | None = None) -> int:
    """Exit 0 when the run was carried through (failed tasks included), 1 when it could not be, 2 on bad usage, CRASHED
    when another scheduler may go on where this one died."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if len(argv) == 3 and argv[0] == "--makeflow":
            config = _from_makeflow(Path(argv[1]), argv[2])
        elif len(argv) == 1 or argv[1:] == [END]:
            config = replace(SchedulerConfig.load(Path(argv[0])), ending=len(argv) > 1)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except ConfigError as e:
        print(f"mfmesos: {e}", file=sys.stderr)
        if argv[0] == "--makeflow":
            _end_engine(_engine_pid())
        return 1
    return _run(config)


def leave(code: int) -> NoReturn:
    """End the process when all is closed: to take its modules apart would keep makeflow's user waiting for 0.05 s."""
    logging.shutdown()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _from_makeflow(cwd: Path, master: str) -> SchedulerConfig:
    """makeflow gives us nothing but the folder and the master; without mesos_task_state it spins, so make it first."""
    os.closerange(3, 4096)
    parent = _engine_pid()
    if owner(cwd / STATE_DIR) == RUN and (cwd / TASK_STATE).exists():
        raise ConfigError(
            f"{cwd}: {TASK_STATE} is the progress of `mfmesos run`, which makeflow takes for its own: use another "
            "folder, or `mfmesos makeflow`, which keeps that file aside, or delete it")
    clear_older(cwd, started_at(parent) + ENGINE_STARTS_S.get(name_of(parent), 0.0))
    (cwd / "mesos_task_state").touch()
    os.environ.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        os.environ.setdefault("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        os.environ.setdefault("HOME", "/")
    config = SchedulerConfig(
        workdir=str(cwd), master=master.rstrip("/") or DEFAULT_MASTER, parent_pid=parent, engine="makeflow",
        launch=secrets.token_hex(8), start_at_last_run=True)
    return for_workers(config) if name_of(parent) == FACTORY_NAME else config


def _engine_pid() -> int:
    """Our parent, when it is the engine; a number that no process has when the engine died before we were up."""
    parent = os.getppid()
    name = name_of(parent)
    return parent if not name or name.startswith(ENGINES) else NO_PROCESS


def name_of(pid: int) -> str:
    """As the kernel has it; empty when it does not tell."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def started_at(pid: int) -> float:
    """When a process started, in seconds since the epoch, to 10 ms; 0 when that cannot be known."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def say_crashed(error: Exception, config: SchedulerConfig) -> None:
    where = config.state_dir / "scheduler.log"
    print(f"mfmesos: the scheduler failed unexpectedly: {type(error).__name__}: {plain(error)}; see {where}",
          file=sys.stderr)


def open_log(config: SchedulerConfig) -> None:
    """scheduler.log in our own folder, for this user only; stderr is kept for the user's notes."""
    config.state_dir.mkdir(exist_ok=True)
    path = config.state_dir / "scheduler.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handler = logging.StreamHandler(os.fdopen(fd, "a", encoding="utf-8", errors="surrogateescape"))
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.raiseExceptions = False  # a log on a full disk is no reason for tracebacks on the user's terminal
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    if config.verbose:
        logging.getLogger("mfmesos").setLevel(logging.DEBUG)


def _run(config: SchedulerConfig) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is makeflow's; it tells us by mesos_done
    open_log(config)
    log = logging.getLogger("mfmesos.schedulerd")
    try:
        from mfmesos.scheduler import Scheduler
        from mfmesos.terminal import ending_signals, say

        engine = _engine(config)
        try:
            failure = asyncio.run(Scheduler(config, engine).run(stop_on=ending_signals()))
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except ConfigError as e:
        print(f"mfmesos: {e}", file=sys.stderr)
        failure = str(e)
    except Exception as e:
        log.exception("event=crash")
        say_crashed(e, config)
        if not config.start_at_last_run:
            return CRASHED
        failure = "crashed"  # nobody starts it again
    else:
        if failure:
            say(failure)
    if failure and config.start_at_last_run:
        _end_engine(config.parent_pid)
    return 1 if failure else 0


def _end_engine(parent: int | None) -> None:
    """A makeflow whose scheduler is gone waits for ever."""
    if parent == os.getppid():
        os.kill(parent, signal.SIGTERM)


def _engine(config: SchedulerConfig) -> Engine:
    if config.engine == "pool":
        from mfmesos.pool.engine import PoolEngine

        return PoolEngine(config)
    from mfmesos.workflow.taskengine import TaskFileEngine

    return TaskFileEngine(config)
