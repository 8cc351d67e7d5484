"""Starts, reaps and kills the processes of attempts: no process outlives its attempt.

The executor is a child subreaper: a process that loses its parent becomes the executor's child, so every process of
every attempt stays a descendant, whichever session it moves to.
"""
from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import subprocess
import threading
import time
from typing import Callable, Mapping

from mfmesos.shared import procfs
from mfmesos_executor import procs
from mfmesos_executor.environ import MARKER

logger = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_LONG_COMMAND = 100_000
"""Linux accepts at most 128 KiB in one argument."""


def become_subreaper() -> bool:
    """Whether the kernel supports it; Linux 3.4 or newer."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def is_subreaper() -> bool:
    try:
        import ctypes

        found = ctypes.c_int(0)
        done = ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0)
        return bool(done == 0 and found.value)
    except (ImportError, OSError, AttributeError):
        return False


class Leader:
    """The first process of an attempt, its /bin/sh, and the recorded usage of its descendants."""

    def __init__(self, pid: int, attempt: str, on_exit: Callable[[], None]) -> None:
        self.pid = pid
        self.attempt = attempt
        self.on_exit = on_exit
        self.status: int | None = None
        self.ended_at = 0.0
        self.cpu_s = 0.0
        self.peak_bytes = 0
        """The largest usage of one of its processes, if the kernel's number is of that process alone."""
        self.at_most_bytes = 0
        """An upper bound of the usage of a process that was too short to be measured."""
        self.mapped_bytes = 0
        """The largest recorded amount of mapped files in one of its processes, which the kernel's peaks include."""
        self.seen: set[int] = set()
        """Descendants found so far, to recognise them without their parents."""


class Reaper:
    """One thread waits for every child. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._leaders: dict[int, Leader] = {}
        self._helpers: set[int] = set()
        """Programs that the executor runs for itself."""
        self._born = threading.Event()
        self._adopts = is_subreaper()
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        threading.Thread(target=self._work, name="reaper", daemon=True).start()

    def spawn(self, attempt: str, command: str, cwd: str, env: Mapping[str, str], stdout: str, stderr: str,
              script: str, on_exit: Callable[[], None]) -> Leader:
        """Start `/bin/sh -c command` in its own session; `on_exit` is called on the reaper's thread.

        A command that is too long for an argument is written to `script`. Raises OSError.
        """
        argv = ["/bin/sh", "-c", command]
        if len(command) > _LONG_COMMAND // 4 and len(os.fsencode(command)) > _LONG_COMMAND:
            with open(script, "wb") as f:
                f.write(os.fsencode(command))
            argv = ["/bin/sh", script]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        out = os.open(stdout, flags, 0o644)
        try:
            err = os.open(stderr, flags, 0o644)
            try:
                with self._lock:
                    # Every descriptor is close-on-exec (see main), so none must be closed here.
                    process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=self._null, stdout=out, stderr=err,
                                               close_fds=False, start_new_session=True)
                    process.returncode = 0  # the reaper waits for it, not subprocess
                    leader = self._leaders[process.pid] = Leader(process.pid, attempt, on_exit)
            finally:
                os.close(err)
        finally:
            os.close(out)
        self._born.set()
        return leader

    def output_of(self, argv: list[str], timeout_s: float) -> str:
        """What a program prints to stdout that belongs to no attempt; how it ends is unknown. Raises OSError or
        subprocess.TimeoutExpired.
        """
        with self._lock:
            process = subprocess.Popen(argv, stdin=self._null, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       close_fds=False, start_new_session=True)
            self._helpers.add(process.pid)
        self._born.set()
        try:
            return os.fsdecode(process.communicate(timeout=timeout_s)[0])
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._helpers.discard(process.pid)

    def forget(self, leader: Leader) -> None:
        """The attempt has ended and its processes are gone."""
        with self._lock:
            self._leaders.pop(leader.pid, None)

    # --- reaping ---
    def _work(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                self._born.wait(10.0)
                self._born.clear()
                continue
            if found is not None:
                self._reap(found.si_pid)

    def _reap(self, pid: int) -> None:
        with self._lock:
            leader = self._leaders.get(pid)
            owner = leader if leader is not None else self._owner(pid)
            try:
                _, status, usage = os.wait4(pid, 0)
            except ChildProcessError:
                return
        if owner is not None:
            owner.cpu_s += usage.ru_utime + usage.ru_stime
            peak = max(usage.ru_maxrss * 1024 - owner.mapped_bytes, 0)
            if leader is not None:
                # Each page that it touched was a fault.
                leader.at_most_bytes = min(peak, (usage.ru_minflt + usage.ru_majflt) * procfs.PAGE)
            # A process inherits this process's peak between fork and exec: up to that value it means nothing.
            if leader is None or usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
                owner.peak_bytes = max(owner.peak_bytes, peak)
        if leader is not None:
            leader.status = status
            leader.ended_at = self._clock()
            leader.on_exit()

    def _owner(self, pid: int) -> Leader | None:
        process = procfs.read(pid)
        if process is not None and process.session in self._leaders:
            return self._leaders[process.session]
        return next((x for x in self._leaders.values() if pid in x.seen), None)

    # --- tables of processes ---
    def leaders(self) -> list[Leader]:
        with self._lock:
            return list(self._leaders.values())

    def table(self) -> procfs.Table:
        """All processes that may belong to an attempt, found cheaply: for measuring, where missing a new process does
        no harm.
        """
        return procs.descendants(os.getpid()) if self._adopts else procs.table()

    def processes(self, processes: procfs.Table, leader: Leader) -> set[int]:
        """Every process of an attempt, in whichever session."""
        # After it was reaped, another process may have its pid.
        roots = [leader.pid] if leader.status is None else []
        roots += processes.session(leader.pid)
        adopted = processes.children(os.getpid())
        with self._lock:
            lost = [pid for pid in adopted if pid not in self._leaders and processes[pid].session not in self._leaders]
        roots += (pid for pid in lost if self._is_of(pid, leader))
        found = processes.tree(roots)
        leader.seen |= found
        return found

    def _is_of(self, pid: int, leader: Leader) -> bool:
        name = procfs.variable(pid, MARKER)
        return name == leader.attempt if name is not None else pid in leader.seen

    # --- killing ---
    def signal_group(self, leader: Leader, number: int) -> bool:
        """Whether the group had any process."""
        try:
            os.killpg(leader.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def kill(self, leader: Leader) -> int:
        """SIGKILL to every process of the attempt; returns how many were still alive."""
        if leader.status is None:
            self.signal_group(leader, signal.SIGKILL)
        table = procs.table()
        alive = [pid for pid in self.processes(table, leader) if table[pid].state not in "ZX"]
        _signal(alive, signal.SIGKILL)
        return len(alive)

    def is_clear(self, leader: Leader) -> bool:
        """Whether nothing can be left of the attempt: its group is empty, and the executor has adopted no process."""
        return not self.signal_group(leader, 0) and not self._orphans()

    def clear(self, leader: Leader, until: float) -> bool:
        """After the leader's end: kill its leftover processes; returns whether all are gone. Until `until` a group may
        end by itself.
        """
        pause = 0.001
        give_up = self._clock() + 10.0
        asked = False
        while self._anybody(leader):
            now = self._clock()
            if now > give_up + max(0.0, until - now):
                logger.warning("attempt=%s some processes cannot be killed", leader.attempt)
                return False
            if now >= until:
                self.signal_group(leader, signal.SIGKILL)
                self.kill(leader)
            elif not asked:
                # Processes in other sessions got no signal yet.
                asked = True
                table = procs.table()
                far = [pid for pid in self.processes(table, leader) if table[pid].group != leader.pid]
                _signal(far, signal.SIGTERM)
            time.sleep(pause)  # some have another parent, which alone learns of their end
            pause = min(pause * 2, 0.05)
        return True

    def _anybody(self, leader: Leader) -> bool:
        if self.signal_group(leader, 0):
            return True
        orphans = self._orphans()
        if not orphans:
            return False
        table = procs.table()
        if any(table[pid].state not in "ZX" for pid in self.processes(table, leader)):
            return True
        if len(self.leaders()) > 1:
            return False
        # Only attempts can have started them.
        alive = [pid for pid in table.tree(orphans) if table[pid].state not in "ZX"]
        _signal(alive, signal.SIGKILL)
        return bool(alive)

    def _orphans(self) -> list[int]:
        """Children of this process that lead no attempt."""
        with self._lock:
            found = procs.adopted()
            if found is None:
                me = os.getpid()
                found = [p.pid for p in procs.table().values() if p.ppid == me]
            return [pid for pid in found if pid not in self._leaders and pid not in self._helpers]

    def kill_all(self, timeout_s: float = 5.0) -> None:
        """At the end of the claim: kill every descendant."""
        until = self._clock() + timeout_s
        while True:
            table = procs.table()
            alive = [p for p in table.tree([os.getpid()]) - {os.getpid()} if table[p].state not in "ZX"]
            if not alive or self._clock() > until:
                return
            _signal(alive, signal.SIGKILL)
            time.sleep(0.01)  # killed processes take a moment to disappear


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
