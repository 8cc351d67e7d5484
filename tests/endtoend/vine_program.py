"""A manager of the real TaskVine or Work Queue, run by cctools' Python: reads tasks as JSON lines, tells what ends.

    python3 vine_program.py taskvine|workqueue '{"name": "p", "catalog": "h:1", "password": FILE, "ssl": true}'

Standard input: {"count": 3, "cores": 1, "memory": 50, "disk": 10, "command": "sleep 1"} or "stats" or "end".
Standard output: port N; submitted; done ID RESULT SECONDS (from the submission to the start); stats {...}.
"""
from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any

NUMBERS = ("workers_lost", "workers_idled_out", "workers_joined", "workers_removed", "workers_connected",
           "tasks_waiting", "tasks_running")


def made(kind: str, given: dict[str, Any]) -> tuple[Any, Any, str]:
    """The manager, its class of tasks, and the prefix of the setters' names."""
    if kind == "taskvine":
        import ndcctools.taskvine as vine
        one = vine.Manager(port=0, name=given.get("name"), ssl=given.get("ssl", False), run_info_path="vine-logs")
        if "catalog" in given:
            one.set_catalog_servers(given["catalog"])
        if "password" in given:
            one.set_password_file(given["password"])
        return one, vine.Task, "set_"
    import ndcctools.work_queue as work_queue
    one = work_queue.WorkQueue(port=0, name=given.get("name"), ssl=given.get("ssl", False))
    if "catalog" in given:
        host, port = given["catalog"].split(":")
        one.specify_catalog_server(host, int(port))
    if "password" in given:
        one.specify_password_file(given["password"])
    return one, work_queue.Task, "specify_"


def main() -> None:
    manager, task_of, prefix = made(sys.argv[1], json.loads(sys.argv[2]))
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
    threading.Thread(target=read, daemon=True).start()
    print("port", manager.port, flush=True)
    submitted: dict[int, float] = {}
    while True:
        ended = manager.wait(1)
        if ended is not None:
            print("done", ended.id, ended.result, round(time.time() - submitted[ended.id], 2), flush=True)
        while not lines.empty():
            words = json.loads(lines.get())
            if words == "end":
                return
            if words == "stats":
                print("stats", json.dumps({name: getattr(manager.stats, name) for name in NUMBERS}), flush=True)
                continue
            for _ in range(words.get("count", 1)):
                task = task_of(words["command"])
                for name in ("cores", "memory", "disk"):
                    if name in words:
                        getattr(task, prefix + name)(words[name])
                submitted[manager.submit(task)] = time.time()
            print("submitted", flush=True)


if __name__ == "__main__":
    main()
