"""The launcher beside its engine, with an engine that is a script."""
from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from unittest.mock import Mock

from support import wait_until

from mfmesos.launchers.session import Session
from mfmesos.launchers.supervisor import Supervisor

ENGINE = """
import pathlib, signal, sys, time
came = []
signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
pathlib.Path("ready").touch()
while len(came) < 2:
    time.sleep(0.05)
sys.exit(7)
"""


def test_a_signal_that_is_missed_is_repeated(tmp_path: Path) -> None:
    """As by work_queue_factory, if the signal comes just before it sleeps: it would end half a minute later."""
    supervisor = Mock(spec=Supervisor, alive=False)
    supervisor.check.return_value = None
    supervisor.end_again.return_value = False
    session = Session(
        program="engine", binary=Path(sys.executable), argv=["-c", ENGINE], cwd=tmp_path, workdir=tmp_path,
        environ=dict(os.environ), supervisor=supervisor, echo=lambda text: None, repeat_s=0.1)

    def terminate() -> None:
        wait_until((tmp_path / "ready").exists, 20, "the engine")
        os.kill(os.getpid(), signal.SIGTERM)

    caller = threading.Thread(target=terminate)
    caller.start()
    assert session.run() == 7
    caller.join()
    assert session.interrupts == 1
