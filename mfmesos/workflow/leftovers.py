"""What a dead run left in the workflow's folder, cleared away before makeflow could stumble over it; and the lock."""
from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from mfmesos import framework
from mfmesos.config import ConfigError

TASK_INFO = "mesos_task_info"
TASK_STATE = "mesos_task_state"
DONE = "mesos_done"
ENGINES = (b"makeflow", b"work_queue_factory")
FILES = (TASK_INFO, TASK_STATE, DONE)
JOURNAL = "journal.sqlite*"
"""In .mfmesos/, with what SQLite puts beside it."""
AWAIT_S = 45.0
AWAIT_STEP_S = 0.1


class FolderLock:
    """Held by the one run that works in a folder; the kernel lets go of it when its holder dies, however it dies."""

    def __init__(
        self, state_dir: Path, echo: Callable[[str], None], sleep: Callable[[float], None] = time.sleep,
        cure: str = "use another folder",
    ) -> None:
        self._path = state_dir / "lock"
        self._echo = echo
        self._sleep = sleep
        self._cure = cure
        self.fd = -1
        """The lock lasts until the last process that has inherited this descriptor ends."""

    def __enter__(self) -> FolderLock:
        """Raises ConfigError in one line when another run holds it."""
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._try():
            holder = os.pread(self.fd, 64, 0).decode(errors="replace").strip()
            alive = not holder.isdigit() or Path(f"/proc/{holder}").exists()
            if alive or not self._await_the_dead(holder):
                os.close(self.fd)
                raise ConfigError(
                    f"{self._path.parent.parent}: another mfmesos run (process {holder or 'unknown'}) works in this "
                    f"folder; wait for it, end it, or {self._cure}")
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: nothing to hold on to
        return True

    def _await_the_dead(self, holder: str) -> bool:
        """The launcher has died; the scheduler that it left is ending, and holds the lock until it has."""
        self._echo(f"waiting for the scheduler of a killed run (process {holder}) to end its tasks")
        for _ in range(int(AWAIT_S / AWAIT_STEP_S)):
            if self._try():
                return True
            self._sleep(AWAIT_STEP_S)
        return False

    def __exit__(self, *exc: object) -> None:
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


def plain_engine_in(workdir: Path, proc: Path = Path("/proc")) -> int | None:
    """The number of a process that runs -T mesos in this folder now, not started by us; of our own user."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            here = os.path.samefile(entry / "cwd", workdir)
        except OSError:
            continue
        if here and os.path.basename(words[0]) in ENGINES and any(b"mesos" in w for w in words[1:]):
            return int(entry.name)
    return None


def clear(workdir: Path) -> list[str]:
    """Delete what a dead run left of the three files; gives the names of those that were there."""
    there = []
    for name in FILES:
        try:
            (workdir / name).unlink()
            there.append(name)
        except FileNotFoundError:
            continue
    return there


def clear_older(workdir: Path, before: float) -> list[str]:
    """Delete those of the three files that nobody has written to since `before` (seconds since the epoch).

    For a scheduler that plain makeflow started: what is older than makeflow itself is a dead run's.
    """
    there = []
    for name in FILES:
        try:
            if (workdir / name).stat().st_mtime < before:
                (workdir / name).unlink()
                there.append(name)
        except FileNotFoundError:
            continue
    return there


def holds(state_dir: Path) -> bool:
    """Whether a run that has ended left its framework in Mesos, or its journal."""
    return (state_dir / framework.FILE).exists() or any(state_dir.glob(JOURNAL))


def create_state(workdir: Path) -> None:
    """An empty mesos_task_state: without one makeflow spins, deaf to signals."""
    os.close(os.open(workdir / TASK_STATE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
