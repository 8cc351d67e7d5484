"""Reads the catalog's /query.json: which managers need workers. A manager answers with the same records (manager.py).

Recorded from Debian's cctools and from cctools' main branch (tests/engines/*.json): makeflow publishes its own record
with the same project (type "makeflow", no port) beside its manager's record (type "wq_master" or "wq_manager", TaskVine
"vine_manager"). tasks_total_* are what the waiting tasks request and what the running tasks have (*_inuse).

The largest task is max_* of the category "whole queue" in Debian's version, missing if no task states a request. Later
versions have no such category: each category has the maximum that was declared for it ("2.000"), or measured ("~300",
">300"), or neither ("na"); the requests of single tasks are only in the totals. So the largest task is then estimated:
as large as the largest category, and at least as large as the mean of the waiting tasks. A category that the manager
measures may give its tasks less than the maximum at first: first_allocation, which is the estimate then.
"""
from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from mfmesos.aio import aiohttp
from mfmesos.core.model import Resources
from mfmesos.settings.pool_settings import TASK_VINE, WORK_QUEUE
from mfmesos.shared.addresses import join_host_port
from mfmesos.shared.messages import pool as m
from mfmesos.shared.phrases import printable, shortened
from mfmesos.shared.resources import four
from mfmesos.shares.pool_values import ManagerStatus

WORKERS = {"wq_master": WORK_QUEUE, "wq_manager": WORK_QUEUE, "vine_manager": TASK_VINE}
"""The worker program for each type of a manager's record."""
WHOLE = "whole queue"
NAMES = ("cores", "memory", "disk", "gpus")
MAX_BYTES = 16 * 1024 * 1024
MAX_TEXT = 256
MAX_COUNT = 1e9
MOST_BLOCKED = 1000
HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
"""A host becomes part of a worker's command line: no character with a meaning for the shell."""


class SourceError(Exception):
    """The catalog or the manager gave no usable answer: one line."""


@dataclass(frozen=True)
class Found:
    """The managers that can be served, and one line for each record that cannot."""

    managers: tuple[ManagerStatus, ...]
    ignored: tuple[str, ...] = ()


async def from_catalog(host: str, port: int, timeout_s: float = 10.0) -> Found:
    """All managers in the catalog. Raises SourceError with the reason if it cannot be read."""
    where = f"catalog {host}:{port}"
    try:
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with aiohttp.ClientSession(timeout=limit) as session, \
                session.get(f"http://{join_host_port(host, port)}/query.json") as answer:
            if answer.status != 200:
                raise SourceError(m.POOL_CATALOG_STATUS(where=where, status=answer.status))
            body = await all_of(answer.content, where)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as e:
        raise SourceError(m.POOL_NOT_ANSWERED(where=where, why=_words(e, timeout_s))) from e
    return parse(body, where)


async def all_of(reader: aiohttp.StreamReader | asyncio.StreamReader, where: str) -> bytes:
    """Read until the other side closes; SourceError if the answer is too long."""
    body = bytearray()
    while True:
        part = await reader.read(65536)
        if not part:
            return bytes(body)
        body += part
        if len(body) > MAX_BYTES:
            raise SourceError(m.POOL_ANSWER_TOO_LARGE(where=where, limit=MAX_BYTES >> 20))


def _words(e: Exception, timeout_s: float) -> str:
    return m.POOL_NO_ANSWER(timeout=timeout_s) if isinstance(e, asyncio.TimeoutError) else shown(e)


def parse(body: bytes, where: str, asked: tuple[str, int] | None = None) -> Found:
    """The managers in an answer; `asked` is the address of a single manager, to which its workers connect."""
    managers: dict[str, ManagerStatus] = {}
    ignored = []
    for number, record in enumerate(records_of(body, where), 1):
        kind = record.get("type") if isinstance(record, dict) else None
        if not isinstance(kind, str) or kind not in WORKERS:
            continue
        try:
            status = manager_of(record, asked)
        except ValueError as e:
            ignored.append(m.POOL_RECORD_IGNORED(where=where, number=number, why=e))
        else:
            managers[status.key] = status
    return Found(tuple(managers.values()), tuple(ignored))


def records_of(body: bytes, where: str) -> list[Any]:
    """Raises SourceError if the answer is no list."""
    try:
        records = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise SourceError(m.POOL_ANSWER_NOT_JSON(where=where, why=shown(e))) from e
    if not isinstance(records, list):
        raise SourceError(m.POOL_ANSWER_NOT_LIST(where=where))
    return records


def manager_of(record: dict[str, Any], asked: tuple[str, int] | None = None) -> ManagerStatus:
    """Parse one record; ValueError names the invalid field."""
    project = record.get("project")
    if asked is not None and project is None:
        project = f"{asked[0]}:{asked[1]}"  # a manager without a name is in no catalog
    if not isinstance(project, str) or not project or len(project) > MAX_TEXT or not project.isprintable():
        raise ValueError(m.POOL_BAD_FIELD(name="project", value=shown(project)))
    host, port = asked or (_host(record), _port(record))
    return ManagerStatus(
        project, host, port, int(_number(record, "tasks_waiting")), int(_number(record, "tasks_running")),
        _resources(record, "tasks_total_{}"), _largest(record), int(_number(record, "workers_connected", "workers")),
        _resources(record, "{}_total"), WORKERS.get(str(record.get("type")), ""),
        int(_number(record, "protocol")), record.get("ssl") is True,
        blocked=_hosts(record.get("workers_blocked")), whole_workers=_gives_whole_workers(record),
        tasks_left=int(_number(record, "tasks_left")), capacity=int(_number(record, "capacity_weighted")),
        heard_at=_number(record, "lastheardfrom", most=1e12))


def _host(record: dict[str, Any]) -> str:
    by_name = record.get("manager_preferred_connection") == "by_hostname"
    for field in ("name", "address") if by_name else ("address", "name"):
        host = record.get(field)
        if isinstance(host, str) and HOST.fullmatch(host) and not host.startswith("-"):
            return host
    raise ValueError(m.POOL_NO_HOST(address=shown(record.get("address"))))


def _hosts(blocked: Any) -> tuple[str, ...]:
    """The hosts that a manager has blocked; old managers report their number instead."""
    named = blocked if isinstance(blocked, list) else []
    return tuple(sorted(host for host in named if isinstance(host, str) and HOST.fullmatch(host)))[:MOST_BLOCKED]


def _port(record: dict[str, Any]) -> int:
    port = _number(record, "port")
    if not 0 < port < 65536 or port != int(port):
        raise ValueError(m.POOL_BAD_FIELD(name="port", value=shown(record.get("port"))))
    return int(port)


def _number(record: dict[str, Any], *names: str, most: float = MAX_COUNT) -> float:
    """The first existing field, as number or text; 0 if none exists."""
    for name in names:
        if name not in record:
            continue
        value = record[name]
        try:
            number = float(value) if isinstance(value, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not -1.0 <= number <= most:  # -1 is cctools' value for "unknown"
            raise ValueError(m.POOL_BAD_FIELD(name=name, value=shown(value)))
        return max(number, 0.0)
    return 0.0


def whole_number(record: dict[str, Any], name: str) -> int:
    """Raises ValueError for an invalid value."""
    return int(_number(record, name))


def _resources(record: dict[str, Any], form: str) -> Resources:
    return four(_number(record, form.format(name)) for name in NAMES)


def _largest(record: dict[str, Any]) -> Resources:
    for one in _categories(record):
        if one.get("category") == WHOLE:
            return _resources(one, "max_{}")
    mean = _mean(record)
    active = _active_categories(record)
    return four(max([at_least, *(_learned(one, name) or _maximum(one, f"max_{name}") for one in active)])
                for name, at_least in zip(NAMES, (mean.cores, mean.memory_mb, mean.disk_mb, mean.gpus)))


def _categories(record: dict[str, Any]) -> list[dict[str, Any]]:
    listed = record.get("categories")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _active_categories(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in _categories(record) if _number(one, "tasks_waiting") + _number(one, "tasks_running")]


def _gives_whole_workers(record: dict[str, Any]) -> bool:
    """Whether tasks request nothing and are measured, but not often enough for Work Queue: until then it gives each a
    whole worker. (TaskVine gives each as much as the largest has used.)
    """
    return (WORKERS.get(str(record.get("type"))) == WORK_QUEUE and not _mean(record).cores
            and any(_is_measured(one, "memory") and not _learned(one, "memory") for one in _active_categories(record)))


def _is_measured(category: dict[str, Any], name: str) -> bool:
    return str(category.get(f"max_{name}"))[:1] in ("~", ">")


def _mean(record: dict[str, Any]) -> Resources:
    """What the average waiting task requests, rounded up; of the running tasks if none waits."""
    totals, used = _resources(record, "tasks_total_{}"), _resources(record, "{}_inuse")
    waiting, running = _number(record, "tasks_waiting"), _number(record, "tasks_running")
    if waiting and (not running or any(f"{name}_inuse" in record for name in NAMES)):
        of, tasks = (totals - used).at_least_zero(), waiting
    else:
        of, tasks = totals, waiting + running
    return four(float(math.ceil(one / tasks)) for one in (of.cores, of.memory_mb, of.disk_mb, of.gpus)
                ) if tasks else Resources()


def _learned(category: dict[str, Any], name: str) -> float:
    """What a task of the category is given first where the manager has learned that from measured tasks, which is less
    than their maximum; 0 if it has not, or if tasks wait that this was too little for.
    """
    first = category.get("first_allocation")
    if not _is_measured(category, name) or not isinstance(first, dict) or _number(category, "max_allocation_count"):
        return 0.0
    least = _number({name: first.get(name, 0)}, name)
    return least if least < _maximum(category, f"max_{name}") else 0.0


def _maximum(category: dict[str, Any], name: str) -> float:
    """A category's maximum: declared, or measured with a mark before the number; 0 if there is none."""
    value = category.get(name)
    if isinstance(value, str):
        value = None if value == "na" else value.lstrip("~>")
    return 0.0 if value is None else _number({name: value}, name)


def shown(value: object, limit: int = 80) -> str:
    """A foreign value in one printable line."""
    text = str(value) if isinstance(value, Exception) else repr(value)
    return shortened(printable(text, 4 * limit, instead=" "), limit)
