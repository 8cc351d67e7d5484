"""One makeflow and its scheduler while they run: signals, crashes, and a makeflow that spins."""
from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mfmesos.workflow.leftovers import DONE
from mfmesos.workflow.makeflow_log import LogFollower, NodeState
from mfmesos.workflow.supervisor import WATCHED, Supervisor, unblock_signals

TICK_S = 0.2
STOP_S = 30.0
"""How long a scheduler may take to kill tasks and tear down, after makeflow has ended."""
QUIET_S = 2.0
"""A makeflow that has failed rules, nothing running and computes for so long without a line in its log spins."""
SI_KERNEL = 0x80
PR_SET_PDEATHSIG = 1


@dataclass
class Session:
    """Runs makeflow to its end under `supervisor`'s scheduler. Times in seconds."""

    binary: Path
    argv: Sequence[str]
    cwd: Path
    workdir: Path
    environ: Mapping[str, str]
    log: LogFollower
    supervisor: Supervisor
    echo: Callable[[str], None]
    pass_fds: tuple[int, ...] = ()
    clock: Callable[[], float] = time.monotonic
    stop_s: float = STOP_S
    quiet_s: float = QUIET_S
    spun: bool = False
    """Whether makeflow had to be ended because it spun."""
    failure: str | None = None
    """Why the run was given up, when the scheduler could not be kept alive."""
    interrupts: int = 0
    _makeflow: subprocess.Popen[bytes] | None = None
    _watched: set[signal.Signals] = field(default_factory=set)
    _caught: list[int] = field(default_factory=list)
    _ending: list[tuple[float, signal.Signals]] = field(default_factory=list)
    _quiet_since: float = 0.0
    _cpu_then: float = 0.0

    def run(self) -> int:
        """Makeflow's return code as subprocess gives it. Raises OSError when a program cannot be started."""
        before = {number: signal.getsignal(number) for number in WATCHED}
        # What is blocked arrives even if it is to be ignored (nohup): leave that alone.
        self._watched = {number for number in WATCHED if before[number] is not signal.SIG_IGN}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*self._watched, signal.SIGCHLD})
        for number in self._watched:
            # blocked here and waited for below; a handler only matters where another thread has them unblocked
            signal.signal(number, self._catch)
        try:
            self.supervisor.start()
            try:
                self._start_makeflow()
                code = self._watch()
            finally:
                self._end_makeflow_now()
                self._end_scheduler()
            return code
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self._caught.append(number)

    def _start_makeflow(self) -> None:
        libc = ctypes.CDLL(None)

        def prepare() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            unblock_signals()

        self._makeflow = subprocess.Popen(
            ["makeflow", *self.argv], executable=str(self.binary), cwd=self.cwd, env=dict(self.environ),
            pass_fds=self.pass_fds, preexec_fn=prepare)

    # --- while makeflow runs --------------------------------------------------------------------
    def _watch(self) -> int:
        assert self._makeflow is not None
        self._quiet_since = self.clock()
        while True:
            self._take_signals(TICK_S)
            code = self._makeflow.poll()
            if code is not None:
                return code
            self._watch_scheduler()
            self._watch_spin()
            while self._ending and self.clock() >= self._ending[0][0]:
                self._makeflow.send_signal(self._ending.pop(0)[1])

    def _take_signals(self, timeout: float) -> None:
        """Wait for a signal (the end of a child is one) and pass on what is for makeflow."""
        info = signal.sigtimedwait({*self._watched, signal.SIGCHLD}, timeout)
        came = [(number, False) for number in self._caught]
        self._caught.clear()
        if info is not None and info.si_signo != signal.SIGCHLD:
            came.append((info.si_signo, info.si_code == SI_KERNEL))
        for number, from_terminal in came:
            self._obey(number, from_terminal)

    def _obey(self, number: int, from_terminal: bool) -> None:
        """What a terminal sends goes to makeflow, too, without us."""
        self.interrupts += 1
        if self.interrupts == 1:
            self.echo(f"stopping: makeflow ends (within 5 s), then its tasks; {self._again(number)} to hurry")
            if not from_terminal:
                self._to_makeflow(number)
        elif self.interrupts == 2:
            self.echo("stopping: makeflow is killed; killing its tasks on the agents")
            self._to_makeflow(signal.SIGKILL)
            self.supervisor.signal(signal.SIGTERM)
        else:
            self.echo("stopping: the scheduler is killed; Mesos ends its tasks when its failover time is over")
            self._to_makeflow(signal.SIGKILL)
            self.supervisor.kill()

    @staticmethod
    def _again(number: int) -> str:
        return "Ctrl-C again" if number == signal.SIGINT else f"{signal.Signals(number).name} again"

    def _to_makeflow(self, number: int) -> None:
        if self._makeflow is not None and self._makeflow.poll() is None:
            self._makeflow.send_signal(number)

    def _end_makeflow(self) -> None:
        now = self.clock()
        self._ending = [(now, signal.SIGINT), (now + 8, signal.SIGTERM), (now + 12, signal.SIGKILL)]

    def _watch_scheduler(self) -> None:
        if self._ending or self.interrupts or (self.workdir / DONE).exists():
            return
        self.failure = self.supervisor.check()
        if self.failure:
            self.echo(f"{self.failure}; giving up: ending makeflow")
            self._end_makeflow()

    def _watch_spin(self) -> None:
        """makeflow with rules that wait for one that has failed for good computes for ever, and never asks us again."""
        now = self.clock()
        news = self.log.read()
        state = self.log.state
        stuck = bool(state.in_state(NodeState.FAILED)) and not state.in_state(NodeState.RUNNING) and state.waiting > 0
        if news or not stuck or self._ending:
            self._quiet_since, self._cpu_then = now, self._cpu()
            return
        patience = self.quiet_s + 0.0005 * state.total
        if now - self._quiet_since < patience:
            return
        if self._cpu() - self._cpu_then > 0.1 * (now - self._quiet_since):
            self.spun = True
            self._end_makeflow()
        else:
            self._quiet_since, self._cpu_then = now, self._cpu()

    def _cpu(self) -> float:
        """Seconds of computing makeflow has done."""
        assert self._makeflow is not None
        try:
            text = Path(f"/proc/{self._makeflow.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # --- after makeflow -------------------------------------------------------------------------
    def _end_makeflow_now(self) -> None:
        if self._makeflow is not None and self._makeflow.poll() is None:
            self._makeflow.kill()
            self._makeflow.wait()

    def _end_scheduler(self) -> None:
        """It ends by itself when makeflow has written mesos_done; else it is told to. Bounded."""
        start = self.clock()
        told = not (self.workdir / DONE).exists()
        if told:
            self.supervisor.signal(signal.SIGTERM)
        next_line = start + 2.0
        while self.supervisor.alive:
            self._take_signals(0.05)
            now = self.clock()
            if now - start > self.stop_s / 2 and not told:
                told = True
                self.supervisor.signal(signal.SIGTERM)
            if now - start > self.stop_s:
                self.echo(f"stopping: the scheduler did not end within {self.stop_s:g} s and is killed")
                self.supervisor.kill()
            elif now > next_line:
                self.echo(f"stopping: tasks are being killed and claims given back ({now - start:.0f} s)")
                next_line = now + 5.0
