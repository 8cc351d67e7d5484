"""Starts the measured programs, and ensures that none outlives the bench."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Timer
from typing import NamedTuple

MFMESOS = [sys.executable, "-m", "mfmesos"]
NOT_MEASURED = "PYTHONDONTWRITEBYTECODE"
"""Set in some containers: then every start of Python compiles all of its modules."""
LIMIT_S = 300.0
"""A program that takes longer is ended, and its row is not measured."""


class BenchError(Exception):
    """A program did not do what is measured; the text names the problem and the program's last output."""


class Took(NamedTuple):
    """What a program used, with the children that it has waited for."""

    seconds: float
    cpu_s: float


@contextlib.contextmanager
def running(argv: Sequence[str], cwd: Path, log: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in its own session that is ended, with all its children, at the end of the block. `more`: variables."""
    environ = {name: value for name, value in os.environ.items() if name != NOT_MEASURED}
    with open(cwd / log, "ab") as out:
        process = subprocess.Popen(
            argv, cwd=cwd, env={**environ, **more}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True)
    try:
        yield process
    finally:
        end(process)


@contextlib.contextmanager
def computing(count: int) -> Iterator[None]:
    """`count` processes that only compute."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(end, process)
        yield


def end(process: subprocess.Popen[bytes], within_s: float = 15) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def timed(argv: Sequence[str], cwd: Path, timeout_s: float = LIMIT_S, **more: str) -> Took:
    """Runs a program until it ends with exit code 0; BenchError otherwise."""
    log = "timed.log"
    started = time.monotonic()
    with running(argv, cwd, log, **more) as process:
        alarm = _end_after(process, timeout_s)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - started
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        late = f" (ended after {timeout_s:g} s)" if took >= timeout_s else ""
        raise BenchError(f"{' '.join(argv)[:200]} ended with {process.returncode}{late}; {last_line(cwd / log)}")
    return Took(took, usage.ru_utime + usage.ru_stime)


def _end_after(process: subprocess.Popen[bytes], seconds: float) -> Timer:
    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    alarm = Timer(seconds, kill)
    alarm.daemon = True
    alarm.start()
    return alarm


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n")
    return "its last line: " + next((line for line in reversed(lines) if line.strip()), "nothing")


def wait_for(path: Path, timeout_s: float = 20) -> str:
    """The content of a file as soon as it is not empty."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if text := path.read_text():
                return text
        time.sleep(0.005)
    raise BenchError(f"{path.name} did not appear within {timeout_s:g} s")
