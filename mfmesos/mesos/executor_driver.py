"""The executor's end of Mesos: pymesos's executor driver, made to survive what agents and networks do.

Runs on agents: standard library, pymesos and this package's own modules, Python 3.8 or newer.
"""
from __future__ import annotations

import os
from typing import Mapping, Optional


class ExecutorEvents:
    """What the driver tells the executor; called on the driver's thread. Exceptions are logged, never fatal."""

    def on_launch(self, task_id: str, data: bytes) -> None:
        """Run this task; `data` is TaskInfo.data, decoded."""

    def on_kill(self, task_id: str, grace_s: Optional[float]) -> None:
        """End this task; `grace_s` from the kill policy, None where there was none."""

    def on_shutdown(self) -> None:
        """End everything: kill, report, then stop the driver. The agent kills the container after its grace period."""

    def on_connected(self) -> None:
        """The agent has accepted us, for the first time or again."""

    def on_disconnected(self) -> None:
        """The agent is not reachable; the driver keeps trying, or says on_lost."""

    def on_lost(self, reason: str) -> None:
        """No way back to the agent: end everything. No further update will reach anybody."""


class ExecutorDriver:
    """start(); update(...) any time; wait_acknowledged(...); stop(). Thread-safe."""

    def __init__(self, events: ExecutorEvents, environ: Mapping[str, str] = os.environ) -> None:
        """Raises ExecutorRefused (one line) where the agent asks for what pymesos cannot do (https, a token)."""

    def start(self) -> None: ...

    def update(self, task_id: str, state: str, message: str = "", reason: Optional[str] = None,
               healthy: Optional[bool] = None) -> None:
        """Report a state ("TASK_RUNNING", ...). Kept and sent again until the agent acknowledges it. Never blocks."""

    def wait_acknowledged(self, timeout_s: float) -> bool:
        """Wait until every update was acknowledged; False when `timeout_s` passed first."""
        return True

    def stop(self) -> None:
        """End the driver's threads; bounded to a few seconds. Sends nothing."""
