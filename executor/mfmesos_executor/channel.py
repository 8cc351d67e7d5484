"""Carries syncs to the scheduler: the scheduler may hold one while a newer one is sent, each on its own connection."""
from __future__ import annotations

import queue
import threading
from typing import Callable, NamedTuple

from mfmesos.shared import wire
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire_checks import WireError
from mfmesos_executor.client import Client, Connection, Refused, Unreachable

LANES = 2


class Answered(NamedTuple):
    """The outcome of sync `seq`: an answer, or an error."""

    seq: int
    answer: wire.SyncAnswer | None
    error: Exception | None = None


class Channel:
    """`send` while `free`; the outcome of each sync is posted, on another thread."""

    def __init__(self, client: Client, post: Callable[[Answered], None], read_s: float) -> None:
        self._client = client
        self._post = post
        self._read_s = read_s
        self._lock = threading.Lock()
        self._free: list[_Lane] = [_Lane(self, client.connection()) for _ in range(LANES)]

    @property
    def free(self) -> bool:
        return bool(self._free)

    def send(self, seq: int, body: bytes) -> None:
        with self._lock:
            lane = self._free.pop()
        lane.jobs.put((seq, body))

    def exchange(self, connection: Connection, seq: int, body: bytes) -> Answered:
        try:
            raw = self._client.sync(connection, body, self._read_s)
            return Answered(seq, wire.load_sync_answer(raw))
        except WireError as e:
            return Answered(seq, None, Unreachable(m.ANSWER_INVALID(why=e)))
        except (Unreachable, Refused) as e:
            return Answered(seq, None, e)

    def done(self, lane: _Lane, answered: Answered) -> None:
        with self._lock:
            self._free.append(lane)
        self._post(answered)


class _Lane:
    """A thread with its connection."""

    def __init__(self, channel: Channel, connection: Connection) -> None:
        self.jobs: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._channel = channel
        self._connection = connection
        threading.Thread(target=self._work, name="sync", daemon=True).start()

    def _work(self) -> None:
        while True:
            seq, body = self.jobs.get()
            self._channel.done(self, self._channel.exchange(self._connection, seq, body))
