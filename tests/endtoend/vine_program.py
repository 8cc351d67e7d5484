"""A manager of the real TaskVine or Work Queue, run by cctools' Python: reads tasks as JSON lines, tells what ends.

    python3 vine_program.py taskvine|workqueue '{"name": "p", "catalog": "h:1", "password": FILE, "ssl": true}'

Standard input: {"count": 3, "cores": 1, "memory": 50, "disk": 10, "command": "sleep 1"}, of TaskVine also with "makes":
a temporary file's name, or "reads"; {"imports": MODULE}: a PythonTask that returns its NAME; a list of such tasks;
{"block": HOST, "on": true}; {"left": N}: tasks that are announced; {"learn": CATEGORY}: from now on it measures this
category's tasks; or "stats" or "end".
Standard output: port N; submitted; done ID RESULT OUTPUT SECONDS (from the submission to the end); stats {...}.
"""
from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any

NUMBERS = ("workers_lost", "workers_idled_out", "workers_joined", "workers_removed", "workers_connected",
           "tasks_waiting", "tasks_running", "tasks_recovery")


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


def name_in(module: str) -> str:
    """Runs on a worker."""
    import importlib
    return str(importlib.import_module(module).NAME)


class Program:
    """The manager and what it was given."""

    def __init__(self, kind: str, given: dict[str, Any]) -> None:
        self.manager, self._task_of, self._prefix = made(kind, given)
        self._submitted: dict[int, float] = {}
        self._files: dict[str, Any] = {}

    def wait(self) -> None:
        ended = self.manager.wait(1)
        if ended is not None:
            said = ended.output if hasattr(ended, "output_file") else getattr(ended, "std_output", "")
            print("done", ended.id, ended.result, repr(str(said).strip()).replace(" ", "_"),
                  round(time.time() - self._submitted[ended.id], 2), flush=True)

    def obey(self, words: Any) -> None:
        if words == "stats":
            getattr(self.manager, "_refresh_stats", lambda: None)()  # TaskVine's are up to 5 s old
            found = {name: getattr(self.manager.stats, name, 0) for name in NUMBERS}
            print("stats", json.dumps(found), flush=True)
            return
        if "block" in words:
            (self.manager.block_host if words["on"] else self.manager.unblock_host)(words["block"])
        elif "left" in words:
            (self.manager.tasks_left_count if self._prefix == "set_" else self.manager.specify_num_tasks_left)(
                words["left"])
        elif "learn" in words:
            self._learn(words["learn"])
        else:
            for one in words if isinstance(words, list) else [words]:
                for _ in range(one.get("count", 1)):
                    self._submitted[self.manager.submit(self._task(one))] = time.time()
        print("submitted", flush=True)

    def _learn(self, category: str) -> None:
        if self._prefix == "set_":
            self.manager.enable_monitoring()
            self.manager.set_category_mode(category, "min_waste")
        else:
            import ndcctools.work_queue as work_queue
            self.manager.enable_monitoring("measured")
            self.manager.specify_category_mode(category, work_queue.WORK_QUEUE_ALLOCATION_MODE_MIN_WASTE)

    def _task(self, words: dict[str, Any]) -> Any:
        if "imports" in words:
            import ndcctools.taskvine as vine
            task = vine.PythonTask(name_in, words["imports"])
        else:
            task = self._task_of(words["command"])
        for name in ("cores", "memory", "disk"):
            if name in words:
                getattr(task, self._prefix + name)(words[name])
        if "category" in words:
            getattr(task, self._prefix + "category")(words["category"])
        if "makes" in words:
            self._files[words["makes"]] = self.manager.declare_temp()
            task.add_output(self._files[words["makes"]], words["makes"])
        if "reads" in words:
            task.add_input(self._files[words["reads"]], words["reads"])
        return task


def main() -> None:
    program = Program(sys.argv[1], json.loads(sys.argv[2]))
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
    threading.Thread(target=read, daemon=True).start()
    print("port", program.manager.port, flush=True)
    while True:
        program.wait()
        while not lines.empty():
            words = json.loads(lines.get())
            if words == "end":
                return
            program.obey(words)


if __name__ == "__main__":
    main()
