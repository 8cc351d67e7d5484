"""Drives a scheduler through its files, as makeflow does."""
from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from programs import BenchError, running
from rows import Bench

from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared import own_programs

IDLE_S = 60.0


class Files:
    """Appends lines to mesos_task_info, and watches mesos_task_state."""

    def __init__(self, where: Path, scheduler_pid: int) -> None:
        self.where, self.pid = where, scheduler_pid
        self._info = os.open(where / "mesos_task_info", os.O_WRONLY | os.O_APPEND)
        self._state = os.open(where / "mesos_task_state", os.O_RDONLY)
        self._last = 0

    def submit(self, *commands: str) -> None:
        """One write. Each task reads in.txt and makes out.ID, which its command calls OUT."""
        lines = []
        for command in commands:
            self._last += 1
            text = command.replace("OUT", f"out.{self._last}")
            lines.append(f"{self._last},{text},{self.where}/in.txt,out.{self._last},1,64,64,submitted\n")
        _write_all(self._info, "".join(lines).encode())

    def withdraw_last(self) -> None:
        os.write(self._info, f"{self._last},,,,,,,aborting\n".encode())

    def wait_line(self, timeout_s: float = 120) -> str:
        """The next complete piece of mesos_task_state; polled almost without pause."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if data := os.read(self._state, 65536):
                return data.decode()
            time.sleep(0.0002)
        raise BenchError(f"no line in mesos_task_state within {timeout_s:g} s")

    def close(self) -> None:
        os.close(self._info)
        os.close(self._state)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data):]


@contextmanager
def scheduler(bench: Bench, master: str, max_running: int | None = None) -> Iterator[Files]:
    where = bench.new_folder()
    for name in ("mesos_task_info", "mesos_task_state"):
        (where / name).touch()
    (where / "in.txt").write_text("hello\n")
    config = SchedulerConfig(
        workdir=str(where), master=master, parent_pid=os.getpid(), max_running=max_running, claim_idle_s=IDLE_S,
        history=None)
    config.save(where / "config.json")
    argv = [*own_programs.command(own_programs.SCHEDULER), str(where / "config.json")]
    with running(argv, where, "scheduler.out") as process:
        files = Files(where, process.pid)
        try:
            yield files
        finally:
            files.close()
