"""The launcher of a pool, with a scheduler that only plays dead."""
from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import wait_until

LAUNCHER = """
import sys
from mfmesos.launchers.pool_launcher import keep
from mfmesos.launchers.supervisor import Supervisor

folder, program, mode = sys.argv[1:]
sys.exit(keep(Supervisor([sys.executable, program, mode], folder, {}, lambda text: print(text, flush=True)), print))
"""
SCHEDULER = """
import os, signal, sys
from pathlib import Path

held = Path(".mfmesos/framework_id")
ending = "--end" in sys.argv
if not ending or sys.argv[1] == "dies always":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    held.touch()
    if not ending:
        signal.sigwait({signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGKILL)
held.unlink()
"""


@pytest.mark.parametrize(("mode", "code"), [("dies once", 0), ("dies always", 1)])
def test_a_scheduler_that_is_killed_while_it_ends(tmp_path: Path, mode: str, code: int) -> None:
    """Another one ends what it held; where none can, the user reads which command does."""
    held = tmp_path / ".mfmesos" / "framework_id"
    held.parent.mkdir()
    program = tmp_path / "scheduler.py"
    program.write_text(SCHEDULER)
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path), str(program), mode], stdout=subprocess.PIPE, text=True)
    wait_until(held.exists, what="the scheduler")
    launcher.send_signal(signal.SIGTERM)
    out, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == code, out
    assert "before it released its claims" in out
    assert held.exists() == bool(code)
    assert (f"`mfmesos clean {tmp_path}`" in out) == bool(code)
