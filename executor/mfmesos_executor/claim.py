"""The claim's loop: carries out the decisions of `SyncState`; starts and kills attempts; cleans up at the end."""
from __future__ import annotations

import logging
import os
import queue
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Mapping, Union

from mfmesos.shared import wire
from mfmesos.shared.messages import executor as m
from mfmesos.shared.resources import four
from mfmesos.shared.wire import ClaimData, Result, Run, SyncRequest
from mfmesos_executor.attempt import Attempt
from mfmesos_executor.cache import Cache
from mfmesos_executor.channel import Answered, Channel
from mfmesos_executor.client import Client, Refused, Unreachable
from mfmesos_executor.environ import base_environment
from mfmesos_executor.fetching import Scheduler, Source
from mfmesos_executor.files import FolderGone, remove_tree
from mfmesos_executor.first_copies import FirstCopies
from mfmesos_executor.gpus import NoGpus
from mfmesos_executor.monitor import MB, Monitor
from mfmesos_executor.pinning import Temporaries
from mfmesos_executor.placing import Placer
from mfmesos_executor.printed import piece_of
from mfmesos_executor.reap import Reaper
from mfmesos_executor.room import Room
from mfmesos_executor.same_host import SameHost
from mfmesos_executor.shared import Links
from mfmesos_executor.shortcut import Shortcut
from mfmesos_executor.siblings import Siblings
from mfmesos_executor.skeletons import Skeletons
from mfmesos_executor.sync_state import Close, Orders, SyncState
from mfmesos_executor.threads import Lanes, Pool
from mfmesos_executor.tools import Tools
from mfmesos_executor.webfiles import Web

if TYPE_CHECKING:
    from mfmesos_executor.peers import Peers

logger = logging.getLogger(__name__)
READ_S = 75.0
"""A sync without an answer for this long is lost: the heartbeat after it would have led to its answer."""
MOST_WAIT_S = 5.0
"""Maximum time between two checks of the state."""
CLOSING_S = 2.0
"""For the last sync."""
WORKERS = 16
MOST_AT_ONCE = 32
"""Events that are handled before it is looked whether a sync is due."""
FOLDERS = ("tasks", "cache")
SOON_REMOVED_BYTES = 20 << 30
"""A cache of this size is removed in about a second: before the agent ends what is left of a run."""


class Vanished:
    """An attempt found that the folder is gone."""


@dataclass
class Step:
    """What an attempt does on this thread."""

    run: Callable[[], None]


@dataclass
class Idle:
    """An attempt only delivers its outputs now."""

    attempt: str


@dataclass
class Ended:
    """An attempt has ended."""

    result: Result


@dataclass
class Lacking:
    """A temporary output of that digest is needed, and is not there."""

    digest: str


class News:
    """What a sync reports of the agent's GPUs has changed."""


Event = Union[Step, Idle, Ended, Answered, Vanished, Lacking, News, Close]


class Claim:
    """`run` it on one thread; `post(Close(...))` from any thread."""

    def __init__(self, data: ClaimData, folder: str, environ: Mapping[str, str], reaper: Reaper,
                 clock: Callable[[], float] = time.monotonic,
                 give_back: Callable[[str, int], None] = lambda claim, number: None,
                 first: FirstCopies | None = None) -> None:
        """`folder`: an existing folder that only this claim uses; `give_back`: ends a slice's Mesos task."""
        self._data = data
        self._clock = clock
        self._folder = folder
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        client = self._client = Client(data, clock)
        for name in FOLDERS:
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        links = Links(f"{folder}/cache")
        scheduler = Scheduler(client)
        siblings = Siblings(folder, clock)
        sources: list[Source] = [siblings, Web(), SameHost(client, first), scheduler]
        self._peers: Peers | None = None
        if data.peer_secret:
            from mfmesos_executor.peers import Peers  # few executors need it

            self._peers = Peers(client, data, folder, clock)
            sources.insert(3, self._peers)  # a copy on this machine takes nobody's time
        room = int(data.disk_mb * MB / 2) if data.disk_mb > 0 else None
        cache = self._cache = Cache(f"{folder}/cache", sources, room, Placer(links), siblings)
        if self._peers is not None:
            self._peers.serve_from(cache)
        monitor = Monitor(data, reaper, cache, links, clock)
        self._reaper = reaper
        shortcut = self._shortcut = Shortcut(f"{folder}/tasks")
        temporaries = Temporaries(cache, client, lambda digest: self.post(Lacking(digest)))
        gpus = NoGpus()
        if data.gpus > 0:
            from mfmesos_executor.gpu_keeper import keeper_of  # few executors need it

            gpus = keeper_of(environ, reaper, lambda: self.post(News()))
        self._tools = Tools(data, client, cache, reaper, monitor, Pool(WORKERS), Lanes(WORKERS),
                            base_environment(environ),
                            Skeletons(f"{folder}/tasks", WORKERS), scheduler.fetch_many, temporaries, gpus, clock,
                            lambda step: self.post(Step(step)),
                            tuple(f"{folder}/{name}" for name in FOLDERS), lambda: self.post(Vanished()),
                            lambda root: f"{shortcut.path}/{os.path.basename(root)}")
        self._temporaries, self._gpus = temporaries, gpus
        self._channel = Channel(client, self.post, READ_S)
        self._room = Room(data)
        self._slices = {number: four((*of, 0.0)) for number, of in enumerate(data.slices, 1)}
        self._give_back = give_back
        self._attempts: dict[str, Attempt] = {}
        self._state = SyncState(data.give_up_s, data.deserted_s, clock(), lambda: random.uniform(0.5, 1.0))

    def post(self, event: Event) -> None:
        self._events.put(event)

    def run(self) -> Close:
        """Run until the claim ends; then every process is gone and every file is removed. Raises FolderGone."""
        try:
            self._gpus.begin()
            while self._state.close is None:
                self._sync_if_due()
                self._handle_all(self._timeout_s())
                self._state.check_patience(self._clock(), self._at_stake_s)
            self._end(self._state.close)
            return self._state.close
        finally:
            self._shortcut.remove()

    # --- syncing ---
    def _due_at(self) -> float:
        return self._state.due_at(self._channel.free, len(self._attempts), self._room.waiting)

    def _timeout_s(self) -> float:
        now = self._clock()
        return max(0.0, min(self._due_at() - now, self._state.patience_ends_at() - now, MOST_WAIT_S))

    def _sync_if_due(self) -> None:
        now = self._clock()
        if self._due_at() > now:
            return
        request = self._measured(self._state.next_sync(self._attempts, now))
        self._channel.send(request.seq, wire.dumps(request))

    def _measured(self, request: SyncRequest) -> SyncRequest:
        memory, disk = self._tools.monitor.used_mb()
        request.memory_mb, request.disk_mb = round(memory, 1), round(disk, 1)
        request.slices, request.devices = list(self._slices), self._gpus.report()
        request.free_disk_mb = round(_free_mb(self._folder), 1)
        return request

    def _handle_all(self, timeout_s: float) -> None:
        """Handle the pending events, so that one sync reports all of them; no more than MOST_AT_ONCE, since steps take
        time and more may come meanwhile.
        """
        try:
            self._handle(self._events.get(timeout=timeout_s) if timeout_s > 0 else self._events.get_nowait())
            for _ in range(MOST_AT_ONCE):
                self._handle(self._events.get_nowait())
        except queue.Empty:
            pass

    def _handle(self, event: Event) -> None:
        if isinstance(event, Step):
            self._do(event.run)
        elif isinstance(event, Ended):
            self._attempt_ended(event.result)
        elif isinstance(event, Idle):
            self._room.keep_disk(event.attempt)
        elif isinstance(event, Answered):
            self._answered(event)
        elif isinstance(event, Lacking):
            self._state.lacks(event.digest)
        elif isinstance(event, News):
            self._state.has_news()
        elif isinstance(event, Vanished):
            if self._state.close is None:
                raise FolderGone
        else:
            self._state.end(event)

    @staticmethod
    def _do(step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            logger.exception("a step failed")

    def _answered(self, event: Answered) -> None:
        now, error = self._clock(), event.error
        if event.answer is not None:
            self._obey(self._state.answered(event.seq, event.answer, now))
            return
        if isinstance(error, Refused):
            is_loss = self._state.refused(event.seq, error.status, str(error), now)
        else:
            is_loss = self._state.lost(event.seq, now, nobody=isinstance(error, Unreachable) and error.nobody)
        if is_loss:
            logger.warning("sync=%d lost: %s", event.seq, error)

    def _at_stake_s(self) -> float:
        """The longest run time of the attempts that would have to run again."""
        ended = (result.usage.wall_s for result in self._state.results.values())
        running = (self._attempts[name].worked_s() for name in self._running())
        return max((*ended, *running), default=0.0)

    # --- answers ---
    def _obey(self, orders: Orders) -> None:
        for name in orders.forget:
            self._attempts.pop(name, None)
        self._temporaries.drop(orders.drop)
        if orders.pins is not None:
            self._temporaries.drop_others(orders.pins, self._attempts)
        for number in orders.give_back:
            self._shrink(number)
        for run in orders.run:
            self._take_on(run)
        for digest in orders.send:
            self._temporaries.send(digest)
        for wanted in orders.show:
            over = wanted.attempt in self._state.results  # its folder may be that of another attempt by now
            self._state.shows(piece_of(None if over else self._attempts.get(wanted.attempt), wanted))
        for name in orders.kill:
            if name in self._attempts and name not in self._state.results:
                self._kill(name, self._data.kill_grace_s)

    def _shrink(self, number: int) -> None:
        """Other frameworks wait: the claim goes on without that slice."""
        part = self._slices.pop(number, None)
        if part is None:
            return
        self._room.shrink(part)
        self._data.cores -= part.cores
        self._data.memory_mb -= part.memory_mb
        self._data.disk_mb -= part.disk_mb
        self._give_back(self._data.claim, number)

    def _take_on(self, run: Run) -> None:
        attempt = Attempt(run, self._tools, lambda result: self.post(Ended(result)),
                          lambda: self.post(Idle(run.attempt)))
        self._attempts[run.attempt] = attempt
        self._room.enter(run, attempt.start)

    def _kill(self, name: str, grace_s: float) -> None:
        self._attempts[name].kill(grace_s)
        if not self._room.has_started(name):
            self._attempt_ended(Result(name, wire.KILLED, m.KILLED_BEFORE_START()))

    def _attempt_ended(self, result: Result) -> None:
        self._room.leave(result.attempt)
        self._state.ended(result)
        if result.outcome != wire.FINISHED:
            logger.info("attempt=%s %s wall=%.1fs%s", result.attempt, result.outcome, result.usage.wall_s,
                        f" signal={result.signal}" if result.signal else
                        f" exit={result.exit_code}" if result.exit_code else "")

    # --- the end ---
    def _end(self, close: Close) -> None:
        self._temporaries.close()
        grace = self._data.kill_grace_s if close.grace_s is None else min(close.grace_s, self._data.kill_grace_s)
        # In reverse order: an attempt that waits for resources must not start because another one ends.
        killed = self._running()
        for name in reversed(killed):
            self._kill(name, grace)
        until = self._clock() + grace + 2.0
        while self._running() and self._clock() < until:
            self._handle_all(max(0.001, until - self._clock()))
        self._reaper.kill_all()
        if self._peers is not None:
            self._peers.close()
        if close.say_goodbye or (close.state == "TASK_FINISHED" and self._have_printed(killed)):
            self._say_goodbye()
        if close.over and self._cache.bytes <= SOON_REMOVED_BYTES:
            return
        for name in FOLDERS:
            remove_tree(f"{self._folder}/{name}")

    def _running(self) -> list[str]:
        return [name for name in self._attempts if name not in self._state.results]

    def _have_printed(self, names: list[str]) -> bool:
        """Whether a user may want to read what these ended attempts have printed."""
        results = (self._state.results.get(name) for name in names)
        return any(result is not None and (result.stdout or result.stderr) for result in results)

    def _say_goodbye(self) -> None:
        """One last sync, which reports all ended attempts; bounded in time."""
        request = self._measured(self._state.last_sync(self._attempts))
        connection = self._client.connection()
        try:
            self._client.sync(connection, wire.dumps(request), CLOSING_S)
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
