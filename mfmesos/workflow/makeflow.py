"""`mfmesos makeflow`: the real makeflow with -T mesos and our scheduler; exits 0 only if every rule did."""
from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mfmesos.config import SECRET_VARIABLE, STATE_DIR, ConfigError, SchedulerConfig
from mfmesos.workflow import binaries, leftovers, makeflow_args, makeflow_log, verdict
from mfmesos.workflow.makeflow_session import Session
from mfmesos.workflow.supervisor import Supervisor


@dataclass
class LaunchOptions:
    """What to run, and how."""

    argv: list[str]
    """makeflow's own arguments."""
    scheduler: SchedulerConfig
    """Its workdir and parent_pid are filled in here; its master gives way to --mesos-master in `argv`."""
    echo: Callable[[str], None]
    """Shows one line to the user."""
    scheduler_command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "mfmesos.scheduler"])
    """Started with the name of the settings file as one more argument."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    makeflow: Path | None = None
    """The makeflow to run; None: the first on PATH."""
    python: Path = binaries.SYSTEM_PYTHON
    preload: Path | None = field(default_factory=binaries.preload_library)


def launch(options: LaunchOptions) -> int:
    """Run makeflow to its end; gives the exit code for the shell.

    Raises ConfigError, in one line with its cure, when it cannot be started.
    """
    args = makeflow_args.parse(options.argv, options.environ)
    binary = options.makeflow or binaries.find_makeflow(options.environ)
    if args.starts_nothing:
        return _shell_code(subprocess.call([str(binary), *args.argv], env=dict(options.environ)))
    if not binaries.speaks_mesos(binary):
        binaries.require_mesos(binaries.probe(binary, options.environ))
    binaries.require_python(options.python)
    for name in args.dropped:
        options.echo(f"{name} is left out: it breaks makeflow's start, and no libraries of Mesos are needed")
    cwd = Path.cwd()
    workdir = args.workdir(cwd)
    if not workdir.is_dir():
        raise ConfigError(f"{workdir}: no such folder (makeflow's -X)")
    state_dir = workdir / STATE_DIR
    state_dir.mkdir(exist_ok=True)
    with leftovers.FolderLock(state_dir, options.echo) as lock:
        _refuse_company(workdir)
        _clear(workdir, options.echo)
        _mend(args.log_path(cwd), options.echo)
        copy = binaries.private_copy(binary, state_dir, options.environ)
        session = _session(options, args, copy, workdir, lock.fd)
        try:
            return _run(session, state_dir, options)
        finally:
            for fd in session.pass_fds:
                os.close(fd)
            leftovers.clear(workdir)


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code


def _refuse_company(workdir: Path) -> None:
    other = leftovers.plain_makeflow_in(workdir)
    if other is not None:
        raise ConfigError(f"{workdir}: makeflow -T mesos, process {other}, works in this folder; wait for it or end it")


def _clear(workdir: Path, echo: Callable[[str], None]) -> None:
    there = leftovers.clear(workdir)
    if there:
        echo(f"cleared away what a run before left: {', '.join(there)}")
    leftovers.create_state(workdir)


def _mend(log: Path, echo: Callable[[str], None]) -> None:
    mending = makeflow_log.mend(log, time.time_ns() // 1000)
    if mending.nodes and mending.backup is None:
        kind = {"batch": "local"}.get(mending.kind, mending.kind)
        raise ConfigError(
            f"{log}: {len(mending.nodes)} rules were left running by makeflow -T {kind}; "
            f"go on with -T {kind}, or delete that file to begin anew")
    what = []
    if mending.nodes:
        what.append(f"{len(mending.nodes)} rules were left running by a killed run and will be run again")
    if mending.cut:
        what.append("its half-written last line is cut off")
    if what:
        echo(f"{log.name}: {'; '.join(what)} (copy: {mending.backup})")


def _session(
    options: LaunchOptions, args: makeflow_args.MakeflowArgs, copy: Path, workdir: Path, lock_fd: int,
) -> Session:
    state_dir = workdir / STATE_DIR
    config = replace(
        options.scheduler, workdir=str(workdir), engine="makeflow", parent_pid=os.getpid(),
        launch=secrets.token_hex(8),
        master=args.master or options.scheduler.master)
    settings = state_dir / "scheduler.json"
    settings.unlink(missing_ok=True)  # its mode may not be ours
    config.save(settings)
    supervisor = Supervisor(
        command=[*options.scheduler_command, str(settings)], cwd=str(workdir), environ=options.environ,
        echo=options.echo, pass_fds=(lock_fd,))
    environ, pass_fds = _preloaded(options, copy)
    environ = {name: value for name, value in environ.items() if name != SECRET_VARIABLE}
    log = makeflow_log.LogFollower(args.log_path(Path.cwd()))
    log.read()
    return Session(
        binary=copy, argv=args.argv, cwd=Path.cwd(), workdir=workdir, environ=environ, log=log,
        supervisor=supervisor, echo=options.echo, pass_fds=pass_fds)


def _preloaded(options: LaunchOptions, makeflow: Path) -> tuple[Mapping[str, str], tuple[int, ...]]:
    """The environment that loads our library into makeflow, by a descriptor, since LD_PRELOAD knows no spaces."""
    if options.preload is None or not binaries.takes_preload(makeflow, options.preload):
        options.echo(
            "makeflow will see results only every 5 s: its preloaded library is not there "
            "(install gcc, then mfmesos again)" if options.preload is None else
            "makeflow will see results only every 5 s: our library does not fit it")
        return options.environ, ()
    fd = os.open(options.preload, os.O_RDONLY | os.O_CLOEXEC)
    names = [f"/proc/self/fd/{fd}", *filter(None, [options.environ.get("LD_PRELOAD")])]
    return {**options.environ, "LD_PRELOAD": ":".join(names), "MFMESOS_PRELOADED": str(fd)}, (fd,)


def _run(session: Session, state_dir: Path, options: LaunchOptions) -> int:
    reasons = verdict.Reasons(state_dir)
    code = session.run()
    session.log.read()
    if code and not session.interrupts and not session.log.state.nodes:
        binaries.probe(session.binary, options.environ)  # says why, if it does not even start
    judged = verdict.judge(session.log.state, reasons.read())
    if session.interrupts:
        return _shell_code(code) or 1
    if session.spun:
        options.echo(
            f"makeflow was ended: {session.log.state.waiting} rules wait for what has failed, "
            "and it would wait for ever")
    for line in judged.lines:
        options.echo(line)
    if session.spun or session.failure:
        return 1
    if code < 0:
        options.echo(f"makeflow was {verdict.ending(code)}; the tasks were killed; start again to go on")
    return _shell_code(code) or (1 if judged.bad else 0)
