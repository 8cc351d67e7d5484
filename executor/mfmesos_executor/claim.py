"""The claim's loop: syncs with the scheduler, starts and kills attempts, ends when it is told to or has to."""
from __future__ import annotations

import logging
import os
import queue
import random
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from mfmesos.shared import wire
from mfmesos.shared.wire import ClaimData, Result, Run, SyncAnswer, SyncRequest
from mfmesos_executor.attempt import Attempt, Tools
from mfmesos_executor.cache import Cache
from mfmesos_executor.channel import Answered, Channel
from mfmesos_executor.client import Client, Refused, Unreachable
from mfmesos_executor.environ import base_environment
from mfmesos_executor.files import remove_tree
from mfmesos_executor.monitor import MB, Monitor
from mfmesos_executor.reap import Reaper
from mfmesos_executor.room import Room
from mfmesos_executor.shortcut import Shortcut
from mfmesos_executor.skeletons import Skeletons
from mfmesos_executor.spares import Spares
from mfmesos_executor.threads import Pool

logger = logging.getLogger(__name__)
BATCH_S, MOST_BATCH_S, BUSY_BATCH_S = 0.004, 0.02, 0.04
"""Results that come so soon after a sync wait for each other; longer where many run side by side, and longest while
more wait here for their turn: each sync costs both sides about what a short task does."""
BUSY = 4
"""So many that wait are work for as long as a sync is put off."""
HEARTBEAT_S = 30.0
"""A sync that was held so long is followed by a newer one, so that a dead scheduler is noticed."""
READ_S = 75.0
MOST_SYNC_BYTES = 4 << 20
"""Of results in one sync, about; the server takes 32 MiB."""
CLOSING_S = 2.0
"""For the last sync."""
WORKERS = 16
SPARES = 1000
FOLDERS = ("tasks", "cache", "spare")


class FolderGone(Exception):
    """Somebody removed the folder of the claim while it ran."""


class Vanished:
    """An attempt has met that."""


@dataclass
class Ended:
    result: Result


@dataclass
class Close:
    """End the claim. `state` and `message` are what Mesos is told; `grace_s` bounds the attempts' own ends."""

    state: str
    message: str = ""
    grace_s: float | None = None
    say_goodbye: bool = True
    """Whether a last sync makes sense."""


class Claim:
    """`run` it on one thread; `post(Close(...))` from any."""

    def __init__(self, data: ClaimData, folder: str, environ: Mapping[str, str], reaper: Reaper,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """`folder`: an existing one that is ours alone."""
        self._data = data
        self._clock = clock
        self._folder = folder
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client = self._client = Client(data, clock)
        for name in FOLDERS:
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        spares = Spares(f"{folder}/spare", SPARES)
        cache = Cache(f"{folder}/cache", client, int(data.disk_mb * MB / 2) if data.disk_mb > 0 else None, spares)
        monitor = Monitor(data, reaper, cache, clock)
        self._reaper = reaper
        shortcut = self._shortcut = Shortcut(f"{folder}/tasks")
        self._tools = Tools(data, client, cache, reaper, monitor, Pool(WORKERS), base_environment(environ),
                            Skeletons(f"{folder}/tasks", WORKERS, spares), clock,
                            tuple(f"{folder}/{name}" for name in FOLDERS), lambda: self.post(Vanished()),
                            lambda root: f"{shortcut.path}/{os.path.basename(root)}")
        self._channel = Channel(client, self.post, READ_S)
        self._room = Room(data)
        self._attempts: dict[str, Attempt] = {}
        self._results: dict[str, Result] = {}
        self._told: dict[int, list[str]] = {}
        """Of each sync without an answer yet, the attempts whose results it holds: one that follows for the sake of
        news does not repeat them, and there they count as running."""
        self._again: set[str] = set()
        """Results that may not have been taken, since the answer that came says nothing of them."""
        self._known: set[str] = set()
        self._seq = self._got = 0
        self._outstanding: int | None = None
        """The newest sync that has not been answered."""
        self._news = True
        self._more = False
        """The newest sync did not hold all results."""
        self._sent_at = 0.0
        self._not_before = 0.0
        self._pause = 0.1
        self._heard_at = clock()
        self._deserted_since: float | None = None
        """Since when nothing listens at the scheduler's port, whenever it is tried."""
        self._close: Close | None = None
        self._heartbeat_s = min(HEARTBEAT_S, max(0.05, data.give_up_s / 4))

    def post(self, event: Any) -> None:
        self._events.put(event)

    def run(self) -> Close:
        """Until the claim ends; then every process is gone and every file is removed. Raises FolderGone."""
        try:
            while self._close is None:
                self._sync_if_due()
                self._handle_all(self._timeout())
                self._check_patience()
            self._end(self._close)
            return self._close
        finally:
            self._shortcut.remove()

    # --- syncing ---
    def _due(self) -> float:
        """When the next sync is due."""
        if not self._channel.free:
            return float("inf")
        if self._outstanding is None:
            return self._not_before
        if self._news or self._again:
            wait = min(MOST_BATCH_S, BATCH_S * (1 + len(self._attempts) / 8))
            if self._room.waiting >= BUSY:
                wait = BUSY_BATCH_S
            return max(self._not_before, self._sent_at + wait)
        return self._sent_at + self._heartbeat_s

    def _timeout(self) -> float:
        now = self._clock()
        patience = self._heard_at + self._data.give_up_s - now + 0.01
        return max(0.0, min(self._due() - now, patience, 5.0))

    def _sync_if_due(self) -> None:
        now = self._clock()
        if self._due() > now:
            return
        self._seq += 1
        self._channel.send(self._seq, wire.dumps(self._request()))
        self._outstanding = self._seq
        self._news = False
        self._again.clear()
        self._sent_at = now

    def _request(self, closing: bool = False) -> SyncRequest:
        memory, disk = self._tools.monitor.used_mb()
        results, room = {}, MOST_SYNC_BYTES
        told = self._under_way() if self._news and not self._again and not closing else set()
        for name, result in self._results.items():
            if name in told:
                continue
            room -= len(result.tar or "") + len(result.stdout) + len(result.stderr) + 500
            if results and room < 0:
                # The rest is said once these were acknowledged; until then it counts as running.
                self._more = True
                break
            results[name] = result
        self._told[self._seq] = list(results)
        return SyncRequest(
            seq=self._seq, got=self._got, running=[a for a in self._attempts if a not in results],
            results=list(results.values()), memory_mb=round(memory, 1), disk_mb=round(disk, 1),
            free_disk_mb=round(_free_mb(self._folder), 1), closing=closing)

    def _under_way(self) -> set[str]:
        return {name for names in self._told.values() for name in names}

    def _handle_all(self, timeout_s: float) -> None:
        """Everything that is there, so that one sync carries all of it."""
        try:
            event = self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait()
            while True:
                self._handle(event)
                event = self._events.get_nowait()
        except queue.Empty:
            pass

    def _handle(self, event: Any) -> None:
        if isinstance(event, Ended):
            self._attempt_ended(event.result)
        elif isinstance(event, Answered):
            self._answered(event)
        elif isinstance(event, Vanished):
            if self._close is None:
                raise FolderGone
        elif self._close is None:
            self._close = event

    def _answered(self, event: Answered) -> None:
        newest = event.seq == self._outstanding
        if newest:
            self._outstanding = None
        told = self._told.pop(event.seq, [])
        if isinstance(event.error, Refused):
            self._refused(event.error, newest)
        elif event.answer is None:
            if newest:
                self._lost(event.error)
        else:
            self._heard_at = self._clock()
            self._deserted_since = None
            self._pause = 0.1
            self._not_before = 0.0
            if not event.answer.superseded:
                # Whatever became of older ones: what they told and this answer does not acknowledge is told once more.
                self._told = {seq: names for seq, names in self._told.items() if seq > event.seq}
                self._obey(event.answer)
                return
        self._again.update(self._results.keys() & set(told) - self._under_way())

    def _lost(self, error: Exception | None) -> None:
        logger.warning("sync=%d lost: %s", self._seq, error)
        if not (isinstance(error, Unreachable) and error.nobody):
            self._deserted_since = None
        elif self._deserted_since is None:
            self._deserted_since = self._clock()
        self._not_before = self._clock() + self._pause * random.uniform(0.5, 1.0)
        self._pause = min(self._pause * 2, 5.0)

    def _refused(self, error: Refused, newest: bool) -> None:
        if error.status in (401, 403, 404, 410, 495):
            self._close = self._close or Close("TASK_FAILED", f"the scheduler refused this claim: {error}", 0.0, False)
        elif newest:
            self._lost(error)

    def _check_patience(self) -> None:
        silent = self._clock() - self._heard_at
        if self._close is None and silent > self._data.give_up_s:
            self._close = Close("TASK_FAILED", f"the scheduler did not answer for {silent:.0f} s")
        if self._close is None and self._deserted_since is not None:
            deserted = self._clock() - self._deserted_since
            if deserted > max(self._data.deserted_s, self._at_stake_s()):
                # Nobody's failure: whoever resumes the run is not to blame the agent.
                self._close = Close("TASK_FINISHED", f"the scheduler has been gone for {deserted:.0f} s", 0.0, False)

    def _at_stake_s(self) -> float:
        """How long the longest of the attempts has run that would have to be run again."""
        ended = (result.usage.wall_s for result in self._results.values())
        running = (a.worked_s() for name, a in self._attempts.items() if name not in self._results)
        return max((*ended, *running), default=0.0)

    # --- obeying ---
    def _obey(self, answer: SyncAnswer) -> None:
        self._got = max(self._got, answer.number)
        if self._more and answer.acked:
            self._more, self._news = False, True
        for attempt in answer.acked:
            if self._results.pop(attempt, None) is not None:
                self._attempts.pop(attempt, None)
                self._again.discard(attempt)
        if self._close is not None:
            return
        for run in answer.run:
            self._take_on(run)
        for name in answer.kill:
            if name in self._attempts and name not in self._results:
                self._kill(name, self._data.kill_grace_s)
        if answer.release:
            self._close = Close("TASK_FINISHED", say_goodbye=False)

    def _take_on(self, run: Run) -> None:
        if run.attempt in self._known:
            return
        self._known.add(run.attempt)
        attempt = Attempt(run, self._tools, lambda result: self.post(Ended(result)))
        self._attempts[run.attempt] = attempt
        self._room.enter(run, attempt.start)

    def _kill(self, name: str, grace_s: float) -> None:
        self._attempts[name].kill(grace_s)
        if not self._room.has_started(name):
            self._attempt_ended(Result(name, wire.KILLED, "killed before it started"))

    def _attempt_ended(self, result: Result) -> None:
        self._room.leave(result.attempt)
        self._results[result.attempt] = result
        self._news = True
        if result.outcome != wire.FINISHED:
            logger.info("attempt=%s %s wall=%.1fs%s", result.attempt, result.outcome, result.usage.wall_s,
                        f" signal={result.signal}" if result.signal else
                        f" exit={result.exit_code}" if result.exit_code else "")

    # --- the end ---
    def _end(self, close: Close) -> None:
        grace = self._data.kill_grace_s if close.grace_s is None else min(close.grace_s, self._data.kill_grace_s)
        # Backwards: one that waits for room is not to start because another one ends.
        for name in reversed(self._running()):
            self._kill(name, grace)
        until = self._clock() + grace + 2.0
        while self._running() and self._clock() < until:
            self._handle_all(max(0.001, until - self._clock()))
        self._reaper.kill_all()
        if close.say_goodbye:
            self._say_goodbye()
        for name in FOLDERS:
            remove_tree(f"{self._folder}/{name}")

    def _running(self) -> list[str]:
        return [name for name in self._attempts if name not in self._results]

    def _say_goodbye(self) -> None:
        """One last sync, so that what ended is known; bounded."""
        self._seq += 1
        connection = self._client.connection()
        try:
            self._client.sync(connection, wire.dumps(self._request(closing=True)), CLOSING_S)
        except (Unreachable, Refused) as e:
            logger.warning("the last sync was lost: %s", e)
        finally:
            connection.close()


def _free_mb(path: str) -> float:
    try:
        found = os.statvfs(path)
    except OSError:
        return -1.0
    return found.f_bavail * found.f_frsize / MB
