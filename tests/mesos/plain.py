"""Runs a scenario against pymesos as it is, in a process of its own, since it may end that process.

`plain.py MASTER SCENARIO`: prints what was seen, one word a line; exits 0 unless pymesos takes the process down.
"""
from __future__ import annotations

import subprocess
import sys
import time


def run_plain(master: str, scenario: str, timeout: float = 30.0) -> str:
    """What the process printed; its exit code on the last line as "exit N"."""
    done = subprocess.run([sys.executable, __file__, master, scenario], capture_output=True, text=True, timeout=timeout)
    return f"{done.stdout}exit {done.returncode}"


def main(master: str, scenario: str) -> None:
    from pymesos import MesosSchedulerDriver, Scheduler

    class Plain(Scheduler):
        def registered(self, driver, framework_id, master_info):
            print("registered", flush=True)

        def resourceOffers(self, driver, offers):
            if scenario == "raise":
                raise RuntimeError("a bug in a callback")
            if scenario == "oserror":
                raise OSError("disk full in a callback")

    failover = scenario != "raise"
    driver = MesosSchedulerDriver(Plain(), {"name": "plain", "user": "x"}, master, failover=failover)
    driver.start()
    deadline = time.monotonic() + (1.5 if scenario != "stop" else 0.5)
    while time.monotonic() < deadline:
        time.sleep(0.05)  # a framework of its own process, which lives for a while
    print("alive" if not driver.aborted else "dead", flush=True)
    driver.stop() if scenario == "stop" else driver.stop(True)
    if scenario == "stop":
        driver.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
