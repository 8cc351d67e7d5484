"""A run's records in WORKDIR/.mfmesos/ for people and programs: report.jsonl and the kept output of tasks.

report.jsonl has one JSON object per ended task, in the order of their ends. Keys (docs/seeing.md): format, time
(seconds since the epoch), task (id), command, category, finished, withdrawn, reason, exit_code, outputs, usage
(memory_mb, disk_mb, cores, cpu_s, wall_s, wait_s, gpu_memory_mb with GPUs), allocation (cores, memory_mb, disk_mb),
host, attempts.
"""
from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from mfmesos.shared.disk import remove_tree
from mfmesos.shared.messages import store as m
from mfmesos.shared.wholelines import open_to_append

if TYPE_CHECKING:  # `mfmesos why` and `logs` need this module alone
    from mfmesos.core.actions import ReportTask
    from mfmesos.shared.wire import Result, Usage

log = logging.getLogger("mfmesos.report")
REPORT = "report.jsonl"
FORMAT = 1
"""Counts up when a program that reads an earlier format would misread a later one: not with further keys."""
LOGS = "logs"
"""The kept output of the last run: task-N.stdout of the last attempt of task N, task-N.attempt-K.stdout of an earlier
one; the same for stderr."""
EARLIER = "earlier-logs"
"""The same of the runs before, in folders named by their numbers in record.sqlite."""
STREAMS = ("stdout", "stderr")
_dumps: Callable[[Any], str] = json.JSONEncoder(check_circular=False).encode


class RunLog:
    """Appends to report.jsonl, and keeps non-empty stdout and stderr of tasks. A full disk stops neither: lines wait
    for the next write, output that does not fit is lost.
    """

    def __init__(self, state_dir: Path, keep_output: bool = True, clock: Callable[[], float] = time.time) -> None:
        self._dir = state_dir
        self._keep_output = keep_output
        self._clock = clock
        state_dir.mkdir(exist_ok=True)
        self._fd = open_to_append(state_dir / REPORT)
        self._waiting = bytearray()  # it grows in place: a run of 100,000 tasks may end at once
        self._held = False

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """All lines of this block are written together at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self._write()

    def task_ended(self, report: ReportTask, host: str) -> dict[str, Any]:
        """Write one line; returns the entry."""
        task, result = report.task, report.result
        entry: dict[str, Any] = {
            "format": FORMAT,
            "time": round(self._clock(), 3),
            "task": task.id,
            "command": task.command,
            "category": report.category,
            "finished": report.finished,
            "withdrawn": report.withdrawn,
            "reason": report.reason,
            "exit_code": report.exit_code,
            "outputs": list(task.outputs),
            "usage": _used(result.usage) if result else None,
            "allocation": None,
            "host": host,
            "attempts": report.attempts,
        }
        if report.allocation is not None:
            given = report.allocation
            entry["allocation"] = {
                "cores": given.cores, "memory_mb": given.memory_mb, "disk_mb": given.disk_mb,
                **({"gpus": given.gpus} if given.gpus else {}),
                **({"resources": dict(given.others)} if given.others else {})}
        self._waiting += _dumps(entry).encode() + b"\n"
        if not self._held:
            self._write()
        if result is not None and self._keep_output:
            keep_output(self._dir, f"task-{task.id}", result)
        return entry

    def _write(self) -> None:
        try:
            while self._waiting:
                del self._waiting[:os.write(self._fd, self._waiting)]
        except OSError as e:
            log.error("%s cannot be written (%s); its lines wait", self._dir / REPORT, e.strerror)

    def close(self) -> None:
        if self._fd >= 0:
            self._write()
            os.close(self._fd)
            self._fd = -1


def keep_output(state_dir: Path, name: str, result: Result) -> None:
    """Keep what an attempt has printed, unless it is empty."""
    for kind in STREAMS:
        text = getattr(result, kind)
        if not text:
            continue
        path = state_dir / LOGS / f"{name}.{kind}"
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        except OSError as e:
            log.error("%s cannot be written (%s)", path, e.strerror)


def rename_output(state_dir: Path, task: int, attempt: int) -> None:
    """What the task's last attempt printed is from now on that of an earlier one. Raises OSError."""
    folder = state_dir / LOGS
    for kind in STREAMS:
        with contextlib.suppress(FileNotFoundError):
            (folder / f"task-{task}.{kind}").rename(folder / f"task-{task}.attempt-{attempt}.{kind}")


def kept_output(state_dir: Path, task: int, run: int | None, attempt: int | None = None) -> list[Path]:
    """The files with the output of a task of that run: of its last attempt, or of an earlier one."""
    folder = state_dir / EARLIER / str(run)
    if not folder.is_dir():
        folder = state_dir / LOGS
    name = f"task-{task}" if attempt is None else f"task-{task}.attempt-{attempt}"
    return [path for kind in STREAMS if (path := folder / f"{name}.{kind}").is_file()]


def set_aside(state_dir: Path, run: int, known: Collection[int]) -> None:
    """Another run begins: the kept output of run `run` moves to a folder of its own; that of runs that are no longer
    `known` is removed. Raises OSError.
    """
    logs, earlier = state_dir / LOGS, state_dir / EARLIER
    if run and logs.is_dir() and not (earlier / str(run)).exists():
        earlier.mkdir(exist_ok=True)
        logs.rename(earlier / str(run))
    if earlier.is_dir():
        for folder in earlier.iterdir():
            if folder.name.isdigit() and int(folder.name) not in known:
                remove_tree(str(folder))


def more_of_it(report: ReportTask, state_dir: Path) -> str:
    """Where the full stderr, otherwise stdout, of a failed task is, if the reason shows only the last line."""
    if report.result is None:
        return ""
    kind = "stderr" if report.result.stderr.strip() else "stdout"
    text = report.result.stderr if kind == "stderr" else report.result.stdout
    if text.strip().count("\n") == 0:
        return ""
    return f" {m.FULL_OUTPUT(kind=kind, path=state_dir / LOGS / f'task-{report.task.id}.{kind}')}"


def read_report(state_dir: Path) -> list[dict[str, Any]]:
    """The entries of the last run or runs in that folder; an incomplete last line is ignored."""
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


def _used(usage: Usage) -> dict[str, float]:
    """Memory of GPUs only if it had some."""
    return {name: value for name, value in vars(usage).items() if value or name != "gpu_memory_mb"}
