"""One makeflow while it runs: its log is followed, and a makeflow that spins is ended."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.launchers.makeflow_log import LogFollower, NodeState
from mfmesos.launchers.session import Session
from mfmesos.shared import procfs

QUIET_S = 2.0
"""A makeflow that has nothing running and computes for this long without a line in its log spins."""
QUIET_FOR_A_RULE_S = 0.0005
"""Added for each rule: between two lines in its log makeflow goes through all of them."""
MANY = 2000
"""How many rules to assume while the log has not said how many."""
IDLE_SHARE = 0.1
"""A process that has computed for a smaller part of the time waits for something."""
READS_BYTES = 1_000_000
"""A makeflow that has read this much works: it takes digests of files for an archive. One that spins reads nothing."""


@dataclass(frozen=True)
class Effort:
    """What a process has done since its start."""

    cpu_s: float = 0.0
    read_bytes: int = 0


@dataclass
class MakeflowSession(Session):
    """Runs makeflow, and ends it when it spins: with rules that wait for what no running rule will make, makeflow with
    -T mesos computes for ever and never asks us again."""

    log: LogFollower = field(default_factory=lambda: LogFollower(Path(os.devnull)))
    look: Callable[[], None] = lambda: None
    """Called a few times a second while makeflow runs."""
    quiet_s: float = QUIET_S
    spun: bool = False
    """Whether makeflow had to be ended because it spun."""
    _quiet_since: float = 0.0
    _then: Effort = Effort()

    def _watch(self) -> int:
        self._quiet_since = self.clock()
        self.log.state.started = False  # what the log says of that is of an earlier run
        return super()._watch()

    def _watch_engine(self) -> None:
        self.look()
        now = self.clock()
        news = self.log.read()
        if news or self._ending or not self._may_spin():
            self._quiet_since, self._then = now, self._effort()
            return
        quiet = now - self._quiet_since
        if quiet < self.quiet_s + QUIET_FOR_A_RULE_S * (self.log.state.total or MANY):
            return
        effort = self._effort()
        if effort.cpu_s - self._then.cpu_s > IDLE_SHARE * quiet \
                and effort.read_bytes - self._then.read_bytes < READS_BYTES:
            self.spun = True
            self._end_engine()
        else:
            self._quiet_since, self._then = now, effort

    def _may_spin(self) -> bool:
        """It has read the workflow, rules are left or none was begun, and none runs."""
        state = self.log.state
        return state.started and not state.in_state(NodeState.RUNNING) and (state.waiting > 0 or not state.nodes)

    def _effort(self) -> Effort:
        assert self._engine is not None
        process = procfs.read(self._engine.pid)
        if process is None:
            return Effort()
        return Effort(process.cpu_s, procfs.bytes_read(process.pid) or 0)
