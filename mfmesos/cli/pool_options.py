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
        click.option("--worker", "workers", multiple=True, metavar="PROGRAM",
                     help="Run work_queue_worker, vine_worker, or the worker at this path; may be repeated: each "
                          "manager gets the first that speaks its protocol (default: the one on PATH)."),
        click.option("--cores", type=Number(bounds.SOME), metavar="N",
                     help="Cores of each worker; needs --memory and --disk."),
        click.option("--memory", type=Number(bounds.SOME), metavar="MB", help="Memory of each worker."),
        click.option("--disk", type=Number(bounds.SOME), metavar="MB", help="Disk of each worker."),
        click.option("--gpus", type=Number(bounds.COUNT), default=0, show_default=True, metavar="N",
                     help="GPUs of each worker."),
        click.option("--password", "passwords", multiple=True, metavar="FILE",
                     help="Read the managers' password from this file; may be repeated."),
        click.option("--ssl", is_flag=True, help="Connect workers to their managers over TLS."),
        click.option("--idle", type=Number(bounds.WORKER_IDLE), default=10.0, show_default=True, metavar="SECONDS",
                     help="End a surplus worker after SECONDS without a task."),
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
    if (size or options["gpus"]) and len(size) < 3:
        raise ConfigError(m.INCOMPLETE_WORKER_SIZE())
    worker = worker_size("worker", {**size, "gpus": options["gpus"]}) if size else None
    most = UNLIMITED if options["most"] is None else options["most"]
    if options["least"] > most:
        raise ConfigError(m.MIN_ABOVE_MAX(least=options["least"], most=most))
    its = ProjectSettings(options["least"], most, worker=worker)
    return PoolSettings(
        {project: its} if project is not None else {".*": its} if options["manager"] else {},
        catalog=options["catalog"], manager=options["manager"], workers=options["workers"],
        passwords=tuple(str(Path(one).expanduser().resolve()) for one in options["passwords"]),
        ssl=options["ssl"], idle_s=options["idle"])
