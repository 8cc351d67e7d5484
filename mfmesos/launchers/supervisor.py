"""Keeps the scheduler process of a launcher alive, and ends it."""
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

from mfmesos.settings.config import END, STATE_DIR
from mfmesos.store import leftovers

GAVE_UP = 1
"""The exit code of a scheduler that another one would do no better than; see schedulerd.main."""
RESTARTS = 5
WITHIN_S = 60.0
GRACE_S = 8.0
"""How long makeflow may live on after its scheduler has ended in good order."""
ENDINGS = 2
"""Schedulers that are started only to end what one that died held, at most."""


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
    """Whether an engine waits for it, so that one that has ended in order is not to be followed by another."""
    killed: bool = False
    """By us, on purpose."""
    _endings: int = 0
    _crashes: deque[float] = field(default_factory=deque)
    _restart_at: float | None = None
    _ended_at: float | None = None

    def start(self, *more: str) -> None:
        """With `more` arguments. Raises OSError when the program cannot be started."""
        self._restart_at = self._ended_at = None
        self.process = subprocess.Popen(
            [*self.command, *more], cwd=self.cwd, env=dict(self.environ), stdin=subprocess.DEVNULL, stdout=2,
            start_new_session=True, pass_fds=self.pass_fds, preexec_fn=unblock_signals)

    def check(self) -> str | None:
        """Restart a scheduler that has died; why to give up, or None while there is hope."""
        now = self.clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.start()
            return None
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return None
        if code in (0, GAVE_UP) and self._ended_at is None:
            # It saw mesos_done, or said why it cannot go on; the engine itself may take a moment to end.
            self._ended_at = now
        if self._ended_at is not None and now - self._ended_at < GRACE_S:
            return None
        if code == GAVE_UP:
            return "the scheduler has given up, and the reason stands above"
        if code == 0 and self.serves_engine:  # what it knew of the tasks is gone: another one would not answer for them
            return "the scheduler was ended by a signal, and its tasks were killed"
        while self._crashes and now - self._crashes[0] > WITHIN_S:
            self._crashes.popleft()
        self._crashes.append(now)
        if len(self._crashes) > RESTARTS:
            return f"the scheduler has died {len(self._crashes)} times within {WITHIN_S:.0f} s ({ending(code)})"
        pause = min(0.2 * 2 ** (len(self._crashes) - 1), 5.0)
        self._restart_at = now + pause
        self.echo(
            f"the scheduler has ended ({ending(code)}); starting it again in {pause:g} s (see .mfmesos/scheduler.log)")
        return None

    def end_again(self) -> bool:
        """Whether another scheduler was started that only ends what the last one held in Mesos when it died."""
        code = self.process.poll() if self.process is not None else None
        if code is None or code in (0, GAVE_UP) or self.killed or self._endings == ENDINGS or not self.holds:
            return False
        self._endings += 1
        self.echo(f"the scheduler has ended ({ending(code)}) before it gave back its claims; starting another to do so")
        self.start(END)
        return True

    @property
    def holds(self) -> bool:
        """Whether a scheduler has left a framework in Mesos, or its journal."""
        return leftovers.holds(Path(self.cwd) / STATE_DIR)

    def say_held(self) -> None:
        """One line when that is so although all has ended."""
        if not self.alive and self.holds:
            self.echo(f"not everything was given back to Mesos: `mfmesos clean {shlex.quote(self.cwd)}` does that")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """It and what it has started, at once."""
        if self.process is not None and self.process.poll() is None:
            self.killed = True
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.process.kill()
            self.process.wait()


WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def unblock_signals() -> None:
    """Between fork and exec: what the launcher blocks for itself is not blocked in its children."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*WATCHED, signal.SIGCHLD})


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
