"""`mfmesos makeflow`: the real makeflow with -T mesos; exit code 0 only if every rule succeeded."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mfmesos.launchers import (
    binaries,
    launching,
    makeflow_args,
    makeflow_environment,
    makeflow_mending,
    stuck,
)
from mfmesos.launchers import (
    makeflow_verdict as verdict,
)
from mfmesos.launchers.launching import LaunchOptions, shell_code
from mfmesos.launchers.makeflow_session import MakeflowSession
from mfmesos.launchers.makeflow_verdict import Verdict
from mfmesos.settings.config import STATE_DIR, ConfigError
from mfmesos.settings.folders import shared_folders
from mfmesos.shared.messages import rules as m
from mfmesos.shared.messages import runs
from mfmesos.shared.phrases import counted
from mfmesos.store import makeflow_log
from mfmesos.store.plainfiles import oddity

__all__ = ["LaunchOptions", "launch"]


def launch(options: LaunchOptions) -> int:
    """Run makeflow to its end; returns the exit code for the shell.

    Raises ConfigError, in one line with the cure, if makeflow cannot be started.
    """
    args = makeflow_args.parse(options.argv, options.environ)
    binary = options.binary or binaries.find_makeflow(options.environ)
    if args.starts_nothing:
        return shell_code(subprocess.call([str(binary), *args.argv], env=dict(options.environ)))
    launching.ready(binary, options)
    launching.say_dropped(args.dropped, "makeflow", options.echo)
    cwd = Path.cwd()
    workdir = args.workdir(cwd)
    if not workdir.is_dir():
        raise ConfigError(m.NO_WORKFLOW_FOLDER(folder=workdir))
    if not (cwd / args.dagfile).exists():
        raise ConfigError(m.NO_WORKFLOW(file=args.dagfile))
    _refuse_odd(cwd / args.dagfile, args.log_path(cwd))
    with launching.folder(workdir, "makeflow", options.echo) as lock:
        _mend(args.log_path(cwd), options.echo)
        copy = binaries.private_copy(binary, workdir / STATE_DIR, options.environ)
        with makeflow_environment.logged(args, copy, workdir / STATE_DIR, options) as debug:
            _share(options, args, copy)
            session = _session(options, args, debug, copy, workdir, lock.fd)
            session.named = str(binary.absolute())  # makeflow runs rules that are workflows by this name
            try:
                return _run(session, workdir, options, debug.fatal, lambda judged: stuck.reason(
                    args, stuck.read_rules(binary, args, options.environ, cwd), workdir, judged))
            finally:
                for fd in session.pass_fds:
                    os.close(fd)


def _share(options: LaunchOptions, args: makeflow_args.MakeflowArgs, binary: Path) -> None:
    """makeflow leaves absolute names in shared folders out of its records if it knows of the folders."""
    given = options.scheduler.shared_fs
    if not given:
        return
    known = subprocess.run([str(binary), "--help"], env=dict(options.environ), capture_output=True, check=False)
    if b"--shared-fs" in known.stdout + known.stderr:
        args.argv = [*(word for folder in given for word in ("--shared-fs", folder)), *args.argv]


def _refuse_odd(workflow: Path, log: Path) -> None:
    odd = oddity(workflow)
    if odd:
        raise ConfigError(m.WORKFLOW_ODD(path=workflow, odd=odd))
    odd = oddity(log)
    if odd:
        raise ConfigError(m.LOG_ODD(path=log, odd=odd))


def _mend(log: Path, echo: Callable[[str], None]) -> None:
    mending = makeflow_mending.mend(log, time.time_ns() // 1000)
    if mending.nodes and mending.backup is None:
        kind = {"batch": "local"}.get(mending.kind, mending.kind)
        raise ConfigError(m.RULES_OF_OTHER_TYPE(log=log, rules=counted(len(mending.nodes), "rule"), kind=kind))
    rules = counted(len(mending.nodes), "rule")
    if mending.nodes and mending.cut:
        echo(m.RULES_AND_LINE(log=log.name, rules=rules, copy=mending.backup))
    elif mending.nodes:
        echo(m.RULES_RUN_AGAIN(log=log.name, rules=rules, copy=mending.backup))
    elif mending.cut:
        echo(m.LOG_LINE_CUT(log=log.name, copy=mending.backup))


def _session(
    options: LaunchOptions, args: makeflow_args.MakeflowArgs, debug: makeflow_environment.Logged, copy: Path,
    workdir: Path, lock_fd: int,
) -> MakeflowSession:
    config = replace(
        options.scheduler, workdir=str(workdir), engine="makeflow", workflow=Path(args.dagfile).name,
        master=args.master or options.scheduler.master, debug_log=debug.path,
        send_environment="send-environment" in args.options,
        own_files=args.own_files(Path.cwd()),
        shared_fs=shared_folders([*options.scheduler.shared_fs, *args.shared_fs]))
    supervisor = launching.supervisor(options, config, lock_fd)
    environ, pass_fds = launching.preloaded(options, copy)
    log = makeflow_log.LogFollower(args.log_path(Path.cwd()))
    log.read()
    makeflow_log.remember(workdir / STATE_DIR, log.path)
    return MakeflowSession(
        program="makeflow", binary=copy, argv=[*debug.argv, *args.argv], cwd=Path.cwd(), workdir=workdir,
        environ=environ, log=log, supervisor=supervisor, echo=options.echo, pass_fds=pass_fds, look=debug.look,
        resumes=True)


def _run(
    session: MakeflowSession, workdir: Path, options: LaunchOptions, fatal: Callable[[], str],
    why_stuck: Callable[[Verdict], str],
) -> int:
    reasons = verdict.Reasons(workdir / STATE_DIR)
    before = session.log.state.submitted
    code = session.run()
    session.log.read()
    ran = session.log.state.submitted != before
    if code and not (session.interrupts or session.failure or session.spun) and (code < 0 or not ran):
        return _ended_early(code, session, options, fatal(), ran)
    judged = verdict.judge(session.log.state, reasons.read())
    if session.interrupts:
        return shell_code(code) or 1
    why = ""
    if session.spun:
        why = why_stuck(judged) or m.SPUN_UNEXPLAINED()
        options.echo(m.MAKEFLOW_SPUN(why=why))
    elif not code and not judged.failed and (judged.rest or not session.log.state.nodes):
        why = why_stuck(judged)  # makeflow up to 7.3 ends by itself, as if it had succeeded
        if why:
            options.echo(why)
    for line in judged.lines:
        options.echo(line)
    if judged.failed:
        options.echo(runs.RUN_CONTINUES())
    if why or session.failure:
        return 1
    return shell_code(code) or (1 if judged.bad else 0)


def _ended_early(code: int, session: MakeflowSession, options: LaunchOptions, fatal: str, ran: bool) -> int:
    """makeflow ended by a signal (from itself after a fatal error, or from outside), or before it ran a rule."""
    what = m.TASKS_KILLED() if ran else m.NOTHING_RAN()
    if fatal:
        options.echo(m.GAVE_UP(why=fatal, what=what))
        return 1
    if not ran:
        binaries.probe(session.binary, options.environ)  # reports why, if the program does not start
    if ran or code not in (1, -signal.SIGTERM):
        how = verdict.ending(code)
        options.echo(m.MAKEFLOW_KILLED(how=how, what=what) if code < 0 else m.MAKEFLOW_ENDED(how=how, what=what))
        return shell_code(code)
    options.echo(m.GAVE_UP_ABOVE())
    return 1
