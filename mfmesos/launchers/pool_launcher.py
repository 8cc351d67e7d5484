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
from mfmesos.shared.messages import launchers as m
from mfmesos.store.leftovers import FolderLock

CATALOG = "catalog.cse.nd.edu:9097"
"""The public catalog, the default of cctools' own programs."""


def make_folder(config: SchedulerConfig) -> None:
    """That of a pool, before anything else writes to it. Raises ConfigError."""
    try:
        Path(config.workdir).mkdir(exist_ok=True)
        config.state_dir.mkdir(exist_ok=True)
    except OSError as e:
        raise ConfigError(m.POOL_FOLDER(folder=config.workdir, why=e.strerror)) from None


def launch(settings: PoolSettings, file: Path | None, options: LaunchOptions) -> int:
    """Run the pool in the scheduler's folder. Exit code 0: ended by a signal, 1: gave up.

    Raises ConfigError in one line with the cure.
    """
    config = options.scheduler
    folder = Path(config.workdir)
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
        raise ConfigError(m.NO_PROJECT(path=path))
    left_out = ", ".join(project for project in settings.projects if project not in read.projects)
    if left_out and not settings.manager:
        raise ConfigError(m.PROJECT_AND_FILE(project=left_out, path=path))
    gpus = any(its.worker is not None and its.worker.gpus for its in read.projects.values())
    config = for_pool(replace(config, gpus=gpus), {**pool_settings.as_json(settings), "file": str(path.resolve())})
    with FolderLock(config.state_dir, options.echo, cure=m.OTHER_POOL_FOLDER()) as lock:
        projects = ", ".join(read.projects)
        options.echo(m.POOL_SERVES_MANAGER(projects=projects, manager=read.manager) if read.manager
                     else m.POOL_SERVES(projects=projects, catalog=read.catalog))
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
                    echo(m.STOPPING_LATE(seconds=STOP_S))
                    return 1
                continue
            if supervisor.ended_in_order:
                return 0
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
        echo(m.STOPPING_POOL())
        supervisor.signal(signal.SIGTERM)
    elif stopping.signals == 2:
        echo(m.STOPPING_POOL_NOW())
        supervisor.kill()
