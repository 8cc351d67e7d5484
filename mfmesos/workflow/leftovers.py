"""What a dead run left in the workflow's folder, cleared away before makeflow could stumble over it; and the lock."""
from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mfmesos.config import ConfigError

TASK_INFO = "mesos_task_info"
TASK_STATE = "mesos_task_state"
DONE = "mesos_done"
FILES = (TASK_INFO, TASK_STATE, DONE)


class FolderLock:
    """Held by the one run that works in a folder; the kernel lets go of it when its holder dies, however it dies."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "lock"
        self.fd = -1
        """The lock lasts until the last process that has inherited this descriptor ends."""

    def __enter__(self) -> FolderLock:
        """Raises ConfigError in one line when another run holds it."""
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self.fd, 64).decode(errors="replace").strip() or "unknown"
            os.close(self.fd)
            raise ConfigError(
                f"{self._path.parent.parent}: another mfmesos run (process {holder}) works in this folder; "
                "wait for it, end it, or use another folder") from None
        except OSError:
            pass  # a file system without locks: nothing to hold on to
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *exc: object) -> None:
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


def plain_makeflow_in(workdir: Path, proc: Path = Path("/proc")) -> int | None:
    """The number of a makeflow -T mesos process that works in this folder now, not started by us; of our own user."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            here = os.path.samefile(entry / "cwd", workdir)
        except OSError:
            continue
        if here and os.path.basename(words[0]) == b"makeflow" and any(b"mesos" in w for w in words[1:]):
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


def create_state(workdir: Path) -> None:
    """An empty mesos_task_state: without one makeflow spins, deaf to signals."""
    os.close(os.open(workdir / TASK_STATE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
