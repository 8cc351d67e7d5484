"""One makeflow while it runs: its log is followed, and a makeflow that spins is ended."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.workflow.makeflow_log import LogFollower, NodeState
from mfmesos.workflow.session import Session

QUIET_S = 2.0
"""A makeflow that has failed rules, nothing running and computes for so long without a line in its log spins."""


@dataclass
class MakeflowSession(Session):
    """Runs makeflow, and ends it when it spins."""

    log: LogFollower = field(default_factory=lambda: LogFollower(Path(os.devnull)))
    quiet_s: float = QUIET_S
    spun: bool = False
    """Whether makeflow had to be ended because it spun."""
    _quiet_since: float = 0.0
    _cpu_then: float = 0.0

    def _watch(self) -> int:
        self._quiet_since = self.clock()
        return super()._watch()

    def _watch_engine(self) -> None:
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
            self._end_engine()
        else:
            self._quiet_since, self._cpu_then = now, self._cpu()

    def _cpu(self) -> float:
        """Seconds of computing makeflow has done."""
        assert self._engine is not None
        try:
            text = Path(f"/proc/{self._engine.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
