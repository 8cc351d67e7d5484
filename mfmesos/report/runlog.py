"""What a run leaves in WORKDIR/.mfmesos/ for people and programs: report.jsonl and the kept output of tasks.

report.jsonl has one JSON object for each task that ended, in the order in which they ended. Keys: time (seconds
since the epoch), task (id), command, category, finished, withdrawn, reason, exit_code, outputs, usage (memory_mb,
disk_mb, cores, cpu_s, wall_s), allocation (cores, memory_mb, disk_mb), host, attempts.
"""
from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

from mfmesos.core.actions import ReportTask
from mfmesos.core.category import category_of

REPORT = "report.jsonl"
LOGS = "logs"


class RunLog:
    """Appends to report.jsonl; keeps stdout and stderr of tasks that wrote any."""

    def __init__(self, state_dir: Path, keep_output: bool = True, clock: Callable[[], float] = time.time) -> None:
        self._dir = state_dir
        self._keep_output = keep_output
        self._clock = clock
        state_dir.mkdir(exist_ok=True)
        self._file = (state_dir / REPORT).open("a", buffering=1, encoding="utf-8", errors="surrogateescape")

    def task_ended(self, report: ReportTask, host: str) -> dict[str, Any]:
        """Write one line; gives what it wrote."""
        task, result = report.task, report.result
        entry: dict[str, Any] = {
            "time": round(self._clock(), 3),
            "task": task.id,
            "command": task.command,
            "category": category_of(task),
            "finished": report.finished,
            "withdrawn": report.withdrawn,
            "reason": report.reason,
            "exit_code": report.exit_code,
            "outputs": list(task.outputs),
            "usage": asdict(result.usage) if result else None,
            "allocation": None,
            "host": host,
            "attempts": report.attempts,
        }
        if report.allocation is not None:
            given = report.allocation
            entry["allocation"] = {
                "cores": given.cores, "memory_mb": given.memory_mb, "disk_mb": given.disk_mb}
        self._file.write(json.dumps(entry) + "\n")
        if result is not None and self._keep_output:
            for kind, text in (("stdout", result.stdout), ("stderr", result.stderr)):
                if text:
                    self._keep(f"task-{task.id}.{kind}", text)
        return entry

    def _keep(self, name: str, text: str) -> None:
        folder = self._dir / LOGS
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")

    def close(self) -> None:
        self._file.close()


def more_of_it(report: ReportTask, state_dir: Path) -> str:
    """Where the rest of a failed task's stderr is, when the reason could only show its last line."""
    if report.result is None or report.result.stderr.strip().count("\n") == 0:
        return ""
    return f" (all of its stderr: {state_dir / LOGS / f'task-{report.task.id}.stderr'})"


def read_report(state_dir: Path) -> list[dict[str, Any]]:
    """The entries of the last run or runs in that folder; a half-written last line is left out."""
    entries = []
    try:
        lines = (state_dir / REPORT).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries
