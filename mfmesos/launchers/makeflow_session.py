"""One running makeflow: follows its log, and ends a makeflow that spins."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.launchers.session import Session
from mfmesos.shared import procfs
from mfmesos.store.makeflow_log import LogFollower, NodeState

QUIET_S = 2.0
"""A makeflow that runs no rule and computes for this long without a line in its log spins."""
QUIET_FOR_A_RULE_S = 0.0005
"""Added per rule: between two lines of its log makeflow visits all rules."""
MANY = 2000
"""Assumed number of rules until the log shows it."""
IDLE_SHARE = 0.1
"""A process that computed for a smaller share of the time waits for something."""
READS_BYTES = 1_000_000
"""A makeflow that has read this much works: it computes digests of files for an archive. A makeflow that spins reads
nothing.
"""


@dataclass(frozen=True)
class Effort:
    """CPU time and bytes read of a process since its start."""

    cpu_s: float = 0.0
    read_bytes: int = 0


@dataclass
class MakeflowSession(Session):
    """Runs makeflow, and ends it if it spins: if all remaining rules wait for files that no running rule makes,
    makeflow with -T mesos computes for ever and never contacts the scheduler again.
    """

    log: LogFollower = field(default_factory=lambda: LogFollower(Path(os.devnull)))
    look: Callable[[], None] = lambda: None
    """Called a few times per second while makeflow runs."""
    quiet_s: float = QUIET_S
    spun: bool = False
    """Whether makeflow was ended because it spun."""
    _quiet_since: float = 0.0
    _then: Effort = Effort()

    def _watch(self) -> int:
        self._quiet_since = self.clock()
        self.log.state.started = False  # this entry of the log is from an earlier run
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
        """makeflow has read the workflow, rules are left or none was started, and none runs."""
        state = self.log.state
        return state.started and not state.in_state(NodeState.RUNNING) and (state.waiting > 0 or not state.nodes)

    def _effort(self) -> Effort:
        assert self._engine is not None
        process = procfs.read(self._engine.pid)
        if process is None:
            return Effort()
        return Effort(process.cpu_s, procfs.bytes_read(process.pid) or 0)
