"""The event log of random worlds (Hypothesis): its replay gives the same actions, from each checkpoint on."""
from __future__ import annotations

import tempfile
from pathlib import Path

import test_core_model as model
import world
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant

from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.eventlog.logged_core import LoggedCore
from mfmesos.eventlog.replaying import replay
from mfmesos.eventlog.segments import segments

SHORT_BYTES = 20_000
"""Of a segment: a few dozen calls of the core."""


class LoggedMachine(model.CoreMachine):
    """The model-based test of the core, each of whose cores keeps a log."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mfmesos-eventlog-"))
        self.cores: list[LoggedCore] = []
        self._core_with, world.core_with = world.core_with, self.logged

    def logged(self, policy: Policy, *clusters: str) -> LoggedCore:
        if self.cores:
            self.cores[-1].close()
        self.cores.append(LoggedCore(
            policy, needs_for(policy), self.folder, SHORT_BYTES, kept=1000, clusters=clusters or ("",)))
        return self.cores[-1]

    @invariant()
    def somebody_reads(self) -> None:
        """Between two events, which must not change what is decided."""
        if self.cores:
            self.cores[-1].seconds_left()
            self.cores[-1].wakeup()

    def everything_ends(self) -> None:
        super().everything_ends()
        for core in self.cores[-1:]:
            core.close()
        for path in segments(self.folder):
            found = replay(path)
            assert found.difference is None, f"{path.name}: {found.difference}"

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            world.core_with = self._core_with


TestLoggedCore = LoggedMachine.TestCase
TestLoggedCore.settings = settings(
    max_examples=30, stateful_step_count=60, deadline=None, phases=model.PHASES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
