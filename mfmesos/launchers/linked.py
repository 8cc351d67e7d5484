"""The scheduler that an installed makeflow or work_queue_factory starts after `mfmesos link`. It must find out by
itself what a launcher would pass to it, and cleans the folder for the next plain run.

The linked script runs between the engine and the scheduler, and ends the engine if the scheduler dies. The script
passes the engine's pid and the run's name in VARIABLE; scripts of older versions do not, and became the scheduler
themselves.
"""
from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from mfmesos.launchers.localrun import check_master
from mfmesos.launchers.makeflow_environment import lost_by
from mfmesos.settings.config import DEFAULT_MASTER, END, STATE_DIR, ConfigError, SchedulerConfig
from mfmesos.shared import engine_programs, procfs
from mfmesos.shared.engine_programs import FACTORY, MAKEFLOW, program_of
from mfmesos.shared.messages import launchers as m
from mfmesos.shared.terminal import say
from mfmesos.store import makeflow_log
from mfmesos.store.leftovers import RUN, TASK_INFO, TASK_STATE, clear, holds, older, owner
from mfmesos.taskfiles.workers import for_workers

VARIABLE = "MFMESOS_ENGINE"
NO_PROCESS = -1
ENGINE_STARTS_S = {MAKEFLOW: 0.03, FACTORY: 0.0}
"""An engine younger than this has written nothing. The kernel rounds its start time down to 10 ms; a factory writes its
first records within 20 ms, so nothing is added for it.
"""


@dataclass(frozen=True)
class Plain:
    """The engine that started this process, and its folder."""

    pid: int
    """NO_PROCESS if the engine died before this process was up."""
    name: str
    words: tuple[str, ...]
    """Its command line."""
    launch: str
    cwd: Path


def main(argv: list[str], run: Callable[[SchedulerConfig], int]) -> int:
    """`argv` is CWD, MASTER and, to clean up after a dead scheduler, END and the engine's command line; `run` runs a
    scheduler and returns its exit code, which is returned here.
    """
    os.closerange(3, 4096)
    cwd, master, *rest = argv
    engine = _engine(Path(cwd), rest[1:])
    _complete_environment()
    config = _config(engine, master)
    code = 0
    try:
        if rest[:1] != [END]:
            _begin(engine)
            lost = lost_by(engine.words) if config.engine == "makeflow" else ""
            if lost:
                say(lost)
            check_master(config.master)
            if config.engine == "makeflow":
                _remember_log(engine)
            code = run(config)
        elif holds(config.state_dir) and owner(config.state_dir) != RUN:
            run(replace(config, ending=True))
    except ConfigError as e:
        say(str(e))
        code = 1
    if code and engine.pid == os.getppid():
        engine_programs.end(engine.pid)
    elif not engine_programs.is_running(engine.pid):
        _put_right(engine)
    return code


def _engine(cwd: Path, words: list[str]) -> Plain:
    pid, _, launch = os.environ.pop(VARIABLE, str(os.getppid())).partition(" ")
    process = procfs.name_of(int(pid))
    name = program_of(process)
    if process and not name:
        return Plain(NO_PROCESS, "", tuple(words), launch, cwd)
    command = words or procfs.command_line(int(pid))
    return Plain(int(pid), name, tuple(command), launch, cwd)


def _complete_environment() -> None:
    """makeflow starts its scheduler with an empty environment."""
    os.environ.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        os.environ.setdefault("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        os.environ.setdefault("HOME", "/")


def _config(engine: Plain, master: str) -> SchedulerConfig:
    config = SchedulerConfig(
        workdir=str(engine.cwd), master=master.rstrip("/") or DEFAULT_MASTER, engine_pid=engine.pid,
        parent_pid=NO_PROCESS if engine.pid == NO_PROCESS else os.getppid(), engine="makeflow",
        launch=engine.launch or secrets.token_hex(8), start_at_last_run=True)
    is_factory = engine.name == FACTORY or program_of(os.path.basename("".join(engine.words[:1]))) == FACTORY
    return for_workers(config) if is_factory else config


def _begin(engine: Plain) -> None:
    """Create mesos_task_state first: without it makeflow ignores signals. Raises ConfigError in one line."""
    state = engine.cwd / TASK_STATE
    found = older(engine.cwd, procfs.started_at(engine.pid) + ENGINE_STARTS_S.get(engine.name, 0.0))
    if owner(engine.cwd / STATE_DIR) == RUN:
        kept = [TASK_STATE] if state.exists() and state.stat().st_size else []
        kept += [TASK_INFO] if TASK_INFO in found else []
        if kept:
            raise ConfigError(m.LINKED_PROGRESS(folder=engine.cwd, files=" and ".join(kept)))
    for name in found:
        (engine.cwd / name).unlink(missing_ok=True)
    state.touch()


def _put_right(engine: Plain) -> None:
    """The engine has ended: remove leftovers of the engine or the scheduler that would make the next run crash or wait
    for ever.
    """
    from mfmesos.launchers import makeflow_mending

    clear(engine.cwd)
    if holds(engine.cwd / STATE_DIR):
        say(m.RESOURCES_HELD(folder=engine.cwd))
    try:
        makeflow_mending.mend(_log_of(engine), time.time_ns() // 1000)
    except (ConfigError, OSError) as e:
        say(m.LOG_NOT_REPAIRED(why=e))


def _remember_log(engine: Plain) -> None:
    with contextlib.suppress(ConfigError, OSError):  # rules are then unknown by their numbers
        (engine.cwd / STATE_DIR).mkdir(exist_ok=True)
        makeflow_log.remember(engine.cwd / STATE_DIR, _log_of(engine))


def _log_of(engine: Plain) -> Path:
    """Raises ConfigError."""
    from mfmesos.launchers import makeflow_args

    return engine.cwd / makeflow_args.parse(list(engine.words[1:]), {}).log_name
