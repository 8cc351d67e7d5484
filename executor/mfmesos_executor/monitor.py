"""One thread measures all attempts, enforces their limits and guards the claim as a whole."""
from __future__ import annotations

import logging
import threading
import time
from typing import Callable, Mapping, Protocol, Sequence

from mfmesos.shared import procfs
from mfmesos.shared.wire import ClaimData, Run, Usage
from mfmesos_executor import files, procs, shm
from mfmesos_executor.cache import Cache
from mfmesos_executor.cores import Turns, of_machine, usable
from mfmesos_executor.limits import Exceeded, Load, guard_reason, over_own_limit, victim_of_disk, victim_of_memory
from mfmesos_executor.reap import Leader, Reaper
from mfmesos_executor.shared import Links

logger = logging.getLogger(__name__)
MB = float(1 << 20)
QUICK_S, SLOW_S = 0.2, 1.0
"""Minimum time between samples; and the maximum, unless COST requires more."""
YOUNG_S = 5.0
COST, CALM_COST = 20.0, 100.0
"""Measurements start no more often than once in this many times what they compute: while an attempt is young or large,
and otherwise; more seldom where nothing has run meanwhile. On a busy machine they take longer, and limits hold there,
too. Rare samples would miss the total usage of several short-lived processes; the kernel records only the peak of each
one. The cost: docs/performance.md, Executor.
"""


class Limited(Protocol):
    """An attempt as far as its limits concern it."""

    @property
    def run(self) -> Run: ...

    def exhaust(self, exceeded: Exceeded) -> None:
        """It is over a limit: end it."""


class Watched:
    """The recorded usage of one attempt."""

    def __init__(self, attempt: Limited, leader: Leader, started: float, folder: str,
                 linked: Sequence[Mapping[int, int]] = ()) -> None:
        """`linked`: the inputs in its sandbox that the cache has as well, as for `disk_usage`."""
        self.attempt = attempt
        self.leader = leader
        self.started = started
        self.folder = folder
        self._linked = linked
        self.memory = self.memory_peak = 0
        self.gpu_memory_mb = 0.0
        """The most that it had on its GPUs; 0 if unknown."""
        self.growth = 0
        """Growth of memory between the last two measurements."""
        self.disk = self.disk_peak = self.linked_disk = 0
        self.disk_due = started + QUICK_S
        self.turns = Turns()
        self.charges = procs.Charges()
        self.kill_at: float | None = None
        """Time of the SIGKILL, once the attempt was asked to end."""

        self.over = False
        """Its processes are gone; its outputs are still to be delivered."""

    def scan_disk(self) -> files.Listing:
        """Measure; returns what lies in its folder."""
        found = files.Listing()
        self.disk, self.linked_disk = files.disk_usage(self.folder, self._linked, found)
        self.disk_peak = max(self.disk_peak, self.disk)
        return found

    def usage(self) -> Usage:
        """Of the attempt, whose processes are gone."""
        leader = self.leader
        wall = max(leader.ended_at - self.started, 0.001)
        # Too short to be measured: an upper bound is better than nothing.
        peak = max(leader.peak_bytes, self.memory_peak) or leader.at_most_bytes
        wait = self.turns.wait_s(leader.cpu_s)
        used = usable(leader.cpu_s, wait, wall, of_machine())
        return Usage(memory_mb=round(peak / MB, 3), disk_mb=round(self.disk_peak / MB, 3), cores=round(used, 3),
                     cpu_s=round(leader.cpu_s, 3), wall_s=round(wall, 3), wait_s=round(wait, 3),
                     gpu_memory_mb=self.gpu_memory_mb)

    def load(self) -> Load:
        return Load(self.attempt.run, self.memory / MB, self.disk / MB, self.growth / MB)


class Monitor:
    """Thread-safe. Attempts are watched from their command's start to its end."""

    def __init__(self, claim: ClaimData, reaper: Reaper, cache: Cache, links: Links,
                 clock: Callable[[], float] = time.monotonic, computed: Callable[[], float] = time.thread_time) -> None:
        """`computed`: CPU seconds of the thread that asks."""
        self._claim = claim
        self._reaper = reaper
        self._cache = cache
        self._links = links
        self._clock, self._computed = clock, computed
        self._changed = threading.Condition()
        self._watched: dict[str, Watched] = {}
        self._asleep = False
        self._sample_due = 0.0
        self._shm = shm.Files(self._processes)
        threading.Thread(target=self._work, name="monitor", daemon=True).start()

    def watch(self, watched: Watched) -> None:
        with self._changed:
            self._watched[watched.attempt.run.attempt] = watched
            limit = watched.attempt.run.limit_wall_s
            if self._asleep or (limit is not None and limit < SLOW_S):
                self._changed.notify()

    def unwatch(self, watched: Watched) -> None:
        with self._changed:
            self._watched.pop(watched.attempt.run.attempt, None)
        self._shm.forget(watched.attempt.run.attempt)

    def hurry(self) -> None:
        """A deadline was set: wake the thread."""
        with self._changed:
            self._changed.notify()

    def used_mb(self) -> tuple[float, float]:
        """Memory and disk of the whole claim, including the executor and its cache, as last measured."""
        with self._changed:
            watched = list(self._watched.values())
        own = procfs.read(_me())
        return ((sum(w.memory for w in watched) + (own.rss_bytes if own else 0)) / MB,
                (sum(w.disk - w.linked_disk for w in watched) + self._cache.bytes) / MB)

    def _processes(self) -> dict[str, set[int]]:
        with self._changed:
            watched = [w for w in self._watched.values() if not w.over]
        table = self._reaper.table() if watched else procfs.Table(())
        return {w.attempt.run.attempt: self._reaper.processes(table, w.leader) for w in watched}

    # --- the thread ---
    def _work(self) -> None:
        while True:
            with self._changed:
                self._asleep = not self._watched
                self._changed.wait(self._pause())
                self._asleep = False
                watched = list(self._watched.values())
            try:
                self._look(watched, self._clock())
            except Exception:
                logger.exception("a measurement failed")
                time.sleep(SLOW_S)  # no tight loop while it keeps failing

    def _pause(self) -> float | None:
        if not self._watched:
            return None
        due = self._sample_due
        for w in self._watched.values():
            limit = w.attempt.run.limit_wall_s
            if w.over:
                continue
            if w.kill_at is not None:
                due = min(due, w.kill_at)
            elif limit is not None:
                due = min(due, w.started + limit + 0.01)
        # No tight loop when a deadline has passed and its attempt is about to end.
        return max(0.02, due - self._clock())

    def _look(self, watched: list[Watched], now: float) -> None:
        if now >= self._sample_due:
            self._sample([w for w in watched if now - w.started >= QUICK_S / 2 and not w.over], now)
        self._links.look()
        watched = [w for w in watched if not w.over]
        for w in watched:
            if w.kill_at is not None:
                if now >= w.kill_at:
                    self._reaper.kill(w.leader)
                continue
            exceeded = over_own_limit(w.load(), now - w.started)
            if exceeded is not None:
                w.attempt.exhaust(exceeded)
        self._guard([w for w in watched if w.kill_at is None])

    def _sample(self, watched: list[Watched], now: float) -> None:
        begin_s = self._computed()
        if watched:
            table, unmapped = self._reaper.table(), self._shm.bytes_of()
            for w in watched:
                before = w.memory
                self._measure(w, table, unmapped.get(w.attempt.run.attempt, 0))
                w.growth = max(w.memory - before, 0)
                if now >= w.disk_due:
                    begin = self._clock()
                    w.scan_disk()
                    spent = self._clock() - begin
                    w.disk_due = self._clock() + max(min(2 * SLOW_S, (now - w.started) / 4), COST * spent, QUICK_S)
        spent = self._computed() - begin_s
        youngest_s = min((now - w.started for w in watched), default=0.0)
        large = sum(w.memory for w in watched) > 0.7 * self._claim.memory_mb * MB or any(
            w.memory > 0.7 * (w.attempt.run.limit_memory_mb or 1e12) * MB for w in watched)
        if large:
            calm = 0.0
        elif not any(w.charges.changed for w in watched):
            calm = min(SLOW_S, youngest_s / 4)
        else:
            calm = 0.0 if youngest_s < YOUNG_S else min(SLOW_S, CALM_COST * spent)
        self._sample_due = self._clock() + max(QUICK_S, calm, COST * spent)

    def _measure(self, w: Watched, table: procfs.Table, shm_bytes: int) -> None:
        pids = self._reaper.processes(table, w.leader)
        w.turns.look(table[pid] for pid in pids)
        charges = w.charges.look(table[pid] for pid in pids)
        w.memory = procs.memory_bytes(charges)
        # Mapped parts of its files in /dev/shm were counted already.
        w.memory += max(0, shm_bytes - sum(c.shared_bytes for c in charges.values()))
        w.memory_peak = max(w.memory_peak, w.memory)
        w.leader.mapped_bytes = max([w.leader.mapped_bytes, *(c.file_bytes for c in charges.values())])

    def _guard(self, watched: list[Watched]) -> None:
        loads = [w.load() for w in watched]
        index = victim_of_memory(self._claim, loads)
        resource = "memory"
        if index is None and self._claim.disk_mb > 0:
            resource = "disk"
            linked = sum(w.linked_disk for w in watched) / MB
            spare = self._claim.disk_mb - sum(x.disk_mb for x in loads) + linked
            self._cache.shrink(int(max(0.0, spare) * MB))
            index = victim_of_disk(self._claim, loads, self._cache.bytes / MB - linked)
        if index is not None:
            exceeded: Exceeded = guard_reason(resource, self._claim, loads[index])
            watched[index].attempt.exhaust(exceeded)


def _me() -> int:
    import os

    return os.getpid()
