"""Keeps an agent's status updates until the framework acknowledges them: one stream per task."""
from __future__ import annotations

import asyncio
from typing import Callable

from mfmesos.allocation.amounts import Json

RETRY_S = 10.0
RETRY_MAX_S = 600.0
TaskKey = tuple[str, str]
"""(framework id, task id)"""
Forward = Callable[[str, Json, str], None]
"""Called with framework id, status and the task's latest state."""


class UpdateManager:
    """Sends the oldest unacknowledged update of each task, repeatedly with growing pauses."""

    def __init__(self, forward: Forward, retry_s: float = RETRY_S) -> None:
        self._forward, self._retry_s = forward, retry_s
        self._pending: dict[TaskKey, list[Json]] = {}
        self._timers: dict[TaskKey, asyncio.TimerHandle] = {}

    def add(self, framework_id: str, status: Json) -> None:
        key = framework_id, status["task_id"]["value"]
        pending = self._pending.setdefault(key, [])
        if any(one["uuid"] == status["uuid"] for one in pending):
            return
        pending.append(status)
        if len(pending) == 1:
            self._send(key, self._retry_s)

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> Json | None:
        """The acknowledged status, or None if it is not the one that was sent last."""
        key = framework_id, task_id
        pending = self._pending.get(key)
        if not pending or pending[0]["uuid"] != uuid:
            return None
        done = pending.pop(0)
        self._cancel(key)
        if pending:
            self._send(key, self._retry_s)
        else:
            del self._pending[key]
        return done

    def resend(self, framework_id: str | None = None) -> None:
        """Send all unacknowledged updates at once: to a new master, or to a framework that subscribed again."""
        for key in list(self._pending):
            if framework_id in (None, key[0]):
                self._send(key, self._retry_s)

    def forget(self, framework_id: str) -> None:
        for key in [k for k in self._pending if k[0] == framework_id]:
            self._cancel(key)
            del self._pending[key]

    def close(self) -> None:
        for key in list(self._timers):
            self._cancel(key)

    def pending(self, framework_id: str, task_id: str) -> bool:
        return (framework_id, task_id) in self._pending

    def _send(self, key: TaskKey, pause: float) -> None:
        self._cancel(key)
        pending = self._pending[key]
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(pause, self._send, key, min(pause * 2, RETRY_MAX_S))
        self._forward(key[0], pending[0], str(pending[-1]["state"]))

    def _cancel(self, key: TaskKey) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
