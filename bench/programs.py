"""Starts the measured programs, and ensures that none outlives the bench."""
from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

MFMESOS = [sys.executable, "-m", "mfmesos"]
NOT_MEASURED = "PYTHONDONTWRITEBYTECODE"
"""Set in some containers: then every start of Python compiles all of its modules."""


class BenchError(Exception):
    """A program did not do what is measured; the text names the problem and the program's last output."""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A new one, removed when the bench ends: what one case removes would slow down the next
    (docs/performance.md, Staging)."""
    path = tempfile.mkdtemp(prefix="mfmesos-bench-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    yield Path(path).resolve()


@contextlib.contextmanager
def running(argv: Sequence[str], cwd: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in its own session that is ended, with all its children, at the end of the block."""
    environ = {name: value for name, value in os.environ.items() if name != NOT_MEASURED}
    with open(cwd / log, "ab") as out:
        process = subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
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
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def timed(argv: Sequence[str], cwd: Path, timeout_s: float = 300) -> float:
    """Seconds until the program ended with exit code 0; BenchError otherwise."""
    log = "timed.log"
    started = time.monotonic()
    with running(argv, cwd, log) as process:
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{argv[0]} took more than {timeout_s:g} s; {last_line(cwd / log)}") from None
    took = time.monotonic() - started
    if code:
        raise BenchError(f"{' '.join(argv)} ended with {code}; {last_line(cwd / log)}")
    return took


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n")
    return "it said last: " + next((line for line in reversed(lines) if line.strip()), "nothing")


def wait_for(path: Path, timeout_s: float = 20) -> str:
    """The content of a file as soon as it is not empty."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if text := path.read_text():
                return text
        time.sleep(0.005)
    raise BenchError(f"{path.name} did not appear within {timeout_s:g} s")
