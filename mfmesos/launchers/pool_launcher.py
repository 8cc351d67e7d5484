"""`mfmesos pool`: keeps the pool's scheduler alive until a signal ends the pool."""
from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mfmesos.launchers import launching
from mfmesos.launchers.launching import LaunchOptions
from mfmesos.launchers.session import STOP_S, TICK_S
from mfmesos.launchers.supervisor import WATCHED, Supervisor
from mfmesos.settings import pool_settings
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.settings.pool_settings import PoolSettings
from mfmesos.store.leftovers import FolderLock

CATALOG = "catalog.cse.nd.edu:9097"
"""The public catalog, the default of cctools' own programs."""


def launch(settings: PoolSettings, file: Path | None, options: LaunchOptions) -> int:
    """Run the pool in the scheduler's folder. Exit code 0: ended by a signal, 1: gave up.

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
    """The scheduler's settings for a pool: each worker has its own claim, which ends with the worker; workers are not
    estimated, and the pool itself replaces a failed worker.
    """
    return replace(config, engine="pool", pool=pool, estimates="off", history=None, retries=0, claims="per-task")


@dataclass
class _Stopping:
    signals: int = 0
    since: float = 0.0


def keep(supervisor: Supervisor, echo: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> int:
    """Run until a signal; a second signal kills. A scheduler that dies is restarted and takes over its workers."""
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
        supervisor.report_held()
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
