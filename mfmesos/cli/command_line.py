"""The command line. Each command imports its modules itself, so that the start stays quick (docs/performance.md,
Start-up).
"""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

import click

from mfmesos import __version__
from mfmesos.cli.at_end import AT_END, with_end
from mfmesos.cli.detaching import detached
from mfmesos.cli.estimates_commands import estimates
from mfmesos.cli.failing import fail
from mfmesos.cli.groups import SEEING, STEERING, Grouped
from mfmesos.cli.history_commands import history
from mfmesos.cli.layered import add_layers, config_command
from mfmesos.cli.number_options import Number
from mfmesos.cli.place_options import address, enter, folders, ports
from mfmesos.cli.policy_options import policy_options, policy_settings
from mfmesos.cli.pool_options import pool_options, settings_of
from mfmesos.cli.showing_options import showing_options, showing_settings
from mfmesos.cli.simulate_commands import simulate
from mfmesos.settings.config import DEFAULT_MASTER, ConfigError, SchedulerConfig, read_secret
from mfmesos.shared import bounds
from mfmesos.shared.messages import cli as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.terminal import say as echo

if TYPE_CHECKING:
    from mfmesos.launchers.factory_args import FactoryArgs
    from mfmesos.launchers.launching import LaunchOptions
    from mfmesos.launchers.makeflow_args import MakeflowArgs

F = TypeVar("F", bound=Callable[..., Any])
SECRET_HELP = "Read the principal's secret from this file of mode 0600 (default: the variable MFMESOS_SECRET)."
MASTERS = "HOST:PORT, several of them as H1:P1,H2:P2, or zk://HOSTS/PATH"


def cluster_options(command: F) -> F:
    """Options for the cluster, shared by all commands that connect to a master."""
    for option in reversed((
        click.option("--master", default="local", show_default=True, metavar="MASTER",
                     help=f"Run on this Mesos master: {MASTERS}; local starts an embedded cluster on this machine."),
        click.option("--role", default="*", show_default=True, metavar="ROLE",
                     help="Receive offers as this Mesos role."),
        click.option("--user", default="", metavar="USER",
                     help="Run tasks as this user on the agents (default: the user who runs mfmesos)."),
        click.option("--principal", metavar="PRINCIPAL", help="Authenticate to the master as this principal."),
        click.option("--secret-file", metavar="FILE", help=SECRET_HELP),
        click.option("--listen", default="", metavar="ADDRESS[:PORT]", callback=address,
                     help="Address and port where the staging server listens."),
        click.option("--ports", default="", metavar="FIRST-LAST", callback=ports,
                     help="Let the staging server listen on a free port of this range (default: any)."),
        click.option("--advertise", default="", metavar="HOST[:PORT]", callback=address,
                     help="Address where executors reach the staging server, if not the one of --listen."),
        click.option("--peer-transfers", is_flag=True,
                     help="Let executors fetch large inputs from each other; each then listens on a port of its own."),
        click.option("--executor-uri", default="", metavar="URI",
                     help="Let agents fetch the executor's archive from this URI."),
        click.option("--local-agents", type=Number(bounds.AGENTS), default=1, show_default=True, metavar="N",
                     help="Start N agents in the embedded cluster; they share this machine."),
        click.option("-v", "--verbose", is_flag=True, help="Verbose output."),
        showing_options,
        click.option("--event-log", is_flag=True, help="Log every decision to .mfmesos/events-*, for developers."),
    )):
        command = option(command)
    return command


def task_options(command: F) -> F:
    """Options for tasks, shared by all commands that run tasks."""
    for option in reversed((
        click.option("--max-running", type=Number(bounds.SOME), metavar="N", help="Run at most N tasks at once."),
        click.option("--max-cores", type=Number(bounds.BOUND), metavar="N",
                     help="Hold at most N cores of the cluster at once."),
        click.option("--max-memory", type=Number(bounds.BOUND), metavar="MB",
                     help="Hold at most MB of the cluster's memory at once, executors included."),
        click.option("--claims", type=click.Choice(["shared", "whole-agent", "per-task"]), default="shared",
                     show_default=True,
                     help="Run many tasks in one claim that is sized for them (shared), or that has the part of the "
                          "agent's memory and disk that goes with its cores (whole-agent); or give each task a claim "
                          "and a container of its own (per-task)."),
        policy_options,
        click.option("--claim-idle", type=Number(bounds.SECONDS), default=5.0, show_default=True, metavar="SECONDS",
                     help="Release a claim after SECONDS without work."),
        click.option("--claim-worklife", type=Number(bounds.SECONDS), default=3600.0, show_default=True,
                     metavar="SECONDS", help="Start no new task in a claim older than SECONDS."),
        click.option("--shared-fs", multiple=True, metavar="DIR", callback=folders,
                     help="Use files below DIR in place on agents that have it, without staging. May be repeated."),
        click.option("--no-rewrite", is_flag=True,
                     help="Leave absolute paths of inputs and outputs in commands as they are."),
        click.option("--estimates", type=click.Choice(["off", "fill", "override"]), default="fill", show_default=True,
                     help="Learn from earlier runs what tasks need: never (off), for what a task does not request "
                          "(fill), or also in place of its requests (override)."),
        click.option("--retry-budget", type=Number(bounds.RETRY_BUDGET), default=2.0, show_default=True, metavar="N",
                     help="Choose estimates that at most N of 100 tasks exceed."),
        click.option("--history", default="", metavar="FILE",
                     help="Learn from this history and add to it (default: your own, in ~/.local/share/mfmesos/)."),
        click.option("--keep-failed", type=Number(bounds.AMOUNT), default=0, show_default=True, metavar="MB",
                     help="Keep the sandboxes of failed attempts in .mfmesos/failed/, the newest 20 of up to MB each, "
                          "until the next run in the folder; mfmesos fetch unpacks them."),
        click.option("--no-history", is_flag=True, help="Learn from this run only, and do not record it."),
        AT_END,
    )):
        command = option(command)
    return command


def scheduler_config(workdir: Path, options: dict[str, Any], **more: Any) -> SchedulerConfig:
    """The scheduler's settings from the command line's options."""
    return SchedulerConfig(
        workdir=str(workdir), master=options["master"], role=options["role"], user=options["user"],
        principal=options["principal"], secret_file=options["secret_file"], listen=options["listen"],
        ports=options["ports"], advertise=options["advertise"], executor_uri=options["executor_uri"],
        peer_transfers=options["peer_transfers"], verbose=options["verbose"], event_log=options["event_log"],
        **showing_settings(options), **more)


def task_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The settings from `task_options`."""
    file = options["history"]
    return {
        "max_running": options["max_running"], "max_cores": options["max_cores"],
        "max_memory_mb": options["max_memory"], "claims": options["claims"], "claim_idle_s": options["claim_idle"],
        "claim_worklife_s": options["claim_worklife"], "estimates": options["estimates"],
        "retry_budget": options["retry_budget"], "rewrite": not options["no_rewrite"],
        "shared_fs": options["shared_fs"], "keep_failed_mb": options["keep_failed"], **policy_settings(options),
        "history": None if options["no_history"] else os.path.abspath(file) if file else ""}


@click.group(cls=Grouped, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mfmesos")
def main() -> None:
    """Run scientific workflows on Apache Mesos.

    mfmesos why, in the workflow's folder, says why tasks wait or failed.
    """


@main.command()
@click.argument("tasks", metavar="TASKFILE|FOLDER", type=click.Path(exists=True, path_type=Path))
@cluster_options
@task_options
@click.option("--retries", type=Number(bounds.COUNT), default=0, show_default=True, metavar="N",
              help="Run a failed task up to N more times; failures of the cluster do not count.")
@click.option("-k", "--keep-going", is_flag=True, help="After a failure, continue with tasks that do not depend on it.")
@click.option("-f", "--follow", is_flag=True, help="Follow the file as it grows, until mesos_done appears beside it.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would run, and in which order.")
@click.option("--plain", is_flag=True, help="Print plain lines instead of a live display.")
@click.option("--verify", is_flag=True, help="Compare finished outputs by content, not only by size and time.")
@click.option("--rerun", multiple=True, metavar="TASK",
              help="Run finished tasks again: a number, an output, a part of a command, or all. May be repeated.")
@click.option("--keep-stale", is_flag=True, help="Run no finished task again only because its inputs have changed.")
@click.option("--fsync", is_flag=True, help="Force outputs to disk before they are reported.")
def run(
    tasks: Path, retries: int, keep_going: bool, follow: bool, dry_run: bool, plain: bool, verify: bool,
    rerun: tuple[str, ...], keep_stale: bool, fsync: bool, **options: Any,
) -> None:
    """Run a task file: JSON lines, or the format of mesos_task_info.

    Exits 0 only if every task finished. Results go to mesos_task_state beside the file, logs to .mfmesos/.
    """
    from mfmesos.scheduler import batch_run

    batch_options = batch_run.Options(keep_going=keep_going, follow=follow, dry_run=dry_run, plain=plain,
                                  verify=verify, keep_stale=keep_stale, rerun=rerun, fsync=fsync)
    source = batch_run.find(tasks)
    if isinstance(source, str):
        fail(source)
    config = scheduler_config(source.parent.resolve(), options, engine="batch", retries=retries,
                              launch=f"batch {source.name}", workflow=source.name, **task_settings(options))
    _guarded(lambda: with_end("" if dry_run else options["at_end"], source.parent, lambda: batch_run.run(
        source, config, batch_options, options["local_agents"]), echo),
             source.parent if options["detach"] and not dry_run else None)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@cluster_options
@task_options
@click.option("--ignore-environment", is_flag=True,
              help="Do not pass the workflow's variables (export, environment) to its tasks.")
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="-- ARGS...")
def makeflow(args: tuple[str, ...], **options: Any) -> None:
    """Run the real makeflow with -T mesos.

    ARGS are makeflow's own arguments. Exits 0 only if every rule succeeded.
    """
    from mfmesos.launchers import makeflow_args
    from mfmesos.launchers.makeflow import launch

    _launch(launch, lambda: makeflow_args.parse(list(args), os.environ), args, options)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@cluster_options
@task_options
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="-- ARGS...")
def factory(args: tuple[str, ...], **options: Any) -> None:
    """Run the real work_queue_factory with -T mesos.

    ARGS are work_queue_factory's own arguments; its workers run on Mesos. Ends at Ctrl-C, or with --factory-timeout;
    the workers end with it.
    """
    from mfmesos.launchers import factory_args
    from mfmesos.launchers.factory import launch, make_folder

    _launch(launch, lambda: factory_args.parse(list(args)), args, options, make_folder)


@main.command()
@click.argument("project", required=False)
@pool_options
@cluster_options
def pool(project: str | None, folder: Path, status: bool, **options: Any) -> None:
    """Run the workers that managers of Work Queue and TaskVine need.

    Serves each manager whose project matches PROJECT, a regular expression, with as many workers as its tasks need.
    Ends at Ctrl-C; the workers end with it.
    """
    from mfmesos.engines import pool_status
    from mfmesos.launchers import pool_launcher
    from mfmesos.launchers.launching import LaunchOptions
    from mfmesos.launchers.localrun import local_cluster

    config = scheduler_config(folder.resolve(), options)

    def start() -> int:
        settings = settings_of(project, options)
        pool_launcher.make_folder(config)
        with local_cluster(config, options["local_agents"]) as resolved:
            return pool_launcher.launch(settings, options["file"], LaunchOptions([], resolved, echo))

    if status:
        _guarded(lambda: pool_status.show(pool_status.read(config.state_dir), click.echo))
    _guarded(start, folder if options["detach"] else None)


@main.command()
@click.argument("bindir", type=click.Path(path_type=Path))
@click.option("--peer-transfers", is_flag=True, help="Let executors fetch large inputs from each other.")
def link(bindir: Path, peer_transfers: bool) -> None:
    """Install mfmesos's scheduler beside the makeflow in BINDIR.

    For administrators: plain `makeflow -T mesos` and `work_queue_factory -T mesos` then use it.
    """
    from mfmesos.launchers import link as linking

    _guarded(lambda: linking.link(bindir, peer_transfers=peer_transfers))


@main.command()
@click.argument("bindir", type=click.Path(path_type=Path))
def unlink(bindir: Path) -> None:
    """Remove mfmesos's scheduler from BINDIR; restore the original."""
    from mfmesos.launchers import link as linking

    _guarded(lambda: linking.unlink(bindir))


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--agents", type=Number(bounds.AGENTS), default=1, show_default=True, metavar="N",
              help="Start N agents.")
@click.option("--cpus", type=Number(bounds.AMOUNT), metavar="N",
              help="CPUs of each agent (default: an equal share of this machine's).")
@click.option("--mem", type=Number(bounds.AMOUNT), metavar="MB",
              help="Memory of each agent (default: an equal share of this machine's).")
@click.option("--disk", type=Number(bounds.AMOUNT), metavar="MB",
              help="Disk of each agent (default: an equal share of what is free).")
@click.option("--resources", metavar="NAME:N",
              help="Other resources of each agent, as Mesos writes them: 'gpus:2;licences:3;ports:[31000-31099]'.")
@click.option("--attributes", metavar="NAME:TEXT",
              help="Attributes of each agent, as Mesos writes them: 'rack:r1;gpu_type:a100'.")
@click.option("--port", type=Number(bounds.PORT), default=0, show_default=True, metavar="PORT",
              help="Let the master listen on this port; 0 chooses a free one.")
@click.option("--work-dir", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Create sandboxes in this folder (default: a temporary one).")
@click.option("--secret-file", type=click.Path(path_type=Path), metavar="FILE",
              help="Accept only clients with the PRINCIPAL:SECRET in this file.")
def cluster(**options: Any) -> None:
    """Run the embedded cluster alone, in the foreground.

    It serves 127.0.0.1 only, and ends at Ctrl-C.
    """
    from mfmesos.local.__main__ import main as local_main

    argv = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
    _guarded(lambda: local_main(argv))


@main.command()
@click.option("--master", metavar="MASTER",
              help=f"Also check this Mesos master ({MASTERS}), and whether it accepts a run.")
@click.option("--role", default="*", show_default=True, metavar="ROLE", help="Check a run under this Mesos role.")
@click.option("--user", default="", metavar="USER",
              help="Check a run as this user on the agents (default: the user who runs mfmesos).")
@click.option("--principal", metavar="PRINCIPAL", help="Authenticate to the master as this principal.")
@click.option("--secret-file", metavar="FILE", help=SECRET_HELP)
def doctor(master: str | None, role: str, user: str, principal: str | None, secret_file: str | None) -> None:
    """Show what works, what is missing, and how to fix it.

    Prints one line for each check. Exits 1 when something required is missing.
    """
    from mfmesos.doctor import checks as doctoring
    from mfmesos.doctor.master_checks import Wanted

    try:
        wanted = Wanted(role, user, principal, read_secret(secret_file))
    except ConfigError as e:
        fail(str(e))
    findings = doctoring.run(master, wanted=wanted)
    for finding in findings:
        click.echo(finding.line())
    sys.exit(1 if any(f.ok is False for f in findings) else 0)


@main.command()
@click.argument("directory", metavar="FOLDER", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--master", default="", metavar="MASTER", help="Use this master instead of the one that the run used.")
@click.option("--principal", metavar="PRINCIPAL", help="Authenticate to the master as this principal.")
@click.option("--secret-file", metavar="FILE", help=SECRET_HELP)
def clean(directory: Path, dry_run: bool, master: str, principal: str | None, secret_file: str | None) -> None:
    """Remove the leftovers of a crashed run from FOLDER and Mesos.

    Tears down its framework with all running tasks, and removes temporary files, but no outputs and no logs in
    .mfmesos/. Exits 1 when something could not be removed.
    """
    from mfmesos.launchers import clean as cleaning

    _guarded(lambda: cleaning.clean(
        directory.resolve(), dry_run=dry_run, master=master, principal=principal, secret=read_secret(secret_file),
        echo=echo))


add_layers((run, makeflow, factory), also=pool)
for command in (*SEEING, *STEERING, estimates, history, simulate, config_command(run)):
    main.add_command(command)
for command in main.commands.values():
    click.option("-C", "work_in", metavar="FOLDER", is_eager=True, expose_value=False, callback=enter,
                 type=click.Path(exists=True, file_okay=False),
                 help="Work in FOLDER instead of the present one.")(command)


def _launch(launch: Callable[[LaunchOptions], int], parse: Callable[[], MakeflowArgs | FactoryArgs],
            args: Sequence[str], options: dict[str, Any], make: Callable[[Path], Any] = Path) -> NoReturn:
    try:
        parsed = parse()
    except ConfigError as e:
        fail(str(e))
    detaches = options["detach"] and not parsed.starts_nothing
    _guarded(lambda: _launched(launch, parsed, args, options, make), parsed.workdir(Path.cwd()) if detaches else None)


def _launched(
    launch: Callable[[LaunchOptions], int], parsed: MakeflowArgs | FactoryArgs, args: Sequence[str],
    options: dict[str, Any], make: Callable[[Path], Any],
) -> int:
    """Run another program's engine with the scheduler of mfmesos, on the embedded cluster unless a master is named."""
    from mfmesos.launchers.early import Early
    from mfmesos.launchers.launching import LaunchOptions
    from mfmesos.launchers.localrun import local_cluster

    early = click.get_current_context().find_object(Early)
    config = scheduler_config(Path.cwd(), options, **task_settings(options))
    if parsed.master or parsed.starts_nothing:
        config.master = parsed.master or DEFAULT_MASTER
    if not parsed.starts_nothing:
        make(folder := parsed.workdir(Path.cwd()))
        config.workdir = str(folder if folder.is_dir() else Path.cwd())  # the page, if there is one, is about that
    with local_cluster(config, options["local_agents"]) as resolved:
        return with_end(options["at_end"], Path.cwd(), lambda: launch(LaunchOptions(
            argv=list(args), scheduler=resolved, echo=echo, early=early,
            ignore_environment=options.get("ignore_environment", False))), echo)


def _guarded(call: Callable[[], Any], detach_in: Path | None = None) -> NoReturn:
    """Run a command, in the background if it is to be detached: with its log in that folder. An error that the user can
    fix becomes one line; an unexpected error becomes one line and a log.
    """
    if detach_in is not None:
        detached(detach_in, lambda: _guarded(call))
    try:
        code = call()
    except ConfigError as e:
        fail(str(e))
    except KeyboardInterrupt:
        click.echo(m.INTERRUPTED(), err=True)
        sys.exit(130)
    except OSError as e:
        fail(plain(e))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
