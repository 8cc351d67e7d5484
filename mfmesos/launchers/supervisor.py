"""Keeps a launcher's scheduler process alive, and ends it."""
from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.launchers.early import Early
from mfmesos.settings.config import END, STATE_DIR
from mfmesos.shared.messages import launchers as m
from mfmesos.store import leftovers

GAVE_UP = 1
"""The exit code of a scheduler whose restart would not help; see scheduler.daemon.main."""
RESTARTS = 5
WITHIN_S = 60.0
GRACE_S = 8.0
"""Seconds that makeflow may outlive a scheduler that ended in order."""
ENDINGS = 2
"""Maximum number of schedulers that are started only to end what a dead scheduler held."""


@dataclass
class Supervisor:
    """One scheduler process at a time, in a session of its own, so that a terminal's Ctrl-C does not reach it."""

    command: Sequence[str]
    cwd: str
    environ: Mapping[str, str]
    echo: Callable[[str], None]
    pass_fds: tuple[int, ...] = ()
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] | None = None
    serves_engine: bool = False
    """Whether an engine waits for the scheduler, so that a scheduler that ended in order is not replaced."""
    early: Early | None = None
    """A process that has started before, for the first scheduler."""
    killed: bool = False
    """Whether the launcher killed the scheduler."""
    _endings: int = 0
    _crashes: deque[float] = field(default_factory=deque)
    _restart_at: float | None = None
    _ended_at: float | None = None

    def start(self, *more: str) -> None:
        """Start the scheduler with `more` arguments. Raises OSError if the program cannot be started."""
        self._restart_at = self._ended_at = None
        command, early, self.early = [*self.command, *more], self.early, None
        if early is not None:
            self.process = early.take(command, self.cwd, self.environ, self.pass_fds)
            if self.process is not None:
                return
        self.process = subprocess.Popen(
            command, cwd=self.cwd, env=dict(self.environ), stdin=subprocess.DEVNULL, stdout=2,
            start_new_session=True, pass_fds=self.pass_fds, preexec_fn=unblock_signals)

    @property
    def ended_in_order(self) -> bool:
        """Whether the scheduler has ended the run by itself, without an error."""
        return self._restart_at is None and self.process is not None and self.process.poll() == 0

    def check(self) -> str | None:
        """Restart a scheduler that has died; returns the reason to give up, or None."""
        now = self.clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.start()
            return None
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return None
        if code in (0, GAVE_UP) and self._ended_at is None:
            # The scheduler saw mesos_done, or reported why it stops; the engine itself may take a moment to end.
            self._ended_at = now
        if self._ended_at is not None and now - self._ended_at < GRACE_S:
            return None
        if code == GAVE_UP:
            return m.SCHEDULER_GAVE_UP()
        if code == 0 and self.serves_engine:  # its state is lost: another scheduler would not answer for its tasks
            return m.SCHEDULER_ENDED()
        while self._crashes and now - self._crashes[0] > WITHIN_S:
            self._crashes.popleft()
        self._crashes.append(now)
        if len(self._crashes) > RESTARTS:
            return m.SCHEDULER_DIES(times=len(self._crashes), seconds=WITHIN_S, how=ending(code))
        pause = min(0.2 * 2 ** (len(self._crashes) - 1), 5.0)
        self._restart_at = now + pause
        self.echo(m.SCHEDULER_RESTARTS(how=ending(code), pause=pause))
        return None

    def end_again(self) -> bool:
        """Start another scheduler that only ends what the last one held in Mesos when it died; returns whether one was
        started.
        """
        code = self.process.poll() if self.process is not None else None
        if code is None or code in (0, GAVE_UP) or self.killed or self._endings == ENDINGS or not self.holds:
            return False
        self._endings += 1
        self.echo(m.SCHEDULER_ENDS_AGAIN(how=ending(code)))
        self.start(END)
        return True

    @property
    def holds(self) -> bool:
        """Whether a scheduler left a framework in Mesos, or its journal."""
        return leftovers.holds(Path(self.cwd) / STATE_DIR)

    def report_held(self) -> None:
        """Notify the user in one line if something is still held although all processes have ended."""
        if not self.alive and self.holds:
            self.echo(m.RESOURCES_HELD(folder=shlex.quote(self.cwd)))

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the scheduler and its children at once."""
        if self.process is not None and self.process.poll() is None:
            self.killed = True
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.process.kill()
            self.process.wait()


WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def unblock_signals() -> None:
    """Between fork and exec: unblock in the child the signals that the launcher blocks for itself."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*WATCHED, signal.SIGCHLD})


def ending(code: int) -> str:
    """Describe the end of a process."""
    if code >= 0:
        return m.PROCESS_EXIT_CODE(code=code)
    try:
        return m.KILLED_BY(signal=signal.Signals(-code).name)
    except ValueError:
        return m.KILLED_BY_NUMBER(signal=-code)
