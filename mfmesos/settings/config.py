"""The settings of one scheduler, passed as a JSON file: makeflow starts the scheduler with an empty environment."""
from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mfmesos.shared.bounds import SETTINGS
from mfmesos.shared.messages import settings as m

DEFAULT_MASTER = "127.0.0.1:5050"
SECRET_VARIABLE = "MFMESOS_SECRET"
"""Environment variable with the principal's secret, used without a secret file. makeflow and tasks do not get it."""
STATE_DIR = ".mfmesos"
"""mfmesos's own folder in the workflow's folder: log, report, incoming outputs, kept output of failed tasks."""
PAGE_POINTER = "web.json"
"""In STATE_DIR: the link to the run's page."""

END = "--end"
"""Argument after the settings' name: the scheduler only ends what a crashed scheduler of the same launch held."""
PEER_TRANSFERS = "--peer-transfers"
"""Argument before the others of a linked scheduler."""


class ConfigError(ValueError):
    """An invalid setting. The text names the setting, its source and the cure."""


@dataclass
class SchedulerConfig:
    """Settings of one scheduler. Units: seconds, MB."""

    workdir: str
    master: str = DEFAULT_MASTER
    """"HOST:PORT", "H1:P1,H2:P2" or "zk://H1:P1,H2:P2/PATH"; "local" was resolved before."""
    embedded: bool = False
    """Whether the master is the embedded cluster of this run."""
    engine: str = "makeflow"
    """"makeflow" or "factory": the task file that they write; "pool"; the batch runner calls the scheduler directly."""
    launch: str = ""
    """The run's name: a scheduler started with the same name in the same folder resumes where the earlier one died."""
    workflow: str = ""
    """The name of the file that lists the tasks, for people; empty: none does."""
    parent_pid: int | None = None
    """Stop when this process is no longer the parent; None: do not watch."""
    engine_pid: int | None = None
    """The workflow engine to end when the parent dies first; None: another process ends the engine."""
    name: str = "mfmesos"
    """The framework's name on Mesos's web pages."""
    role: str = "*"
    user: str = ""
    principal: str | None = None
    secret_file: str | None = None
    """A file of mode 0600 with the principal's secret."""
    retries: int = 0
    """Retries of a task that failed by itself (makeflow has retries of its own)."""
    rewrite: bool = True
    """Whether absolute paths of a task's files are replaced in its command by their paths on the agent."""
    gpus: bool = False
    """Whether to accept agents with GPUs: Mesos offers them only to frameworks that ask for GPUs."""
    max_running: int | None = None
    max_cores: float | None = None
    max_memory_mb: float | None = None
    """Of all claims together, with their executors."""
    placement: str = "first"
    """NAME or NAME=VALUE of core/policies/registry.py."""
    placements: dict[str, str] = field(default_factory=dict)
    """The same, for tasks of some categories."""
    counters: dict[str, float] = field(default_factory=dict)
    """What the run has of licences and the like, by name."""
    category_resources: dict[str, list[Any]] = field(default_factory=dict)
    """By category: GPUs, their type, and other resources of its tasks (shared.resource_texts.Wanted)."""
    ordering: str = "fifo"
    planned_start: str = "easy"
    offers: str = "polite"
    """Names of the same."""
    arrival_rate: float | None = None
    """Tasks per second that may start for the first time."""
    claims: str = "shared"
    """"shared": one claim runs many tasks; "whole-agent": and has the part of the agent that goes with its cores;
    "per-task": each task has its own claim, container and limits.
    """
    claim_idle_s: float = 5.0
    claim_worklife_s: float = 3600.0
    unsatisfiable_s: float = 5.0
    """Seconds that a task too large for every agent waits for a larger agent before the task fails."""
    estimates: str = "fill"
    """"off"; "fill": estimate what a task did not request; "override": estimate requested resources, too."""
    retry_budget: float = 2.0
    """Acceptable number of attempts per 100 tasks that exhaust an estimate."""
    history: str | None = ""
    """The file that estimates learn from; empty: the user's own file; None: no file."""
    listen: str = ""
    """ADDRESS or ADDRESS:PORT of the staging server (with TLS the executor's archive is on the next port). Empty:
    loopback for a loopback master, otherwise the address on the route to the master; the kernel chooses the port.
    """
    ports: str = ""
    """"FIRST-LAST": the range of its port, where `listen` names none."""
    advertise: str = ""
    """HOST or HOST:PORT that executors connect to, if different from `listen`."""
    peer_transfers: bool = False
    """Whether executors fetch large inputs from each other, and listen for that."""
    executor_uri: str = ""
    """Where agents fetch the executor's archive, if not from the staging server."""
    keep_output: bool = True
    """Keep the stdout and stderr of tasks under .mfmesos/logs/ unless empty."""
    keep_failed_mb: float = 0.0
    """Keep the newest sandboxes of failed attempts under .mfmesos/failed/, up to this size each; 0: none."""
    ending: bool = False
    """Start nothing: only end what an earlier scheduler of the same launch left."""
    start_at_last_run: bool = False
    """The task file may hold leftovers of a crashed run: start at its last record with ID 1."""
    verbose: bool = False
    log_format: str = "text"
    """Of scheduler.log: "text" or "json"."""
    metrics_file: str = ""
    """Where metrics for Prometheus are written every few seconds; empty: nowhere."""
    web: str = ""
    """ADDRESS:PORT of the page that the command starts; empty: no page."""
    webui_url: str = ""
    """The page's address, without its token, for Mesos's pages."""
    event_log: bool = False
    """Whether to log what goes into the core and what comes out, for a replay (docs/extending.md)."""
    debug_log: str = ""
    """makeflow's own debug log, which holds the environment of each task; empty: no such log."""
    send_environment: bool = False
    """Every task gets makeflow's environment."""
    shared_fs: list[str] = field(default_factory=list)
    """Shared folders: absolute paths below which files are used in place on agents, and never staged."""
    own_files: list[str] = field(default_factory=list)
    """Names in the workflow's folder that no task may write: the task file, the engine's own log."""
    pool: dict[str, Any] | None = None
    """Settings of engine "pool" in the format of pool.json; "file" holds the path of pool.json."""

    @property
    def state_dir(self) -> Path:
        return Path(self.workdir) / STATE_DIR

    def save(self, path: Path) -> None:
        """Write as JSON, mode 0600."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as f:
            json.dump(asdict(self), f, indent=1)

    @classmethod
    def load(cls, path: Path) -> SchedulerConfig:
        """Read what `save` wrote; raises ConfigError naming the file."""
        try:
            data: dict[str, Any] = json.loads(path.read_text())
            known = {f.name for f in fields(cls)}
            made = cls(**{k: v for k, v in data.items() if k in known})
        except (OSError, ValueError, TypeError, AttributeError) as e:
            raise ConfigError(m.SETTINGS_UNREADABLE(path=path, why=e)) from None
        for name, bounds in SETTINGS.items():
            value = getattr(made, name)
            if value is not None and not bounds.holds(value):
                raise ConfigError(m.SETTINGS_OUT_OF_BOUNDS(
                    path=path, name=name, value=repr(str(value)[:40]), bounds=bounds))
        return made


def read_secret(path: str | None) -> str | None:
    """The principal's secret, from the file, otherwise from the environment. Refuses a file that other users can read.
    Raises ConfigError.
    """
    if path is None:
        return os.environ.get(SECRET_VARIABLE) or None
    try:
        if os.stat(path).st_mode & 0o077:
            raise ConfigError(m.SECRET_EXPOSED(path=path))
        return Path(path).read_text().strip()
    except OSError as e:
        raise ConfigError(m.SECRET_UNREADABLE(path=path, why=e.strerror)) from None
