"""`mfmesos factory`: the real work_queue_factory with -T mesos; its workers are tasks on Mesos."""
from __future__ import annotations

import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from mfmesos.launchers import binaries, factory_args, launching
from mfmesos.launchers.binaries import FACTORY
from mfmesos.launchers.launching import LaunchOptions, shell_code
from mfmesos.launchers.session import Session
from mfmesos.launchers.supervisor import ending
from mfmesos.settings.config import STATE_DIR, ConfigError
from mfmesos.shared.messages import launchers as m
from mfmesos.taskfiles.workers import for_workers

__all__ = ["LaunchOptions", "launch"]


def launch(options: LaunchOptions) -> int:
    """Run work_queue_factory to its end; returns its exit code, which is 0 after a signal to end.

    Raises ConfigError, in one line with the cure, if the factory cannot be started.
    """
    args = factory_args.parse(options.argv)
    binary = options.binary or binaries.find_factory(options.environ)
    if args.starts_nothing:
        return shell_code(subprocess.call([str(binary), *args.argv], env=dict(options.environ)))
    launching.ready(binary, options)
    launching.say_dropped(args.dropped, FACTORY, options.echo)
    workdir = args.workdir(Path.cwd())
    with launching.folder(workdir, "factory", options.echo, m.OTHER_FACTORY_FOLDER()) as lock:
        copy = binaries.private_copy(binary, workdir / STATE_DIR, options.environ, FACTORY)
        return _run(_session(options, args, copy, workdir, lock.fd), options)


def make_folder(folder: Path) -> None:
    """That of a factory, before anything else writes to it. Raises ConfigError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as e:
        raise ConfigError(m.FACTORY_FOLDER(folder=folder, why=e.strerror)) from None


def _session(
    options: LaunchOptions, args: factory_args.FactoryArgs, copy: Path, workdir: Path, lock_fd: int,
) -> Session:
    config = replace(
        for_workers(options.scheduler), workdir=str(workdir), master=args.master or options.scheduler.master,
        gpus=args.options.get("gpus", "0") != "0")
    argv = args.argv if args.master else [f"--mesos-master={config.master}", *args.argv]  # the factory requires one
    return Session(
        program=FACTORY, binary=copy, argv=argv, cwd=Path.cwd(), workdir=workdir,
        environ=launching.engine_environ(options), supervisor=launching.supervisor(options, config, lock_fd),
        echo=options.echo, jobs="workers",
        hangup=signal.SIGTERM,  # the factory ignores SIGHUP
        repeat_s=2.0)  # it looks for a signal, and then sleeps for half a minute


def _run(session: Session, options: LaunchOptions) -> int:
    code = session.run()
    if session.failure:
        return 1
    if code and not session.interrupts:
        binaries.probe(session.binary, options.environ)  # reports why, if the program does not start
    if code < 0:
        options.echo(m.FACTORY_DIED(program=FACTORY, how=ending(code)))
    return shell_code(code)
