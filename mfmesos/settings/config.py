"""How one scheduler is told what to do: a JSON file, since makeflow starts it with an empty environment."""
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
"""Of the environment: the principal's secret where no file is named. Not passed on to makeflow or to tasks."""
STATE_DIR = ".mfmesos"
"""Our own folder inside the workflow's folder: log, report, incoming outputs, kept output of failed tasks."""

END = "--end"
"""Behind the settings' name: a scheduler that takes up what a dead one of the same launch held, and only ends that."""


class ConfigError(ValueError):
    """A setting that cannot be; the text names it, where it stands, and the cure."""


@dataclass
class SchedulerConfig:
    """Settings of one scheduler. Units: seconds, MB."""

    workdir: str
    master: str = DEFAULT_MASTER
    """"HOST:PORT", "H1:P1,H2:P2" or "zk://H1:P1,H2:P2/PATH"; "local" is resolved before it gets here."""
    engine: str = "makeflow"
    """"makeflow" or "factory": files as they write them; "pool"; the batch runner calls the scheduler directly."""
    launch: str = ""
    """Names the run: a scheduler that is started with the same name in the same folder goes on where it died."""
    parent_pid: int | None = None
    """Stop when this process is not our parent any more; None: do not watch."""
    engine_pid: int | None = None
    """The workflow engine that is to be ended when our parent dies before it; None: that is somebody else's affair."""
    name: str = "mfmesos"
    """The framework's name in Mesos's own pages."""
    role: str = "*"
    user: str = ""
    principal: str | None = None
    secret_file: str | None = None
    """A file of mode 0600 with the principal's secret."""
    retries: int = 0
    """How often a task that failed by its own doing is tried again (makeflow has retries of its own)."""
    rewrite: bool = True
    """Whether a task's command finds the absolute paths of its files replaced by where these lie on the agent."""
    gpus: bool = False
    """Whether agents with GPUs are wanted: Mesos keeps them from those who do not say so."""
    max_running: int | None = None
    claims: str = "shared"
    """"shared": one claim runs many tasks; "per-task": each task has a claim, container and limits of its own."""
    claim_idle_s: float = 5.0
    claim_worklife_s: float = 3600.0
    unsatisfiable_s: float = 5.0
    """How long a task that no agent could ever hold waits for a larger agent before it fails."""
    estimates: str = "fill"
    """"off"; "fill": what a task did not request is estimated; "override": what it requested as well."""
    retry_budget: float = 2.0
    """How many attempts in 100 tasks may exhaust an estimate."""
    history: str | None = ""
    """The file that estimates learn from; empty: the user's own; None: none."""
    listen: str = ""
    """The ADDRESS or ADDRESS:PORT that the staging server binds (with TLS the executor's archive is on the next port);
    empty: loopback for a loopback master, else the route to the master, and a port that the kernel chooses."""
    advertise: str = ""
    """The HOST or HOST:PORT that executors connect to, when it is not `listen`."""
    executor_uri: str = ""
    """Where agents fetch the executor's archive when not from us."""
    keep_output: bool = True
    """Keep stdout and stderr of tasks under .mfmesos/logs/ when there is any."""
    ending: bool = False
    """Start nothing: only end what an earlier scheduler of the same launch has left."""
    start_at_last_run: bool = False
    """The task file may hold leftovers of a dead run: begin at its last record with ID 1."""
    verbose: bool = False
    debug_log: str = ""
    """makeflow's own debug log, which tells the environment of each task; empty: there is none."""
    send_environment: bool = False
    """Every task gets the environment in which makeflow runs."""
    own_files: list[str] = field(default_factory=list)
    """Names in the workflow's folder that no task may write: the file with the tasks, the engine's own log."""
    pool: dict[str, Any] | None = None
    """Of engine "pool": its settings as pool.json has them, and under "file" where that is."""

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
    """The principal's secret, out of the file or else the environment; refuses a file that others may read. Raises
    ConfigError."""
    if path is None:
        return os.environ.get(SECRET_VARIABLE) or None
    try:
        if os.stat(path).st_mode & 0o077:
            raise ConfigError(m.SECRET_EXPOSED(path=path))
        return Path(path).read_text().strip()
    except OSError as e:
        raise ConfigError(m.SECRET_UNREADABLE(path=path, why=e.strerror)) from None
