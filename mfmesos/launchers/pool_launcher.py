"""`mfmesos pool`: keeps the pool's scheduler alive until it is told to end."""
from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mfmesos.engines import pool_settings
from mfmesos.engines.pool_settings import PoolSettings
from mfmesos.launchers import launching
from mfmesos.launchers.launching import LaunchOptions
from mfmesos.launchers.session import STOP_S, TICK_S
from mfmesos.launchers.supervisor import WATCHED, Supervisor
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.store.leftovers import FolderLock

CATALOG = "catalog.cse.nd.edu:9097"
"""The public one, which cctools' own programs ask when they are told nothing else."""


def launch(settings: PoolSettings, file: Path | None, options: LaunchOptions) -> int:
    """Run the pool in the scheduler's folder. The exit code: 0 when it was told to end, 1 when it gave up.

    Raises ConfigError in one line with the cure.
    """
    config = options.scheduler
    folder = Path(config.workdir)
    try:
        folder.mkdir(exist_ok=True)
        config.state_dir.mkdir(exist_ok=True)
    except OSError as e:
        raise ConfigError(f"{folder}: {e.strerror}; name another folder for the pool with --folder") from None
    catalog = options.environ.get("CATALOG_HOST", "")
    if catalog:
        catalog += f":{options.environ.get('CATALOG_PORT', pool_settings.CATALOG_PORT)}"
    settings = replace(settings, catalog=settings.catalog or catalog or CATALOG)
    try:
        settings = pool_settings.checked(settings)
    except ValueError as e:
        raise ConfigError(str(e)) from None
    path = file or folder / pool_settings.FILE
    read = pool_settings.read(path, settings)
    if not read.projects:
        raise ConfigError(f"no project is named: mfmesos pool PROJECT, or --manager, or \"projects\" in {path}")
    gpus = any(its.worker is not None and its.worker.gpus for its in read.projects.values())
    config = for_pool(replace(config, gpus=gpus), {**pool_settings.as_json(settings), "file": str(path.resolve())})
    with FolderLock(config.state_dir, options.echo, cure="name another folder with --folder") as lock:
        asked = f"manager {read.manager}" if read.manager else f"catalog {read.catalog}"
        options.echo(f"serving {', '.join(read.projects)} ({asked}); mfmesos pool --status says how it is")
        return keep(launching.supervisor(options, config, lock.fd), options.echo)


def for_pool(config: SchedulerConfig, pool: dict[str, object]) -> SchedulerConfig:
    """A worker has a claim of its own, which ends with it; nothing is estimated for it, and the pool itself starts
    another for one that failed."""
    return replace(config, engine="pool", pool=pool, estimates="off", history=None, retries=0, claims="per-task")


@dataclass
class _Stopping:
    signals: int = 0
    since: float = 0.0


def keep(supervisor: Supervisor, echo: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> int:
    """Until a signal; a second one kills. A scheduler that dies is started again and takes over its workers."""
    watched = {number for number in WATCHED if signal.getsignal(number) is not signal.SIG_IGN}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*watched, signal.SIGCHLD})
    stopping = _Stopping()
    try:
        supervisor.start()
        while True:
            info = signal.sigtimedwait({*watched, signal.SIGCHLD}, TICK_S)
            if info is not None and info.si_signo != signal.SIGCHLD:
                _stop(stopping, supervisor, echo, clock())
            if stopping.signals:
                if supervisor.end_again():
                    stopping.since = clock()
                elif not supervisor.alive:
                    return 0 if stopping.signals == 1 and not supervisor.holds else 1
                elif clock() - stopping.since > STOP_S:
                    echo(f"stopping: the scheduler did not end within {STOP_S:g} s and is killed")
                    return 1
                continue
            failure = supervisor.check()
            if failure:
                echo(failure)
                return 1
    finally:
        supervisor.kill()
        supervisor.say_held()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _stop(stopping: _Stopping, supervisor: Supervisor, echo: Callable[[str], None], now: float) -> None:
    stopping.signals += 1
    if stopping.signals == 1:
        stopping.since = now
        echo("stopping: workers leave their managers and end; Ctrl-C again kills them")
        supervisor.signal(signal.SIGTERM)
    elif stopping.signals == 2:
        echo("stopping: the scheduler is killed")
        supervisor.kill()
