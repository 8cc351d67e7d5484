"""A running workflow engine (makeflow, work_queue_factory) with its scheduler: signals and crashes."""
from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mfmesos.launchers.supervisor import WATCHED, Supervisor, unblock_signals
from mfmesos.shared.messages import launchers as m
from mfmesos.store.leftovers import DONE

TICK_S = 0.2
STOP_S = 30.0
"""Seconds that a scheduler may take to kill tasks and tear down, after the engine has ended."""
REPEATS = 30
"""A signal is repeated that many times at most, where it is repeated at all."""
SI_KERNEL = 0x80
PR_SET_PDEATHSIG = 1


@dataclass
class Session:
    """Runs `program` to its end under `supervisor`'s scheduler. Times in seconds."""

    program: str
    """Its name, for argv[0] and for reports to the user."""
    binary: Path
    argv: Sequence[str]
    cwd: Path
    workdir: Path
    environ: Mapping[str, str]
    supervisor: Supervisor
    echo: Callable[[str], None]
    pass_fds: tuple[int, ...] = ()
    clock: Callable[[], float] = time.monotonic
    stop_s: float = STOP_S
    named: str = ""
    """Its argv[0], if different from its name."""
    jobs: str = "tasks"
    """The user's word for its tasks."""
    resumes: bool = False
    """Whether the same command continues where a stopped one ended."""
    hangup: signal.Signals = signal.SIGHUP
    """The signal for the engine after a SIGHUP to the launcher."""
    repeat_s: float | None = None
    """Signals are repeated after this pause, for an engine that misses those that come just before it sleeps."""
    failure: str | None = None
    """Why the run was given up, if the scheduler could not be kept alive."""
    interrupts: int = 0
    _engine: subprocess.Popen[bytes] | None = None
    _watched: set[signal.Signals] = field(default_factory=set)
    _caught: list[int] = field(default_factory=list)
    _ending: list[tuple[float, int]] = field(default_factory=list)

    def run(self) -> int:
        """The engine's return code from subprocess. Raises OSError if a program cannot be started."""
        before = {number: signal.getsignal(number) for number in WATCHED}
        # A blocked signal is delivered even if it is ignored (nohup): do not block ignored signals.
        self._watched = {number for number in WATCHED if before[number] is not signal.SIG_IGN}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*self._watched, signal.SIGCHLD})
        for number in self._watched:
            # blocked here and waited for below; a handler only matters if another thread has them unblocked
            signal.signal(number, self._catch)
        try:
            self.supervisor.start()
            try:
                self._start_engine()
                code = self._watch()
            finally:
                self._end_engine_now()
                self._end_scheduler()
            return code
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self._caught.append(number)

    def _start_engine(self) -> None:
        libc = ctypes.CDLL(None)

        def prepare() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            unblock_signals()

        self._engine = subprocess.Popen(
            [self.named or self.program, *self.argv], executable=str(self.binary), cwd=self.cwd, env=dict(self.environ),
            pass_fds=self.pass_fds, preexec_fn=prepare)

    # --- while the engine runs -------------------------------------------------------------------
    def _watch(self) -> int:
        assert self._engine is not None
        while True:
            self._take_signals(TICK_S)
            code = self._engine.poll()
            if code is not None:
                return code
            self._watch_scheduler()
            self._watch_engine()
            while self._ending and self.clock() >= self._ending[0][0]:
                self._engine.send_signal(self._ending.pop(0)[1])

    def _take_signals(self, timeout: float) -> None:
        """Wait for a signal (the end of a child is one) and forward signals to the engine."""
        info = signal.sigtimedwait({*self._watched, signal.SIGCHLD}, timeout)
        came = [(number, False) for number in self._caught]
        self._caught.clear()
        if info is not None and info.si_signo != signal.SIGCHLD:
            came.append((info.si_signo, info.si_code == SI_KERNEL))
        for number, from_terminal in came:
            self._obey(number, from_terminal)

    def _obey(self, number: int, from_terminal: bool) -> None:
        """Signals from a terminal reach the engine directly."""
        self.interrupts += 1
        if self.interrupts == 1:
            self.echo(m.STOPPING_ENGINE(program=self.program, jobs=self.jobs, again=self._again(number)))
            if self.resumes:
                self.echo(m.STOPPING_RESUMES())
            sent = self.hangup if number == signal.SIGHUP else number
            if not from_terminal or sent != number:
                self._to_engine(sent)
            if self.repeat_s is not None:
                self._ending = [(self.clock() + n * self.repeat_s, sent) for n in range(1, REPEATS + 1)]
        elif self.interrupts == 2:
            self.echo(m.STOPPING_JOBS(program=self.program, jobs=self.jobs))
            self._to_engine(signal.SIGKILL)
            self.supervisor.signal(signal.SIGTERM)
        else:
            self.echo(m.STOPPING_ALL(jobs=self.jobs))
            self._to_engine(signal.SIGKILL)
            self.supervisor.kill()

    @staticmethod
    def _again(number: int) -> str:
        return m.CTRL_C_AGAIN() if number == signal.SIGINT else m.SIGNAL_AGAIN(signal=signal.Signals(number).name)

    def _to_engine(self, number: int) -> None:
        if self._engine is not None and self._engine.poll() is None:
            self._engine.send_signal(number)

    def _end_engine(self) -> None:
        now = self.clock()
        self._ending = [(now, signal.SIGINT), (now + 8, signal.SIGTERM), (now + 12, signal.SIGKILL)]

    def _watch_scheduler(self) -> None:
        if self._ending or self.interrupts or (self.workdir / DONE).exists():
            return
        self.failure = self.supervisor.check()
        if self.failure:
            self.echo(m.GIVING_UP(why=self.failure, program=self.program))
            self._end_engine()

    def _watch_engine(self) -> None:
        """Other checks, a few times per second."""

    # --- after the engine -----------------------------------------------------------------------
    def _end_engine_now(self) -> None:
        if self._engine is not None and self._engine.poll() is None:
            self._engine.kill()
            self._engine.wait()

    def _end_scheduler(self) -> None:
        """End the scheduler in order: if it died, another scheduler only ends what it held, or the user is notified."""
        self._await_scheduler()
        while not self.failure and self.supervisor.end_again():
            self._await_scheduler(ends=True)
        self.supervisor.report_held()

    def _await_scheduler(self, ends: bool = False) -> None:
        """The scheduler ends by itself after the engine wrote mesos_done, or if it was started to end (`ends`);
        otherwise send SIGTERM. Bounded.
        """
        start = self.clock()
        asked = not ends and not (self.workdir / DONE).exists()
        if asked:
            self.supervisor.signal(signal.SIGTERM)
        next_line = start + 2.0
        while self.supervisor.alive:
            self._take_signals(0.05)
            now = self.clock()
            if now - start > self.stop_s / 2 and not asked:
                asked = True
                self.supervisor.signal(signal.SIGTERM)
            if now - start > self.stop_s:
                self.echo(m.STOPPING_LATE(seconds=self.stop_s))
                self.supervisor.kill()
            elif now > next_line:
                self.echo(m.STOPPING_PROGRESS(jobs=self.jobs, seconds=now - start))
                next_line = now + 5.0
