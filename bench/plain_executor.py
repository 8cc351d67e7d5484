"""The executor of bench/plain_framework.py: each of its tasks sleeps for that many seconds.

    plain_executor.py SECONDS
"""
from __future__ import annotations

import sys
import threading
from typing import Any

from mfmesos.mesos.imports import MesosExecutorDriver


class Sleeper:
    """What pymesos calls; all but `launchTask` does not matter."""

    def launchTask(self, driver: Any, task: dict[str, Any]) -> None:
        self._update(driver, task, "TASK_RUNNING")
        threading.Timer(float(sys.argv[1]), self._update, (driver, task, "TASK_FINISHED")).start()

    def _update(self, driver: Any, task: dict[str, Any], state: str) -> None:
        driver.sendStatusUpdate({"task_id": task["task_id"], "state": state})

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


if __name__ == "__main__":
    MesosExecutorDriver(Sleeper()).run()
