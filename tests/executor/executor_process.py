"""A whole executor in a process of its own, with a driver that takes Mesos's events from stdin.

    python executor_process.py SANDBOX GRACE_S      commands on stdin, one JSON list a line; updates on stdout

It must be a process of its own: an executor waits for every child of its process.
"""
from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time

from mfmesos_executor.main import Executor, keep_descriptors, obey_signals
from mfmesos_executor.reap import become_subreaper


class PipeDriver:
    def __init__(self, executor: Executor, grace_s: float) -> None:
        self._executor = executor
        self.grace_shutdown_period = grace_s

    def start(self) -> None:
        """No event comes before, as with Mesos's driver: the executor would report it to nobody."""
        threading.Thread(target=listen, args=(self._executor,), daemon=True).start()

    def update(self, task_id: str, state: str, message: str = "", reason: str | None = None) -> None:
        # With the time, and what of the sandbox was still there.
        say([task_id, state, message, time.time(), sorted(os.listdir(sys.argv[1]))])

    def wait_acknowledged(self, timeout_s: float) -> bool:
        return True

    def stop(self) -> None:
        say_usage()


def say(what: list) -> None:
    """In one write: several threads report, and print() writes a line and its end apart."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def say_usage() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    say(["usage", used.ru_utime + used.ru_stime, used.ru_maxrss / 1024])


def listen(executor: Executor) -> None:
    for line in sys.stdin:
        name, *args = json.loads(line)
        if name == "launch":
            executor.on_launch(args[0], args[1].encode())
        elif name == "usage":
            say_usage()
        else:
            getattr(executor, f"on_{name}")(*args)
    # The test has gone.
    executor.on_lost("stdin ended")


def main() -> int:
    import logging

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    keep_descriptors()
    become_subreaper()
    executor = Executor(sys.argv[1], dict(os.environ))
    obey_signals(executor)
    return executor.run(PipeDriver(executor, float(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(main())
