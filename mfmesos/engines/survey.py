"""Finds the managers that need workers: from the catalog, and from each manager that can be reached.

The catalog hears of a manager once a minute, while the manager knows its present state. But the manager may be behind a
firewall, refuse us or be busy; then the catalog's record counts.

Each question costs its manager time, so it is asked once a second only while it has tasks, less and less often while it
has none (`IDLE_MOST_S`), and seldom while it does not answer (`ASK_AGAIN_S`).
"""
from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Protocol

from mfmesos.engines import catalog, manager
from mfmesos.engines.catalog import Found, SourceError
from mfmesos.engines.manager import Access, Answer, Gone, Listed, Password, Unreachable
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
MOST_A_ROUND = 40
"""Managers that a round asks, about: its cost has a bound, and of 200 managers with tasks each is asked every 5 s."""
ASK_AGAIN_S = 60.0
"""A manager that was never reached, or that refuses us, is asked again after this time: each try may take seconds, and
anyone can send any number of managers to the catalog.
"""
ASK_S = 1.0
IDLE_MOST_S = 5.0
TICK_S = 0.2
"""A round that comes this much early still asks."""
IDLE_PART = 10.0
"""A manager that has had no tasks for this many seconds is asked one second less often, up to IDLE_MOST_S."""


class Ask(Protocol):
    """manager.ask"""

    def __call__(self, host: str, port: int, access: Access, passwords: tuple[Password, ...]) -> Awaitable[Answer]: ...


@dataclass(frozen=True)
class View:
    """`workers` by manager: its connected workers by size; None: unknown."""

    managers: tuple[ManagerStatus, ...] = ()
    workers: Mapping[str, dict[Identity, Listed] | None] = field(default_factory=dict)
    problem: str = ""
    """Why the catalog, or the single manager, cannot be asked."""
    ignored: tuple[str, ...] = ()
    looked_at: Mapping[str, float] = field(default_factory=dict)
    """By manager: when it was last asked."""


@dataclass
class _Known:
    """The catalog's record of a manager, and the manager's own answer."""

    host: str
    port: int
    record: ManagerStatus | None
    """None: found without a catalog."""
    age_s: float = 0.0
    """Seconds since the catalog last heard of it."""
    reached: bool = False
    ask_at: float = 0.0
    asked_at: float = -math.inf
    access: Access | None = None
    """How it is asked; None: as its record says."""
    own: Answer | None = None
    """Its latest answer with data."""
    refuses: str = ""
    problem: str = ""
    idle_since: float | None = None
    misses: int = 0
    """Questions in a row without an answer."""

    def by_catalog(self, settings: PoolSettings) -> Answer | None:
        """What the catalog knows; None if that is too old. It does not know whether the manager has a password."""
        if self.record is None or self.age_s > STALE_S:
            return None
        return Answer(replace(self.record, refuses=self.refuses, ssl=self.record.ssl or settings.ssl,
                              password=settings.passwords[0] if settings.passwords else ""))

    def latest(self, settings: PoolSettings) -> Answer | None:
        """What is known while it is not asked."""
        return self.own if self.own is not None and self.reached else self.by_catalog(settings)

    def how(self, settings: PoolSettings) -> Access:
        if self.access is not None:
            return self.access
        tls = settings.ssl or (self.record is not None and self.record.ssl)
        return Access(tls, tls_possible=self.record is None or not self.record.protocol)


class Survey:
    """`look` returns the present view; it remembers earlier results."""

    def __init__(
        self, clock: Callable[[], float], ask: Ask = manager.ask,
        read_catalog: Callable[[str, int], Awaitable[Found]] = catalog.from_catalog,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._read_catalog = read_catalog
        self._known: dict[str, _Known] = {}
        self._source: tuple[object, ...] = ()
        self._looked_at: float | None = None
        self._next_look = 0.0
        self._passwords: tuple[Password, ...] = ()
        self._problem = ""
        self._ignored: tuple[str, ...] = ()

    async def look(self, settings: PoolSettings) -> View:
        """Never raises for other programs' answers, or their absence."""
        self._passwords = passwords_of(settings)
        source = (settings.manager or settings.catalog, self._passwords, settings.ssl)
        if source != self._source:
            self._source, self._known, self._looked_at, self._next_look = source, {}, None, 0.0
        if settings.manager:
            return await self._one(*split_host_port(settings.manager, CATALOG_PORT), settings)
        if self._clock() >= self._next_look:
            await self._look_into_catalog(*split_host_port(settings.catalog, CATALOG_PORT))
        ours = {key: one for key, one in self._known.items() if one.record and wanted(one.record, settings)}
        self._spread(list(ours.values()))
        now, limit = self._clock(), asyncio.Semaphore(AT_ONCE)
        latest = {key: one.latest(settings) for key, one in ours.items() if one.ask_at > now}
        due = [key for key in ours if key not in latest]
        answers = await asyncio.gather(*(self._answer_of(ours[key], limit, settings) for key in due))
        latest.update(zip(due, answers))
        found, workers, looked_at = [], {}, {}
        for key, one in ours.items():
            answer = latest.get(key)
            if answer is not None and answer.status is not None and wanted(answer.status, settings):
                found.append(answer.status)
                workers[answer.status.key] = answer.workers
                looked_at[answer.status.key] = one.asked_at
        return View(tuple(found), workers, self._problem, self._ignored, looked_at)

    def _spread(self, ours: list[_Known]) -> None:
        """Each round asks only a part of many managers, those first that were asked longest ago."""
        now = self._clock()
        due = sorted((one for one in ours if one.ask_at <= now), key=lambda one: one.asked_at)
        idle = [one for one in due if one.idle_since is not None]
        later = idle[math.ceil(len(ours) / IDLE_MOST_S):]
        busy = [one for one in due if one.idle_since is None]
        for one in (*later, *busy[max(MOST_A_ROUND - len(idle) + len(later), MOST_A_ROUND // 2):]):
            one.ask_at = now + ASK_S / 2  # not in this round, however long it takes

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
            one = self._known.setdefault(key, _Known(status.host, status.port, status))
            old = one.record
            one.age_s = one.age_s + passed_s if old is not None and old.heard_at == status.heard_at else 0.0
            one.record = status

    async def _answer_of(self, one: _Known, limit: asyncio.Semaphore, settings: PoolSettings) -> Answer | None:
        """Its latest known answer; None if it is gone or unknown. `one.problem` is then the reason."""
        if self._clock() < one.ask_at:
            return one.latest(settings)
        one.asked_at = self._clock()
        try:
            async with limit:
                answer = await self._ask(one.host, one.port, one.how(settings), self._passwords)
        except Gone as e:
            one.reached, one.own, one.access, one.problem = False, None, None, str(e)
            return None
        except Unreachable as e:
            one.problem = str(e)
            if one.reached:
                return None
            one.ask_at = self._clock() + ASK_AGAIN_S
            return one.by_catalog(settings)
        one.reached, one.refuses, one.problem = True, answer.refuses, answer.refuses
        return self._answered(one, answer, settings)

    def _answered(self, one: _Known, answer: Answer, settings: PoolSettings) -> Answer | None:
        now = self._clock()
        if answer.refuses:
            one.own, one.access, one.ask_at = None, None, now + ASK_AGAIN_S
            return one.by_catalog(settings)
        if answer.status is None:
            one.access, one.misses = None, one.misses + 1
            one.ask_at = now + min(ASK_S * 2 ** max(one.misses - 2, 0), ASK_AGAIN_S)
            if one.own is not None and one.own.status is not None:  # it is busy
                return Answer(one.own.status)
            return one.by_catalog(settings)
        one.own, one.access, one.misses = answer, answer.access, 0
        if answer.status.tasks:
            one.idle_since = None
        elif one.idle_since is None:
            one.idle_since = now
        idle = 0.0 if one.idle_since is None else now - one.idle_since
        one.ask_at = now + min(ASK_S * (1 + idle / IDLE_PART), IDLE_MOST_S) - TICK_S
        return answer

    async def _one(self, host: str, port: int, settings: PoolSettings) -> View:
        key = f"{host}:{port}"
        one = self._known.setdefault(key, _Known(host, port, None))
        answer = await self._answer_of(one, asyncio.Semaphore(1), settings)
        if answer is None or answer.status is None:
            return View(problem=one.problem or m.POOL_SILENT_MANAGER(manager=key))
        status = answer.status
        if not wanted(status, settings):
            return View(problem=m.POOL_OTHER_PROJECT(manager=key, project=repr(status.project)))
        return View((status,), {status.key: answer.workers}, looked_at={status.key: one.asked_at})


def passwords_of(settings: PoolSettings) -> tuple[Password, ...]:
    """Leaves out a file that cannot be read; starting workers reports that."""
    found = []
    for name in settings.passwords:
        with contextlib.suppress(OSError):
            found.append(Password(name, Path(name).expanduser().read_bytes()))
    return tuple(found)


def wanted(status: ManagerStatus, settings: PoolSettings) -> bool:
    """Whether its project is served, by a worker of its type."""
    names = {name.rpartition("/")[2] for name in settings.workers}
    other = bool(names) and names <= set(catalog.WORKERS.values()) and status.worker not in names
    return not other and settings.of(status.project) is not None
