"""--web: the page of a run, as a process beside it for the time of one command."""
from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mfmesos.settings.config import PAGE_POINTER, ConfigError, SchedulerConfig
from mfmesos.shared import own_programs
from mfmesos.shared.messages import launchers as m
from mfmesos.shared.terminal import say

START_WITHIN_S = 30.0
END_WITHIN_S = 5.0


@contextmanager
def run_page(config: SchedulerConfig) -> Iterator[SchedulerConfig]:
    """The settings with the page's address; without --web as they are. Raises ConfigError if the page cannot start."""
    if not config.web:
        yield config
        return
    child = subprocess.Popen(
        [*own_programs.command(own_programs.PAGE), config.workdir, config.web, str(os.getpid())],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        found = _started(child)
        # Whoever reads a log must not get the token from it.
        say(m.PAGE_AT(link=found["link"]) if sys.stderr.isatty() else m.PAGE_AT_FILE(
            address=found["address"], file=os.path.relpath(config.state_dir / PAGE_POINTER)))
        yield replace(config, webui_url=found["address"])
    finally:
        child.terminate()
        try:
            child.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert child.stdout is not None
        child.stdout.close()


def _started(child: subprocess.Popen[bytes]) -> dict[str, str]:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], START_WITHIN_S)
    line = child.stdout.readline() if ready else b""
    found: dict[str, str] = json.loads(line) if line else {"error": m.PAGE_SILENT()}
    if "error" in found:
        raise ConfigError(m.PAGE_NOT_STARTED(why=found["error"]))
    return found
