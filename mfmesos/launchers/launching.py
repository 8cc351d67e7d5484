"""Common parts of the launchers of makeflow and work_queue_factory: a scheduler beside a private copy."""
from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mfmesos.launchers import binaries
from mfmesos.launchers.early import Early
from mfmesos.launchers.supervisor import Supervisor
from mfmesos.settings.config import SECRET_VARIABLE, STATE_DIR, ConfigError, SchedulerConfig
from mfmesos.shared import own_programs
from mfmesos.shared.messages import launchers as m
from mfmesos.store import leftovers
from mfmesos.store.plainfiles import check_state


@dataclass
class LaunchOptions:
    """What to run, and how."""

    argv: list[str]
    """The engine's own arguments."""
    scheduler: SchedulerConfig
    """The launcher fills in workdir and parent_pid; --mesos-master in `argv` overrides its master."""
    echo: Callable[[str], None]
    """Shows one line to the user."""
    scheduler_command: list[str] = field(default_factory=lambda: own_programs.command(own_programs.SCHEDULER))
    """Started with the name of the settings file as an additional argument."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    binary: Path | None = None
    """The engine to run; None: the first one on PATH."""
    python: Path = binaries.SYSTEM_PYTHON
    preload: Path | None = field(default_factory=binaries.preload_library)
    early: Early | None = None
    """The scheduler's process, if it has been started before."""
    ignore_environment: bool = False
    """Whether makeflow's tasks run without the environment that the workflow gives them."""


def ready(binary: Path, options: LaunchOptions) -> None:
    """Raises ConfigError, with the cure, if that engine could not start a Mesos scheduler."""
    if not binaries.speaks_mesos(binary):
        binaries.require_mesos(binaries.probe(binary, options.environ))
    binaries.require_python(options.python)


def say_dropped(names: Sequence[str], program: str, echo: Callable[[str], None]) -> None:
    for name in names:
        echo(m.OPTION_DROPPED(option=name, program=program))


@contextmanager
def folder(
    workdir: Path, engine: str, echo: Callable[[str], None], cure: str = "",
) -> Iterator[leftovers.FolderLock]:
    """Locks the engine's folder for the block, and removes leftovers before and after it; keeps the progress of a
    `mfmesos run` there.

    Raises ConfigError if another run uses the folder, or if a killed run could still be resumed.
    """
    state_dir = workdir / STATE_DIR
    check_state(state_dir)
    state_dir.mkdir(exist_ok=True)
    with leftovers.FolderLock(state_dir, echo, cure=cure) as lock:
        other = leftovers.plain_engine_in(workdir)
        if other is not None:
            raise ConfigError(m.ENGINE_RUNNING(folder=workdir, process=other))
        removed, kept = leftovers.take_over(workdir, engine)
        if removed:
            echo(m.LEFTOVERS_REMOVED(files=", ".join(removed)))
        if kept:
            echo(m.RUN_KEPT_ASIDE(files=", ".join(kept), folder=f"{STATE_DIR}/{leftovers.ASIDE}"))
        leftovers.create_state(workdir)
        try:
            yield lock
        finally:
            leftovers.clear(workdir)
            leftovers.give_back(workdir)


def supervisor(options: LaunchOptions, config: SchedulerConfig, lock_fd: int) -> Supervisor:
    """The supervisor of a scheduler with these settings, which are written beside its log."""
    settings = config.state_dir / "scheduler.json"
    settings.unlink(missing_ok=True)  # it may have another mode
    replace(config, parent_pid=os.getpid(), launch=secrets.token_hex(8)).save(settings)
    return Supervisor(
        command=[*options.scheduler_command, str(settings)], cwd=config.workdir, environ=options.environ,
        echo=options.echo, pass_fds=(lock_fd,), serves_engine=config.engine == "makeflow", early=options.early)


def engine_environ(options: LaunchOptions) -> dict[str, str]:
    """The user's environment, without mfmesos's secret."""
    return {name: value for name, value in options.environ.items() if name != SECRET_VARIABLE}


def preloaded(options: LaunchOptions, engine: Path) -> tuple[Mapping[str, str], tuple[int, ...]]:
    """The engine's environment with the library preloaded by a descriptor, since LD_PRELOAD does not support spaces.

    The caller closes the descriptors after the engine has ended.
    """
    environ = engine_environ(options)
    if options.preload is None or not binaries.takes_preload(engine, options.preload):
        options.echo(m.RESULTS_LATE(program=engine.name) if options.preload is None
                     else m.RESULTS_LATE_FOREIGN(program=engine.name))
        return environ, ()
    fd = os.open(options.preload, os.O_RDONLY | os.O_CLOEXEC)
    names = [f"/proc/self/fd/{fd}", *filter(None, [environ.get("LD_PRELOAD")])]
    return {**environ, "LD_PRELOAD": ":".join(names), "MFMESOS_PRELOADED": str(fd)}, (fd,)


def shell_code(code: int) -> int:
    """The exit code in a shell of a return code from subprocess."""
    return 128 - code if code < 0 else code
