#!/usr/bin/python3
"""An instant scheduler for makeflow -T mesos: runs each task's own processes in the workflow's folder, two at a time,
and answers at once. It stages, measures and schedules nothing, so no scheduler can be faster (docs/performance.md).

makeflow starts it as mf_mesos_scheduler, with the workflow's folder as first argument.
"""
import os
import sys
import time

SLOTS = 2


def main() -> None:
    if len(sys.argv) > 1:
        os.chdir(sys.argv[1])
    state = os.open("mesos_task_state", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    waiting, running, rest, info = [], {}, b"", None
    while not os.path.exists("mesos_done"):
        if info is None and os.path.exists("mesos_task_info"):
            info = os.open("mesos_task_info", os.O_RDONLY)
        data = os.read(info, 1 << 20) if info is not None else b""
        *lines, rest = (rest + data).split(b"\n")
        waiting += lines
        while waiting and len(running) < SLOTS:
            number, command = waiting.pop(0).decode().split(",", 2)[:2]
            running[os.posix_spawn("/bin/sh", ["sh", "-c", command], os.environ)] = number
        if running:
            pid, status = os.wait()
            word = "finished" if status == 0 else "failed"
            os.write(state, f"{running.pop(pid)},{word}\n".encode())
        elif not data:
            time.sleep(0.001)


if __name__ == "__main__":
    main()
