"""The programs that write task files, by name and as processes: makeflow and work_queue_factory."""
from __future__ import annotations

import os
import signal

from mfmesos.shared import procfs

MAKEFLOW, FACTORY = "makeflow", "work_queue_factory"
PROGRAMS = (MAKEFLOW, FACTORY)
COMM_LENGTH = 15
"""The kernel cuts the name of a process to this many characters (proc(5), /proc/PID/comm)."""


def program_of(process_name: str) -> str:
    """The program whose process has that name; empty for any other."""
    return next((p for p in PROGRAMS if process_name.startswith(p[:COMM_LENGTH])), "")


def is_running(pid: int) -> bool:
    """Whether that process is one of the programs and has not ended."""
    return bool(program_of(procfs.name_of(pid)))


def end(pid: int) -> None:
    """Ask the program to end: without a scheduler it would wait for ever."""
    if is_running(pid):
        os.kill(pid, signal.SIGTERM)
