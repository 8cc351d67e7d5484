"""How our own programs are started: in processes that find modules in the standard library and the installation only
(see mfmesos/start.py)."""
from __future__ import annotations

import os
import sys

SCHEDULER = "mfmesos.scheduler"
CLUSTER = "mfmesos.local"
PAGE = "mfmesos.web"
START = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "start.py")


def command(program: str, interpreter: str = sys.executable) -> list[str]:
    """The command that starts SCHEDULER, CLUSTER or PAGE with that interpreter, without its own arguments."""
    # -I ignores PYTHONHOME, too, and an interpreter that needs PYTHONHOME does not start without it.
    isolated = ["-s"] if os.environ.get("PYTHONHOME") else ["-I"]
    encoding = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [interpreter, *isolated, *encoding, START, program]
