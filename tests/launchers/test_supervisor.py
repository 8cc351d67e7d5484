"""The supervisor of a launcher's scheduler, with programs in its place and a clock of the test."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mfmesos.launchers.supervisor import GRACE_S, Supervisor


@pytest.mark.parametrize("serves_engine", [True, False])
def test_a_scheduler_that_a_signal_has_ended_in_order(tmp_path: Path, serves_engine: bool) -> None:
    """What it knew of makeflow's tasks is gone, and makeflow would wait for ever: given up once makeflow has had time
    to end by itself. A pool's scheduler is followed by another."""
    now, said = [0.0], list[str]()
    supervisor = Supervisor(
        [sys.executable, "-c", ""], str(tmp_path), {}, said.append, clock=lambda: now[0], serves_engine=serves_engine)
    supervisor.start()
    assert supervisor.process is not None
    supervisor.process.wait()
    assert supervisor.check() is None
    now[0] = GRACE_S + 1
    why = supervisor.check()
    assert ("ended by a signal" in str(why)) == serves_engine
    assert ("starting it again" in "".join(said)) == (not serves_engine)
