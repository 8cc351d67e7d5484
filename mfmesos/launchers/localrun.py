"""`--master local`: runs the embedded cluster as a child process for the time of one command."""
from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mfmesos.launchers.run_page import run_page
from mfmesos.mesos.masters import parse_masters
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.shared import own_programs
from mfmesos.shared.messages import launchers as m

START_WITHIN_S = 30.0
PRINCIPAL = "mfmesos"


@contextmanager
def local_cluster(config: SchedulerConfig, agents: int = 1) -> Iterator[SchedulerConfig]:
    """The settings with an existing master: `local` is started and ended around the block; other masters are returned
    unchanged. So is the page of the run, with --web.

    Raises ConfigError if one of them does not start, or for an invalid master address.
    """
    with run_page(config) as shown, _cluster(shown, agents) as resolved:
        yield resolved


@contextmanager
def _cluster(config: SchedulerConfig, agents: int) -> Iterator[SchedulerConfig]:
    if config.master != "local":
        check_master(config.master)
        yield config
        return
    home = Path(tempfile.mkdtemp(prefix="mfmesos-local-"))
    ready, secret, credential = home / "ready", home / "secret", home / "credential"
    word = secrets.token_urlsafe(24)
    for file, text in ((secret, word), (credential, f"{PRINCIPAL}:{word}")):
        file.touch(mode=0o600)
        file.write_text(text)
    with open(home / "log", "w+", encoding="utf-8") as log:
        child = subprocess.Popen(
            [*own_programs.command(own_programs.CLUSTER), "--agents", str(agents), "--work-dir", str(home / "agents"),
             "--ready-file", str(ready), "--secret-file", str(credential), "--parent-pid", str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            master = _wait_ready(child, ready, log.name)
            yield replace(config, master=master, embedded=True, principal=PRINCIPAL, secret_file=str(secret))
        finally:
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            shutil.rmtree(home, ignore_errors=True)


def check_master(master: str) -> None:
    """Raises ConfigError, in one line, for an invalid master address."""
    try:
        parse_masters(master)
    except ValueError as e:
        raise ConfigError(str(e)) from None


def _wait_ready(child: subprocess.Popen[bytes], ready: Path, log: str) -> str:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            text = ready.read_text().strip()
        except OSError:
            text = ""
        if text:
            return str(json.loads(text)["master"])
        if child.poll() is not None or time.monotonic() > deadline:
            last = Path(log).read_text().strip().splitlines()[-1:] or [m.CLUSTER_SILENT()]
            raise ConfigError(m.CLUSTER_NOT_STARTED(why=last[0]))
        time.sleep(0.01)  # the file or the end of the process, whichever comes first
