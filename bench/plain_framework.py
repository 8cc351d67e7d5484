"""A plain framework on pymesos, with the manners of a Rival of `mfmesos simulate`, for experiments on a real Mesos.

    plain_framework.py MASTER RIVAL      RIVAL: its fields as JSON, all but times of its start and suppression

One executor on each agent runs all tasks of the framework there. SIGTERM ends it all. The last line of its output
is a Used as JSON.
"""
from __future__ import annotations

import getpass
import json
import math
import signal
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from mfmesos.core.model import Resources
from mfmesos.mesos.imports import MesosSchedulerDriver
from mfmesos.simulate.cluster_model import Rival

EXECUTOR = Path(__file__).with_name("plain_executor.py")
EXECUTOR_MB = 64


class Used(NamedTuple):
    """Medians of all tasks, as the framework sees them."""

    task_s: float
    """From the launch of a task to the news of its end."""
    gap_s: float
    """From then until the framework may launch the next task there."""


def argument(rival: Rival) -> str:
    """For the command line."""
    return json.dumps({**asdict(rival), "size": [rival.size.cores, rival.size.memory_mb]})


def rival_of(text: str) -> Rival:
    fields = json.loads(text)
    return Rival(**{**fields, "size": Resources(*fields["size"])})


def scalars(**amounts: float) -> list[dict[str, Any]]:
    return [{"name": name, "type": "SCALAR", "scalar": {"value": amount}} for name, amount in amounts.items()]


def amount(offer: dict[str, Any], name: str) -> float:
    return sum(float(one["scalar"]["value"]) for one in offer["resources"] if one["name"] == name)


class PlainFramework:
    """What pymesos calls, on one thread of the driver; late answers come from timers."""

    def __init__(self, rival: Rival) -> None:
        self._rival, self._lock, self._began = rival, threading.Lock(), time.monotonic()
        self._running: Counter[str] = Counter()
        self._started = 0
        self._launched: dict[str, float] = {}
        self._left: defaultdict[str, deque[float]] = defaultdict(deque)
        self._tasks: list[float] = []
        self._gaps: list[float] = []

    def resourceOffers(self, driver: Any, offers: list[dict[str, Any]]) -> None:
        if self._rival.answer_s:
            threading.Timer(self._rival.answer_s, self._answer, (driver, offers)).start()
        else:
            self._answer(driver, offers)

    def _answer(self, driver: Any, offers: list[dict[str, Any]]) -> None:
        for offer in offers:
            with self._lock:
                count = self._startable(offer)
                tasks = [self._task(offer, self._started + number) for number in range(count)]
                for task in tasks:
                    self._note(task["task_id"]["value"], offer["agent_id"]["value"])
                self._started += count
                self._running[offer["agent_id"]["value"]] += count
            refuse = {"refuse_seconds": self._rival.refuse_s}
            if tasks:
                driver.launchTasks(offer["id"], tasks, refuse)
            elif self._rival.keep_s:
                threading.Timer(self._rival.keep_s, driver.declineOffer, (offer["id"], refuse)).start()
            else:
                driver.declineOffer(offer["id"], refuse)

    def _startable(self, offer: dict[str, Any]) -> int:
        """The tasks that fit, have arrived, and may run on that agent."""
        rival, agent = self._rival, offer["agent_id"]["value"]
        memory = amount(offer, "mem") - (0 if offer.get("executor_ids") else EXECUTOR_MB)
        count = min(amount(offer, "cpus") / rival.size.cores, memory / rival.size.memory_mb)
        if rival.per_agent:
            count = min(count, rival.per_agent - self._running[agent])
        if rival.arrivals_per_s:
            count = min(count, (time.monotonic() - self._began) * rival.arrivals_per_s + 1 - self._started)
        return max(int(count + 1e-6), 0)

    def _task(self, offer: dict[str, Any], number: int) -> dict[str, Any]:
        command = f"exec {sys.executable} {EXECUTOR} {self._rival.seconds}"
        return {
            "name": f"{self._rival.name} {number}", "task_id": {"value": str(number)}, "agent_id": offer["agent_id"],
            "resources": scalars(cpus=self._rival.size.cores, mem=self._rival.size.memory_mb),
            "executor": {"executor_id": {"value": self._rival.name}, "type": "CUSTOM",
                         "command": {"shell": True, "value": command}, "resources": scalars(mem=EXECUTOR_MB)}}

    def _note(self, task: str, agent: str) -> None:
        """The task starts where another has ended, if one has."""
        now = self._launched[task] = time.monotonic()
        if self._left[agent]:
            self._gaps.append(now - self._left[agent].popleft())

    def used(self) -> Used:
        nothing = [math.nan]
        return Used(statistics.median(self._tasks or nothing), statistics.median(self._gaps or nothing))

    def statusUpdate(self, driver: Any, status: dict[str, Any]) -> None:
        if status["state"] not in ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"):
            agent, now = status["agent_id"]["value"], time.monotonic()
            with self._lock:
                self._running[agent] -= 1
                self._left[agent].append(now)
                self._tasks.append(now - self._launched.pop(status["task_id"]["value"], now))
            if status["state"] != "TASK_FINISHED":
                print(status["state"], status.get("reason"), status.get("message"), flush=True)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def main() -> None:
    rival = rival_of(sys.argv[2])
    framework = PlainFramework(rival)
    driver = MesosSchedulerDriver(framework, {
        "user": getpass.getuser(), "name": rival.name, "role": rival.role, "failover_timeout": 0}, sys.argv[1])
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    driver.start()
    done.wait()
    driver.stop()
    print(json.dumps(framework.used()._asdict()), flush=True)


if __name__ == "__main__":
    main()
