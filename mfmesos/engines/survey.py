"""Finds the managers that need workers: from the catalog, and from each manager that can be reached.

The catalog hears of a manager once a minute, while the manager knows its present state. But the manager may be behind a
firewall, have a password or be busy; then the catalog's record counts.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mfmesos.engines import catalog, manager
from mfmesos.engines.catalog import Found, SourceError
from mfmesos.engines.manager import Answer, Gone, Unreachable
from mfmesos.engines.pool_worker import Identity
from mfmesos.settings.pool_settings import CATALOG_PORT, PoolSettings
from mfmesos.shared.addresses import split_host_port
from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import ManagerStatus

STALE_S = 150.0
"""A manager that the catalog has not heard of for this long, and that cannot be asked, is gone: it missed two of its
updates.
"""
CATALOG_SHARE = 20
CATALOG_LEAST_S, CATALOG_MOST_S = 1.0, 30.0
"""Bounds of the interval between queries of the catalog, which take at most a twentieth of the time."""
AT_ONCE = 25
ASK_AGAIN_S = 60.0
"""A manager that was never reached is asked again after this time: each try may take seconds, and anyone can send any
number of managers to the catalog.
"""


@dataclass(frozen=True)
class View:
    """`workers` by manager: the number of running tasks of each connected worker; None: unknown."""

    managers: tuple[ManagerStatus, ...] = ()
    workers: Mapping[str, dict[Identity, int] | None] = field(default_factory=dict)
    problem: str = ""
    """Why the catalog, or the single manager, cannot be asked."""
    ignored: tuple[str, ...] = ()


@dataclass
class _Known:
    """The catalog's record of a manager, and the manager's own answer."""

    status: ManagerStatus
    age_s: float = 0.0
    """Seconds since the catalog last heard of it."""
    reached: bool = False
    ask_at: float = 0.0
    own: ManagerStatus | None = None


class Survey:
    """`look` returns the present view; it remembers earlier results."""

    def __init__(
        self, clock: Callable[[], float], ask: Callable[[str, int, bytes], Awaitable[Answer]] = manager.ask,
        read_catalog: Callable[[str, int], Awaitable[Found]] = catalog.from_catalog,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._read_catalog = read_catalog
        self._known: dict[str, _Known] = {}
        self._source = ""
        self._looked_at: float | None = None
        self._next_look = 0.0
        self._password = b""
        self._problem = ""
        self._ignored: tuple[str, ...] = ()

    async def look(self, settings: PoolSettings) -> View:
        """Never raises for other programs' answers, or their absence."""
        self._password = password_of(settings)
        source = settings.manager or settings.catalog
        if source != self._source:
            self._source, self._known, self._looked_at, self._next_look = source, {}, None, 0.0
        if settings.manager:
            return await self._one(*split_host_port(settings.manager, CATALOG_PORT), settings)
        if self._clock() >= self._next_look:
            await self._look_into_catalog(*split_host_port(settings.catalog, CATALOG_PORT))
        ours = {key: one for key, one in self._known.items() if wanted(one.status, settings)}
        limit = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(*(self._answer_of(one, limit) for one in ours.values()))
        found, workers = [], {}
        for answer in answers:
            if answer is not None and answer.status is not None and wanted(answer.status, settings):
                found.append(answer.status)
                workers[answer.status.key] = answer.workers
        return View(tuple(found), workers, self._problem, self._ignored)

    async def _look_into_catalog(self, host: str, port: int) -> None:
        started = self._clock()
        try:
            records = await self._read_catalog(host, port)
        except SourceError as e:
            self._problem = str(e)
        else:
            self._problem, self._ignored = "", records.ignored
            passed = started - self._looked_at if self._looked_at is not None else 0.0
            self._looked_at = started
            self._take(records.managers, passed)
        took = self._clock() - started
        self._next_look = started + min(max(CATALOG_SHARE * took, CATALOG_LEAST_S), CATALOG_MOST_S)

    def _take(self, managers: tuple[ManagerStatus, ...], passed_s: float) -> None:
        """While the catalog is down, no record ages."""
        records = {status.key: status for status in managers}
        for key in set(self._known) - set(records):
            if not self._known[key].reached:  # a manager that answers itself is running
                del self._known[key]
        for key, status in records.items():
            one = self._known.setdefault(key, _Known(status))
            one.age_s = one.age_s + passed_s if one.status.heard_at == status.heard_at else 0.0
            one.status = status

    async def _answer_of(self, one: _Known, limit: asyncio.Semaphore) -> Answer | None:
        """Its latest known answer; None if it is gone."""
        by_catalog = Answer(one.status) if one.age_s <= STALE_S else None
        if self._clock() < one.ask_at:
            return by_catalog
        try:
            async with limit:
                answer = await self._ask(one.status.host, one.status.port, self._password)
        except Gone:
            one.reached, one.own = False, None
            return None
        except Unreachable:
            if one.reached:
                return None
            one.ask_at = self._clock() + ASK_AGAIN_S
            return by_catalog
        one.reached = True
        if answer.status is None:  # a busy one may have answered before; one with another password never does
            return replace(answer, status=one.status if one.own is None else one.own)
        one.own = answer.status
        return answer

    async def _one(self, host: str, port: int, settings: PoolSettings) -> View:
        key = f"{host}:{port}"
        one = self._known.get(key)
        try:
            answer = await self._ask(host, port, self._password)
        except (Gone, Unreachable) as e:
            return View(problem=str(e))
        status = answer.status or (one.own if one is not None else None)
        if status is None:
            return View(problem=m.POOL_SILENT_MANAGER(manager=key))
        self._known[key] = _Known(status, own=status, reached=True)
        if not wanted(status, settings):
            return View(problem=m.POOL_OTHER_PROJECT(manager=key, project=repr(status.project)))
        return View((status,), {status.key: answer.workers})


def password_of(settings: PoolSettings) -> bytes:
    """Returns no password if the file cannot be read; starting workers reports that."""
    try:
        return Path(settings.password).read_bytes() if settings.password else b""
    except OSError:
        return b""


def wanted(status: ManagerStatus, settings: PoolSettings) -> bool:
    """Whether its project is served, by a worker with its protocol."""
    named = settings.worker.rpartition("/")[2]
    other = named in catalog.WORKERS.values() and named != status.worker
    return not other and settings.of(status.project) is not None
