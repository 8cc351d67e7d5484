"""The executor's connection to Mesos: pymesos's executor driver, hardened against failures of agents and networks.

Runs on agents: standard library, pymesos and this package's own modules, Python 3.8 or newer.
"""
from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
import uuid
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any, Callable, Mapping, Protocol

from mfmesos.mesos.calls import Caller, CallLost, CallRefused
from mfmesos.mesos.imports import MesosExecutorDriver, parse_duration
from mfmesos.mesos.process import HardenedProcess
from mfmesos.mesos.stream import Timing
from mfmesos.shared.addresses import split_address
from mfmesos.shared.messages import mesos as m

logger = logging.getLogger(__name__)

_PATH = "/api/v1/executor"
_TRUE = ("1", "true", "yes", "on")
_WORTH_ANOTHER_TRY = (429, 500, 502, 503, 504)


class ExecutorRefused(Exception):
    """The agent requires something unsupported; one line with the requirement and the cure."""


class ExecutorEvents(Protocol):
    """The driver's callbacks to the executor, on the driver's thread. Exceptions are logged, never fatal."""

    def on_launch(self, task_id: str, data: bytes) -> None:
        """Run this task; `data` is TaskInfo.data, decoded."""

    def on_kill(self, task_id: str, grace_s: float | None) -> None:
        """End this task; `grace_s` is from the kill policy, None without one."""

    def on_shutdown(self) -> None:
        """End everything: kill, report, then stop the driver. The agent kills the container after its grace period."""

    def on_connected(self) -> None:
        """The agent accepted the executor, for the first time or again."""

    def on_disconnected(self) -> None:
        """The agent is unreachable; the driver keeps trying, or calls on_lost."""

    def on_lost(self, reason: str) -> None:
        """The agent is lost for good: end everything. No further update will arrive anywhere."""


class ExecutorDriver(HardenedProcess, MesosExecutorDriver):  # type: ignore[misc]  # pymesos has no types
    """start(); update(...) any time; wait_acknowledged(...); stop(). Thread-safe.

    Two threads: pymesos's, which reads events, and one that sends updates.
    """

    def __init__(self, events: ExecutorEvents, environ: Mapping[str, str] = os.environ, *, timing: Timing | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 uniform: Callable[[float, float], float] = random.uniform) -> None:
        """Raises ExecutorRefused (one line) if the agent requires something that pymesos does not support (https, a
        token).
        """
        # Not MesosExecutorDriver.__init__: it reads only os.environ, and treats MESOS_CHECKPOINT=0 as true.
        endpoint = _check_environment(environ)
        timing = timing or Timing()
        # A restarted agent ends executors that do not reconnect within executor_reregistration_timeout (default 2 s).
        often = _duration(environ.get("MESOS_SUBSCRIPTION_BACKOFF_MAX"), 2.0) / 2
        timing = replace(timing, most_backoff_s=min(timing.most_backoff_s, often))
        super(MesosExecutorDriver, self).__init__(master=endpoint)
        self.framework_id = {"value": environ["MESOS_FRAMEWORK_ID"]}
        self.executor_id = {"value": environ["MESOS_EXECUTOR_ID"]}
        self.checkpoint = environ.get("MESOS_CHECKPOINT", "").lower() in _TRUE
        self.local = environ.get("MESOS_LOCAL", "").lower() in _TRUE
        self.grace_shutdown_period = _duration(environ.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"), 5.0)
        self.recovery_timeout_s = _duration(environ.get("MESOS_RECOVERY_TIMEOUT"), 900.0)
        self.executor = self.executor_info = self.framework_info = None
        self.tasks: dict[str, Any] = {}
        self.updates: dict[uuid.UUID, dict[str, Any]] = {}
        self._dict_cls = dict
        self._events = events
        self._caller = Caller(timing.call_s)
        self._changed = threading.Condition(self._lock)
        self._sent: set[uuid.UUID] = set()
        self._subscribing: set[uuid.UUID] = set()
        self._launched: set[str] = set()
        self._lost = False
        self._ending = False
        self._sender: threading.Thread | None = None
        self.harden([endpoint], timing, uniform, clock)
        self._away_since = clock()

    # --- for the executor ---
    def start(self) -> None:
        HardenedProcess.start(self)
        self._sender = threading.Thread(target=self._send_updates, name="updates", daemon=True)
        self._sender.start()

    def update(self, task_id: str, state: str, message: str = "", reason: str | None = None,
               healthy: bool | None = None) -> None:
        """Report a state ("TASK_RUNNING", ...). Kept and sent again until the agent acknowledges it. Never blocks."""
        name = uuid.uuid4()
        status: dict[str, Any] = {
            "task_id": {"value": task_id}, "executor_id": self.executor_id, "state": state,
            "source": "SOURCE_EXECUTOR", "timestamp": time.time(), "uuid": b64encode(name.bytes).decode("ascii")}
        if message:
            status["message"] = message
        if reason is not None:
            status["reason"] = reason
        if healthy is not None:
            status["healthy"] = healthy
        with self._changed:
            self.updates[name] = {"status": status}
            self._changed.notify_all()

    def wait_acknowledged(self, timeout_s: float) -> bool:
        """Wait until every update is acknowledged; False after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.updates, timeout_s)

    def stop(self, failover: bool = True) -> None:
        """End the driver's threads within a few seconds. Sends nothing."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self.halt(3.0)
        if self._sender is not None and self._sender is not threading.current_thread():
            self._sender.join(3.0)

    def sendStatusUpdate(self, status: Mapping[str, Any]) -> None:
        """pymesos's name for it."""
        self.update(status["task_id"]["value"], status["state"], status.get("message", ""), status.get("reason"),
                    status.get("healthy"))

    # --- sending ---
    def _send(self, body: Any, path: str = _PATH, method: str = "POST",
              headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        self._caller.call(self._masters[0], path, body, dict(headers or {}), method)
        return {}

    def _next_unsent(self) -> uuid.UUID | None:
        if not self.connected:
            return None
        return next((name for name in self.updates if name not in self._sent), None)

    def _send_updates(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ending or self._next_unsent() is not None)
                if self._ending:
                    break
                name = self._next_unsent()
                if name is None:
                    continue
                update = self.updates[name]
            done = self._send_update(update)
            with self._changed:
                if done:
                    self._sent.add(name)
                elif not self._ending:
                    self._changed.wait(1.0)
        self._caller.close()

    def _send_update(self, update: dict[str, Any]) -> bool:
        """Whether the update is done: the agent has it, or will never have it, which is logged."""
        try:
            self._send({"type": "UPDATE", "executor_id": self.executor_id, "framework_id": self.framework_id,
                        "update": update})
        except CallRefused as e:
            logger.warning("state=%s refused: %s", update["status"]["state"], e)
            return e.status not in _WORTH_ANOTHER_TRY
        except CallLost as e:
            logger.warning("state=%s not sent: %s", update["status"]["state"], e)
            return False
        return True

    # --- the stream of events ---
    def gen_request(self) -> bytes:
        with self._lock:
            updates: list[dict[str, Any]] = list(self.updates.values())
            self._subscribing = set(self.updates)
            tasks = list(self.tasks.values())
        body = json.dumps({
            "type": "SUBSCRIBE", "framework_id": self.framework_id, "executor_id": self.executor_id,
            "subscribe": {"unacknowledged_tasks": tasks, "unacknowledged_updates": updates}}).encode("utf-8")
        head = (f"POST {_PATH} HTTP/1.1\r\nHost: {self._master}\r\nContent-Type: application/json\r\n"
                f"Accept: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode("ascii") + body

    def on_subscribed(self, info: dict[str, Any]) -> None:
        with self._changed:
            self._sent = set(self._subscribing)
            self.executor_info, self.framework_info = info.get("executor_info"), info.get("framework_info")
            self._changed.notify_all()
        self._events.on_connected()

    def on_launch(self, event: dict[str, Any]) -> None:
        task = event["task"]
        task_id = task["task_id"]["value"]
        with self._lock:
            if task_id in self._launched:
                logger.warning("task=%s launched twice; the first stands", task_id)
                return
            self._launched.add(task_id)
            self.tasks[task_id] = task
        self._events.on_launch(task_id, b64decode(task.get("data", "")))

    def on_launch_group(self, event: dict[str, Any]) -> None:
        for task in event["task_group"]["tasks"]:
            self.on_launch({"task": task})

    def on_kill(self, event: dict[str, Any]) -> None:
        grace = event.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds")
        self._events.on_kill(event["task_id"]["value"], None if grace is None else float(grace) / 1e9)

    def on_acknowledged(self, event: dict[str, Any]) -> None:
        name = uuid.UUID(bytes=b64decode(event["uuid"]))
        with self._changed:
            self.updates.pop(name, None)
            self._sent.discard(name)
            self.tasks.pop(event["task_id"]["value"], None)
            self._changed.notify_all()

    def on_message(self, event: dict[str, Any]) -> None:
        logger.info("a message from the framework, ignored")

    def on_error(self, event: dict[str, Any]) -> None:
        message = event.get("message", "")
        logger.error("error from the agent: %s", message)
        self.reconnect(m.AGENT_ERROR(why=message))

    def on_shutdown(self) -> None:
        # pymesos would send SIGKILL to this process group after the grace period, and stop listening at once.
        self._events.on_shutdown()

    def on_close(self) -> None:
        """pymesos's name for on_ended; never called."""

    def on_ended(self, reason: str, was_subscribed: bool) -> None:
        if was_subscribed:
            self._away_since = self._clock()
            logger.warning("disconnected: %s", reason)
            self._call_back(self._events.on_disconnected)
            if not self.checkpoint:
                self._give_up(m.AGENT_GONE(why=reason))
                return
        if self._clock() - self._away_since >= self.recovery_timeout_s:
            self._give_up(m.AGENT_NOT_BACK(seconds=self.recovery_timeout_s, why=reason))

    def on_final(self, reason: str) -> None:
        self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            self._started = False
            if self._lost:
                return
            self._lost = True
        logger.error("lost: %s", reason)
        self._call_back(self._events.on_lost, reason)


def _duration(text: str | None, default_s: float) -> float:
    """Mesos's "15mins" in seconds."""
    try:
        return float(parse_duration(text)) if text else default_s
    except (AssertionError, ValueError):
        logger.warning("unknown duration %r; using %g s", text, default_s)
        return default_s


def _check_environment(environ: Mapping[str, str]) -> str:
    """The agent's address; ExecutorRefused for an unsupported environment."""
    missing = [n for n in ("MESOS_AGENT_ENDPOINT", "MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID") if not environ.get(n)]
    if missing:
        raise ExecutorRefused(m.NOT_STARTED_BY_AGENT(names=", ".join(missing)))
    if environ.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"):
        raise ExecutorRefused(m.AGENT_AUTHENTICATES())
    if (environ.get("LIBPROCESS_SSL_ENABLED", "").lower() in _TRUE
            and environ.get("LIBPROCESS_SSL_SUPPORT_DOWNGRADE", "").lower() not in _TRUE):
        raise ExecutorRefused(m.AGENT_HTTPS_ONLY())
    endpoint = environ["MESOS_AGENT_ENDPOINT"]
    try:
        split_address(endpoint)
    except ValueError as e:
        raise ExecutorRefused(f"MESOS_AGENT_ENDPOINT: {e}") from None
    return endpoint
