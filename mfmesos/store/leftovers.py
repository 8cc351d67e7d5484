"""Leftovers of a crashed run in the workflow's folder, removed before makeflow reads them; and the folder's lock.

The three files of the protocol belong to one engine at a time, which `.mfmesos/engine` names. The files of makeflow and
of work_queue_factory are useless after their engine has ended. The files of `mfmesos run` are its progress, or the
user's own task file: they are never deleted, and are moved aside while another engine uses the folder.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mfmesos.settings.config import STATE_DIR, ConfigError
from mfmesos.shared import atomic
from mfmesos.shared.engine_programs import PROGRAMS
from mfmesos.shared.messages import store as m
from mfmesos.shared.mtimes import coarse_ns
from mfmesos.shared.phrases import printable
from mfmesos.shared.plainerrors import reason
from mfmesos.store import framework
from mfmesos.store.plainfiles import check_state

TASK_INFO = "mesos_task_info"
TASK_STATE = "mesos_task_state"
DONE = "mesos_done"
FILES = (TASK_INFO, TASK_STATE, DONE)
JOURNAL = "journal.sqlite*"
"""In .mfmesos/, with SQLite's companion files."""
OWNER = "engine"
"""In .mfmesos/: names the engine that owns the three files."""
ASIDE = "aside"
"""In .mfmesos/: holds the three files of `mfmesos run` while another engine runs."""
OTHER = "mesos_task_info.other"
RUN = "batch"
"""The engine of `mfmesos run`, as SchedulerConfig names it."""
AWAIT_S = 45.0
AWAIT_STEP_S = 0.1
PATIENCE_S = 5.0
GIVE_UP_TIMES = 11
"""Wait PATIENCE_S for a lock, then report and wait again, this many times: a minute in total."""


class FolderLock:
    """Held by the one run in a folder; the kernel releases the lock when its holder dies, for whatever reason."""

    def __init__(
        self, state_dir: Path, echo: Callable[[str], None], sleep: Callable[[float], None] = time.sleep,
        cure: str = "", flock: Callable[[int, int], None] = fcntl.flock,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._flock = flock
        self._patience_s = patience_s
        self._path = state_dir / "lock"
        self._echo = echo
        self._sleep = sleep
        self._cure = cure or m.USE_ANOTHER_FOLDER()
        self.fd = -1
        """The lock lasts until the last process that inherited this descriptor ends."""

    def __enter__(self) -> FolderLock:
        """Raises ConfigError in one line if another run holds the lock, or if a pipe replaces a file of the folder."""
        check_state(self._path.parent)
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not self._try():
                self._await_holder()
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, f"{os.getpid()}\n{socket.gethostname()}\n".encode(), 0)
        except BaseException:
            os.close(self.fd)
            raise
        return self

    def _await_holder(self) -> None:
        """Another run holds the lock, perhaps on another machine. Raises ConfigError unless that run is about to
        end.
        """
        holder, _, host = os.pread(self.fd, 400, 0).decode(errors="replace").strip().partition("\n")
        elsewhere = host not in ("", socket.gethostname())
        alive = elsewhere or not holder.isdigit() or Path(f"/proc/{holder}").exists()
        if alive or not self._await_the_dead(holder):
            folder, shown = self._path.parent.parent, printable(holder) or "unknown"
            raise ConfigError(
                m.FOLDER_LOCKED_ELSEWHERE(folder=folder, holder=shown, host=printable(host), other=self._cure)
                if elsewhere else m.FOLDER_LOCKED(folder=folder, holder=shown, other=self._cure))

    def _try(self) -> bool:
        """Whether the lock was taken. A file server that does not answer is reported, and given up after a while."""
        tried: list[OSError | None] = []

        def lock() -> None:
            try:
                self._flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                tried.append(None)
            except OSError as e:
                tried.append(e)

        thread = threading.Thread(target=lock, name="lock", daemon=True)
        thread.start()
        thread.join(self._patience_s)
        if not tried:
            self._echo(m.LOCK_SLOW(path=self._path))
            thread.join(self._patience_s * GIVE_UP_TIMES)
        if not tried:
            raise ConfigError(m.LOCK_UNANSWERED(path=self._path, other=self._cure))
        (error,) = tried
        if isinstance(error, BlockingIOError):
            return False
        if error is not None:
            self._echo(m.LOCK_IMPOSSIBLE(path=self._path, why=reason(error)))
        return True

    def _await_the_dead(self, holder: str) -> bool:
        """The launcher has died; its scheduler is ending and holds the lock until then."""
        self._echo(m.AWAITING_SCHEDULER(process=holder))
        for _ in range(int(AWAIT_S / AWAIT_STEP_S)):
            if self._try():
                return True
            self._sleep(AWAIT_STEP_S)
        return False

    def __exit__(self, *exc: object) -> None:
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


def plain_engine_in(workdir: Path, proc: Path = Path("/proc")) -> int | None:
    """The pid of a `makeflow -T mesos` of this user in this folder that mfmesos did not start."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            here = os.path.samefile(entry / "cwd", workdir)
        except OSError:
            continue
        if here and os.path.basename(os.fsdecode(words[0])) in PROGRAMS and any(b"mesos" in w for w in words[1:]):
            return int(entry.name)
    return None


def owner(state_dir: Path) -> str:
    """The engine that owns the three files beside `state_dir`; empty if unknown."""
    with contextlib.suppress(OSError):
        noted = (state_dir / OWNER).read_text().strip()
        if noted:
            return noted
    # An older mfmesos recorded no owner, and only its `run` left the three files.
    known = framework.load(state_dir)
    return known.engine if known and known.engine else RUN if (state_dir / "report.jsonl").exists() else ""


def take_over(workdir: Path, engine: str) -> tuple[list[str], list[str]]:
    """Make `engine`, which is not RUN, the owner of the three files. Returns the names of deleted files of an ended
    engine, and of files of `mfmesos run`, which are aside until `give_back`.

    Raises ConfigError if a killed `mfmesos run` can still be resumed.
    """
    state_dir = workdir / STATE_DIR
    kept = []
    if owner(state_dir) == RUN:
        if holds(state_dir):
            raise ConfigError(m.RUN_RESUMABLE(folder=workdir))
        (state_dir / ASIDE).mkdir(exist_ok=True)
        kept = [name for name in FILES if (workdir / name).exists()]
        for name in kept:
            os.replace(workdir / name, state_dir / ASIDE / name)
    own(state_dir, engine)
    return clear(workdir), kept


def give_back(workdir: Path) -> None:
    """Move the files that `take_over` moved aside back, after the other engine has ended. A task file that exists in
    their place by now, from a killed engine or from the user, is moved aside as OTHER.
    """
    state_dir = workdir / STATE_DIR
    names = [name for name in FILES if (state_dir / ASIDE / name).exists()]
    if names:
        if TASK_INFO in names and (workdir / TASK_INFO).exists():
            os.replace(workdir / TASK_INFO, state_dir / ASIDE / OTHER)
        clear(workdir)
        own(state_dir, RUN)
        for name in names:
            os.replace(state_dir / ASIDE / name, workdir / name)


def recover(source: Path, echo: Callable[[str], None]) -> None:
    """Move the user's own mesos_task_info, aside since a makeflow was killed, back before `source` (that file or its
    folder) is read. Raises ConfigError if an engine runs there.
    """
    folder = source if source.is_dir() else source.parent
    meant = source.name == TASK_INFO or source == folder
    if not meant or not (folder / STATE_DIR / ASIDE / TASK_INFO).exists():
        return
    with FolderLock(folder / STATE_DIR, echo):
        other = (folder / TASK_INFO).exists()
        give_back(folder)
    path = folder / TASK_INFO
    echo(m.TASK_FILE_RESTORED_OTHER(path=path, other=folder / STATE_DIR / ASIDE / OTHER) if other
         else m.TASK_FILE_RESTORED(path=path))


def begin_run(workdir: Path) -> None:
    """The three files belong to `mfmesos run` from now on."""
    give_back(workdir)
    own(workdir / STATE_DIR, RUN)


def state_of_run(workdir: Path) -> Path:
    """The current path of the mesos_task_state of `mfmesos run`; it need not exist."""
    aside = workdir / STATE_DIR / ASIDE / TASK_STATE
    return workdir / TASK_STATE if owner(workdir / STATE_DIR) in (RUN, "") else aside


def own(state_dir: Path, engine: str) -> None:
    """Record `engine` as the owner of the three files: even on a full disk the file names one engine or the other."""
    atomic.write(state_dir / OWNER, f"{engine}\n")


def clear(workdir: Path) -> list[str]:
    """Delete the three files unless `mfmesos run` owns them; returns the names of deleted files."""
    deleted: list[str] = []
    if owner(workdir / STATE_DIR) == RUN:
        return deleted
    for name in FILES:
        try:
            (workdir / name).unlink()
            deleted.append(name)
        except FileNotFoundError:
            continue
    return deleted


def older(workdir: Path, before: float) -> list[str]:
    """Those of the three files that were not written since `before` (seconds since the epoch).

    For a scheduler that plain makeflow started: a file older than makeflow itself is from a crashed run. If times are
    whole seconds, files that could be makeflow's own are left out.
    """
    found = []
    for name in FILES:
        with contextlib.suppress(FileNotFoundError):
            mtime_ns = (workdir / name).stat().st_mtime_ns
            if (mtime_ns + coarse_ns(mtime_ns)) / 1e9 < before:
                found.append(name)
    return found


def holds(state_dir: Path) -> bool:
    """Whether an ended run left its framework in Mesos, or its journal."""
    return (state_dir / framework.FILE).exists() or any(state_dir.glob(JOURNAL))


def create_state(workdir: Path) -> None:
    """Create an empty mesos_task_state: without the file makeflow spins and ignores signals."""
    os.close(os.open(workdir / TASK_STATE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
