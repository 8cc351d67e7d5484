"""The options of `mfmesos pool`."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfmesos.cli.number_options import Number
from mfmesos.settings.config import ConfigError
from mfmesos.shared import bounds
from mfmesos.shared.messages import cli as m

if TYPE_CHECKING:
    from mfmesos.settings.pool_settings import PoolSettings
    from mfmesos.settings.worker_options import WorkerOptions

DEFAULT_FOLDER = "mfmesos-pool"


def pool_options(command: Any) -> Any:
    """The pool's settings as options."""
    for option in reversed((
        click.option("--min", "least", type=Number(bounds.COUNT), default=0, show_default=True, metavar="N",
                     help="Keep at least N workers for each project that has a manager."),
        click.option("--max", "most", type=Number(bounds.COUNT), metavar="N",
                     help="Run at most N workers for each project (default: no limit)."),
        click.option("--catalog", default="", metavar="HOST:PORT",
                     help="Find managers in this catalog (default: $CATALOG_HOST, or the catalog of cctools)."),
        click.option("--manager", default="", metavar="HOST:PORT", help="Serve this one manager, without a catalog."),
        click.option("-F", "--foremen", default="", metavar="PATTERN",
                     help="Start the workers of all managers for foremen with these project names."),
        click.option("--worker", "workers", multiple=True, metavar="PROGRAM",
                     help="Run work_queue_worker, vine_worker, or the worker at this path; may be repeated: each "
                          "manager gets the first that speaks its protocol (default: the one on PATH)."),
        click.option("--cores", type=Number(bounds.SOME), metavar="N",
                     help="Cores of each worker (default: as its tasks need, or in proportion to what is given)."),
        click.option("--memory", type=Number(bounds.SOME), metavar="MB", help="Memory of each worker."),
        click.option("--disk", type=Number(bounds.SOME), metavar="MB", help="Disk of each worker."),
        click.option("--gpus", type=Number(bounds.COUNT), default=0, show_default=True, metavar="N",
                     help="GPUs of each worker."),
        click.option("--password", "passwords", multiple=True, metavar="FILE",
                     help="Read the managers' password from this file; may be repeated."),
        click.option("--ssl", is_flag=True, help="Connect workers to their managers over TLS."),
        click.option("--idle", type=Number(bounds.WORKER_IDLE), default=10.0, show_default=True, metavar="SECONDS",
                     help="End a surplus worker after SECONDS without a task."),
        click.option("--factory-timeout", type=Number(bounds.SECONDS), default=0.0, metavar="SECONDS",
                     help="End the pool after SECONDS without a manager (default: never)."),
        click.option("--tasks-per-worker", type=Number(bounds.AMOUNT), default=0.0, metavar="N",
                     help="Start one worker for N tasks (default: as their requests need)."),
        click.option("-c", "--capacity", is_flag=True,
                     help="Start workers for no more tasks than a manager can keep busy, as it measures."),
        click.option("--workers-per-cycle", type=Number(bounds.COUNT), default=0, metavar="N",
                     help="Start at most N workers of a project each second (default: 4, or as many as it has)."),
        click.option("--feature", multiple=True, metavar="NAME",
                     help="Give workers this feature, which tasks may require; may be repeated."),
        click.option("--env", multiple=True, metavar="NAME=VALUE",
                     help="Set this variable for workers; may be repeated."),
        click.option("--wrapper", default="", metavar="COMMAND", help="Start each worker by this command."),
        click.option("--wrapper-input", multiple=True, metavar="FILE",
                     help="Send this file with each worker; may be repeated."),
        click.option("--poncho-env", "--python-env", default="", metavar="ARCHIVE",
                     help="Run each worker in this Conda environment, an archive for poncho_package_run."),
        click.option("-E", "--extra-options", default="", metavar="OPTIONS",
                     help="Start workers with these options of their own as well."),
        click.option("--transfer-port", default="", metavar="PORT[:LAST]",
                     help="Ports at which workers of TaskVine listen for each other (default: any)."),
        click.option("--debug-workers", is_flag=True,
                     help="Bring the debug log of each worker to FOLDER when the worker has ended by itself; "
                          "the newest 100 are kept."),
        click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE",
                     help="Settings in this file override the command line and are read again when the file changes "
                          "(default: pool.json in the pool's folder)."),
        click.option("--status", is_flag=True, help="Show what each manager needs and has, and why it has no more."),
        click.option("-S", "--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER, show_default=True,
                     metavar="FOLDER", help="Keep the pool's own files in this folder."),
    )):
        command = option(command)
    return command


def settings_of(project: str | None, options: dict[str, Any]) -> PoolSettings:
    """The settings from the command line; ConfigError in one line."""
    # Imported here, since every command of mfmesos starts with this module.
    from mfmesos.settings.pool_settings import PoolSettings, worker_size
    from mfmesos.shares.pool_values import UNLIMITED, ProjectSettings

    size = {key: options[key] for key in ("cores", "memory", "disk") if options[key] is not None}
    if options["gpus"]:
        size["gpus"] = options["gpus"]
    worker = worker_size("worker", size) if size else None
    most = UNLIMITED if options["most"] is None else options["most"]
    if options["least"] > most:
        raise ConfigError(m.MIN_ABOVE_MAX(least=options["least"], most=most))
    its = ProjectSettings(options["least"], most, worker=worker, tasks_per_worker=options["tasks_per_worker"],
                          workers_per_cycle=options["workers_per_cycle"], capacity=options["capacity"])
    return PoolSettings(
        {project: its} if project is not None else {".*": its} if options["manager"] else {},
        catalog=options["catalog"], manager=options["manager"], foremen=options["foremen"],
        debug_workers=options["debug_workers"], workers=options["workers"],
        passwords=tuple(map(_absolute, options["passwords"])),
        ssl=options["ssl"], idle_s=options["idle"], factory_timeout_s=options["factory_timeout"],
        options=_worker_options(options), default=its)


def _worker_options(options: dict[str, Any]) -> WorkerOptions:
    """ConfigError names the option and what it takes."""
    from mfmesos.settings import worker_options

    found = {name: options[name] for name in worker_options.NAMES}
    for name, value in found.items():
        for one in value if isinstance(value, tuple) else (value,):
            if not worker_options.is_valid(name, one):
                raise ConfigError(m.BAD_WORKER_OPTION(option="--" + name.replace("_", "-"), value=repr(one)))
    for name in worker_options.FILES:
        value = found[name]
        found[name] = tuple(map(_absolute, value)) if isinstance(value, tuple) else _absolute(value)
    return worker_options.WorkerOptions(**found)


def _absolute(file: str) -> str:
    return str(Path(file).expanduser().resolve()) if file else ""
