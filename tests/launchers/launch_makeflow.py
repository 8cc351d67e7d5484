"""`mfmesos makeflow` with the fake scheduler, as a process of its own: launch_makeflow.py ARGS..."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from mfmesos.launchers import makeflow
from mfmesos.settings.config import ConfigError, SchedulerConfig

FAKE = Path(__file__).with_name("fake_scheduler.py")


def main() -> int:
    options = makeflow.LaunchOptions(
        argv=sys.argv[1:], scheduler=SchedulerConfig(workdir="."),
        echo=lambda text: print(f"mfmesos: {text}", file=sys.stderr, flush=True),
        scheduler_command=[sys.executable, str(FAKE)])
    if os.environ.get("PRELOAD"):
        options.preload = Path(os.environ["PRELOAD"])
    if os.environ.get("NO_PRELOAD"):
        options.preload = None
    options.ignore_environment = bool(os.environ.get("IGNORE_ENVIRONMENT"))
    if os.environ.get("SYSTEM_PYTHON"):
        options.python = Path(os.environ["SYSTEM_PYTHON"])
    try:
        return makeflow.launch(options)
    except ConfigError as e:
        print(f"mfmesos: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
