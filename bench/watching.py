"""What the scheduler of a run does, seen from outside."""
from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from mfmesos.shared import own_programs

POLL_S = 0.1


@dataclass
class Read:
    most_mb: float = 0.0


@contextlib.contextmanager
def files_read_mb(where: Path) -> Iterator[Read]:
    """MB that the scheduler of the run in this folder reads from files until the end of the block: its own modules, and
    all that it hashes or sends. What it receives does not count."""
    read, over = Read(), threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            for process in _schedulers(where):
                with contextlib.suppress(psutil.Error):
                    read.most_mb = max(read.most_mb, process.io_counters().read_chars / 1e6)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield read
    finally:
        over.set()
        thread.join()


def _schedulers(where: Path) -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if own_programs.SCHEDULER in process.cmdline() and process.cwd() == str(where):
                yield process
