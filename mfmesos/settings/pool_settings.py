"""A pool's settings: the command line's, overridden by pool.json, which may change while the pool runs."""
from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mfmesos.core.model import Resources
from mfmesos.settings import factory_file, worker_options
from mfmesos.settings.config import ConfigError
from mfmesos.settings.worker_options import WorkerOptions
from mfmesos.shared import bounds
from mfmesos.shared.addresses import split_host_port
from mfmesos.shared.messages import pool as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.resources import four
from mfmesos.shares.pool_values import ProjectSettings

FILE = "pool.json"
WORK_QUEUE, TASK_VINE = "work_queue_worker", "vine_worker"
CATALOG_PORT = 9097
TEXTS = ("catalog", "manager", "foremen")
SWITCHES = ("ssl", "debug_workers")
LISTS = {"worker": "workers", "password": "passwords", "workers_blocked": "blocked"}
"""Keys whose value is one text, or several in a list."""
WEIGHT, SIZE = bounds.Bounds(0.001, 1e9), bounds.Bounds(1, bounds.MOST)
SIZES = {"cores": "cores", "memory": "memory_mb", "disk": "disk_mb", "gpus": "gpus"}


@dataclass(frozen=True)
class PoolSettings:
    """`projects`: bounds by regular expression; the first pattern that matches the full project name applies."""

    projects: Mapping[str, ProjectSettings] = field(default_factory=dict)
    catalog: str = ""
    """HOST:PORT."""
    manager: str = ""
    """HOST:PORT of one manager, asked directly without a catalog."""
    foremen: str = ""
    """A regular expression: projects that are foremen, and get the workers for all waiting tasks. Empty: none."""
    workers: tuple[str, ...] = ()
    """The programs of workers, names or paths: each manager gets the first that has its type and protocol. Empty: the
    program on PATH for its type."""
    passwords: tuple[str, ...] = ()
    """Files with the managers' passwords: each manager gets the first that it accepts."""
    blocked: tuple[str, ...] = ()
    """Hosts on which no worker starts, beside those that a manager has blocked."""
    ssl: bool = False
    idle_s: float = 10.0
    """A worker that is not needed is drained after this many seconds without a task."""
    factory_timeout_s: float = 0.0
    """The pool ends after this many seconds without a manager; 0: never."""
    debug_workers: bool = False
    """Each worker writes a debug log, which is brought back when the worker has ended by itself."""
    options: WorkerOptions = field(default_factory=WorkerOptions)
    default: ProjectSettings = field(default_factory=ProjectSettings)
    """For what a project of pool.json does not name."""

    def of(self, project: str) -> ProjectSettings | None:
        """The project's settings; None: do not serve it."""
        if self.foremen and re.fullmatch(self.foremen, project):
            return self.default
        return next((its for pattern, its in self.projects.items() if re.fullmatch(pattern, project)), None)


class _Bad(ValueError):
    """An invalid value: its key, to be found in the file, the reason and the cure."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}")
        self.key = key


def read(path: Path, base: PoolSettings) -> PoolSettings:
    """The file's settings over `base`, which is returned if the file is missing. ConfigError names file, line, cure."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return base
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(m.POOL_FILE_UNREADABLE(path=path, why=plain(e, cure=False))) from None
    try:
        given = json.loads(text)
    except json.JSONDecodeError as e:
        raise ConfigError(m.POOL_FILE_NOT_JSON_AT(path=path, line=e.lineno, why=e.msg, column=e.colno)) from None
    except (ValueError, RecursionError):
        raise ConfigError(m.POOL_FILE_NOT_JSON(path=path)) from None
    try:
        return parse(given, base)
    except _Bad as e:
        raise ConfigError(m.POOL_BAD_KEY(path=path, line=_line_of(text, e.key), problem=e)) from None


def _line_of(text: str, key: str) -> int:
    """The line of the key; the first line if the key is not found."""
    at = text.find(json.dumps(key.rpartition(".")[2]))
    return text.count("\n", 0, max(at, 0)) + 1


def parse(given: Any, base: PoolSettings) -> PoolSettings:
    """pool.json's object over `base`; ValueError in one line with the cure."""
    if factory_file.is_one(given):
        given = factory_file.translated(given)
    _keys("", given, ("projects", *TEXTS, *LISTS, *SWITCHES, "idle", "factory_timeout", "defaults",
                      *worker_options.NAMES))
    result = base
    if "defaults" in given:
        result = replace(result, default=_project("defaults", given["defaults"], result.default))
    if "projects" in given:
        if not isinstance(given["projects"], dict):
            raise _Bad("projects", m.POOL_WRITE_PROJECTS())
        result = replace(result, projects={
            p: _project(p, its, result.default) for p, its in given["projects"].items()})
    texts: dict[str, Any] = {key: _text(key, given[key]) for key in TEXTS if key in given}
    texts.update({name: _texts(key, given[key]) for key, name in LISTS.items() if key in given})
    texts.update({key: _boolean(key, given[key]) for key in SWITCHES if key in given})
    result = replace(result, **texts)
    if "idle" in given:
        result = replace(result, idle_s=_number("idle", given["idle"], bounds.WORKER_IDLE))
    if "factory_timeout" in given:
        result = replace(result, factory_timeout_s=_number("factory_timeout", given["factory_timeout"], bounds.SECONDS))
    options: dict[str, Any] = {key: _option(key, given[key]) for key in worker_options.NAMES if key in given}
    return checked(replace(result, options=replace(result.options, **options)))


def checked(settings: PoolSettings) -> PoolSettings:
    """The same settings if they are valid; ValueError otherwise."""
    for key in ("catalog", "manager"):
        text = getattr(settings, key)
        if text:
            try:
                split_host_port(text, CATALOG_PORT)
            except ValueError as e:
                raise _Bad(key, str(e)) from None
    if settings.manager and not settings.projects:
        settings = replace(settings, projects={".*": settings.default})
    for pattern in (*settings.projects, settings.foremen):
        try:
            re.compile(pattern)
        except re.error as e:
            raise _Bad(pattern, m.POOL_BAD_PATTERN(why=e)) from None
    return settings


def _keys(where: str, given: Any, known: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        raise _Bad(where or FILE, m.POOL_WRITE_OBJECT(keys=", ".join(known)))
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise _Bad(f"{where}.{key}" if where else key,
                       m.POOL_MISSPELT_KEY(near=near[0]) if near else m.POOL_UNKNOWN_KEY(keys=", ".join(known)))


def _project(name: str, given: Any, default: ProjectSettings) -> ProjectSettings:
    _keys(name, given, ("min", "max", "weight", "max_cores", "worker", "tasks_per_worker", "workers_per_cycle",
                         "capacity"))
    read: dict[str, Callable[[], Any]] = {
        "min_workers": lambda: _count(f"{name}.min", given["min"]),
        "max_workers": lambda: _count(f"{name}.max", given["max"]),
        "weight": lambda: _number(f"{name}.weight", given["weight"], WEIGHT),
        "max_cores": lambda: _number(f"{name}.max_cores", given["max_cores"], bounds.AMOUNT),
        "worker": lambda: worker_size(f"{name}.worker", given["worker"]) if given["worker"] is not None else None,
        "tasks_per_worker": lambda: _number(f"{name}.tasks_per_worker", given["tasks_per_worker"], WEIGHT),
        "workers_per_cycle": lambda: _count(f"{name}.workers_per_cycle", given["workers_per_cycle"]),
        "capacity": lambda: _boolean(f"{name}.capacity", given["capacity"])}
    its = replace(default, **{key: read_it() for key, read_it in read.items() if key.removesuffix("_workers") in given})
    if its.min_workers > its.max_workers:
        raise _Bad(f"{name}.min", m.POOL_MIN_OVER_MAX(max=its.max_workers))
    return its


def worker_size(where: str, given: Any) -> Resources:
    """{"cores": 4, "memory": 4000, "disk": 8000}, MB; what is missing is 0, and follows from an agent's proportions."""
    _keys(where, given, tuple(SIZES))
    if not given:
        raise _Bad(where, m.POOL_SIZE_MISSING())
    return four(_number(f"{where}.{key}", given[key], bounds.AMOUNT if key == "gpus" else SIZE)
                if key in given else 0.0 for key in SIZES)


def _count(key: str, value: Any) -> int:
    if isinstance(value, float) and math.isfinite(value) and value != int(value):
        raise _Bad(key, m.POOL_NOT_WHOLE(value=value))
    return int(_number(key, value, bounds.COUNT))


def _number(key: str, value: Any, within: bounds.Bounds) -> float:
    if not within.holds(value):
        raise _Bad(key, m.POOL_NOT_IN_BOUNDS(value=str(value)[:40], least=within.least, most=within.most))
    return float(value)


def _boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Bad(key, m.POOL_WRITE_BOOLEAN())
    return value


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise _Bad(key, m.POOL_WRITE_STRING())
    return value


def _option(key: str, value: Any) -> Any:
    several = value if isinstance(value, list) and key in worker_options.LISTS else [value]
    for one in several:
        if not worker_options.is_valid(key, one):
            raise _Bad(key, m.POOL_WRITE_STRINGS() if key in worker_options.LISTS else m.POOL_WRITE_STRING())
    return tuple(several) if key in worker_options.LISTS else value


def _texts(key: str, value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value] if value else []
    if not all(isinstance(one, str) and one and one.isprintable() for one in several):
        raise _Bad(key, m.POOL_WRITE_STRINGS())
    return tuple(several)


def as_json(settings: PoolSettings) -> dict[str, Any]:
    """In the format that `parse` reads."""
    return {
        "projects": {p: _project_json(its) for p, its in settings.projects.items()},
        "catalog": settings.catalog, "manager": settings.manager, "foremen": settings.foremen,
        "debug_workers": settings.debug_workers, "worker": [*settings.workers],
        "password": [*settings.passwords], "workers_blocked": [*settings.blocked],
        "ssl": settings.ssl, "idle": settings.idle_s,
        "factory_timeout": settings.factory_timeout_s, "defaults": _project_json(settings.default),
        **{key: [*value] if isinstance(value, tuple) else value for key, value in vars(settings.options).items()}}


def _project_json(its: ProjectSettings) -> dict[str, Any]:
    given: dict[str, Any] = {"min": its.min_workers, "max": its.max_workers, "weight": its.weight}
    if its.max_cores < math.inf:
        given["max_cores"] = its.max_cores
    if its.worker is not None:
        given["worker"] = {key: getattr(its.worker, name) for key, name in SIZES.items() if getattr(its.worker, name)}
    if its.tasks_per_worker:
        given["tasks_per_worker"] = its.tasks_per_worker
    if its.workers_per_cycle:
        given["workers_per_cycle"] = its.workers_per_cycle
    if its.capacity:
        given["capacity"] = True
    return given
