"""--detach: the command goes on in a process and a session of its own, so that a logout does not end it."""
from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Callable, NoReturn

import click

from mfmesos.cli.failing import fail
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import cli as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.terminal import line, say

DETACH = click.option(
    "--detach", is_flag=True,
    help="Return when the run has begun; it continues in the background, also after logout (see mfmesos attach).")
LOOK_S = 0.1
BEGIN_S = 60.0
"""A run that has not ended in this time runs, also if it cannot be asked."""


def detached(folder: Path, call: Callable[[], NoReturn]) -> NoReturn:
    """`call`, which ends the process, in a new process. This one ends when the run has begun, with 0, or when it has
    ended, with its exit code; it prints what the run has printed.
    """
    from mfmesos.store import detached_run

    folder = folder.resolve()
    state_dir = folder / STATE_DIR
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = detached_run.open_log(state_dir)
    except BlockingIOError:
        fail(m.DETACHED_ALREADY(folder=folder))
    except OSError as e:
        fail(m.DETACHED_NO_LOG(file=state_dir / detached_run.LOG, why=plain(e)))
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _run(state_dir, call)
    os.close(lock)
    code = _await_begin(state_dir, pid)
    with open(state_dir / detached_run.LOG, errors="replace") as log:
        for text in log:
            line(text.rstrip("\n"))
    if code is None:
        say(m.DETACHED(process=pid, folder=folder, log=state_dir / detached_run.LOG))
    sys.exit(code)


def _run(state_dir: Path, call: Callable[[], NoReturn]) -> NoReturn:
    from mfmesos.store import detached_run

    os.setsid()
    log = os.open(state_dir / detached_run.LOG, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    detached_run.begin(state_dir)
    code = 1
    try:
        call()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
        raise
    finally:
        detached_run.end(state_dir, code)


def _await_begin(state_dir: Path, pid: int) -> int | None:
    """None: it runs. Ctrl-C ends it."""
    until = time.monotonic() + BEGIN_S
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            if _has_begun(state_dir, pid) or time.monotonic() > until:
                return None
            time.sleep(LOOK_S)  # two events end the wait: the beginning and the end of the process
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGINT)


def _has_begun(state_dir: Path, pid: int) -> bool:
    """Whether the scheduler of that process has said where it runs."""
    from mfmesos.control.control_client import ControlClient, ControlError

    try:
        with ControlClient(state_dir) as client:
            status = client.ask("status")
    except ControlError:
        return False
    return bool(status.get("launcher") == pid and status.get("first"))
