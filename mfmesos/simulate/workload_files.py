"""Workloads from files: a task mix, a WfFormat workflow, a task file with run times, a trace."""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mfmesos.core.model import Request
from mfmesos.settings.config import ConfigError
from mfmesos.shared.bounds import AMOUNT, SECONDS
from mfmesos.shared.messages import simulate as m
from mfmesos.simulate.checked_json import Checked, find, load, read_text
from mfmesos.simulate.mix_workload import mix_of
from mfmesos.simulate.wfformat_workload import wfformat_tasks
from mfmesos.simulate.workload_model import SimTask, Workload
from mfmesos.taskfiles.entries import Malformed, Submitted
from mfmesos.taskfiles.jsonlines import JsonLinesParser
from mfmesos.views import tracefile

OWN_KEYS = ("seconds", "peak_memory_mb", "peak_disk_mb", "used_cores", "at_s", "input_mb")
"""What a line of a task file says besides the task."""


def load_workload(name: str, seed: int) -> Workload:
    """From a file, or one that comes with mfmesos. Raises ConfigError."""
    path = find(name, "workload")
    if path.suffix == ".csv":
        return _filled(path, _trace(path))
    if path.suffix == ".jsonl":
        return _filled(path, _task_file(path))
    stated = load(path)
    if isinstance(stated, dict) and "workflow" in stated:
        return _filled(path, wfformat_tasks(str(path), stated))
    data = Checked(str(path), stated)
    if "categories" not in data:
        raise ConfigError(m.SIMULATED_KINDS(path=path))
    made = Workload(path.stem, mix_of(data, seed), data.text("role", "*"), data.number("at_s", 0.0, SECONDS))
    data.text("about", "")
    data.finish()
    return made


def _filled(path: Path, tasks: list[SimTask]) -> Workload:
    if not tasks:
        raise ConfigError(m.SIMULATED_EMPTY(path=path))
    return Workload(path.stem, tasks)


def _trace(path: Path) -> list[SimTask]:
    """A trace of the estimates: its tasks arrive at submit_s, and request one core and the declared memory."""
    rows = tracefile.load(path)
    begin = min((row.submit_s for row in rows if row.submit_s is not None), default=0.0)
    made = [SimTask(
        0, row.category, row.seconds, 1.0, row.peak_mb, 0.0, Request(1.0, row.declared_mb), row.input_mb,
        (row.submit_s or begin) - begin) for row in rows]
    return [task._replace(id=number) for number, task in enumerate(sorted(made, key=lambda t: t.at_s), 1)]


def _task_file(path: Path) -> list[SimTask]:
    """JSON lines as for `mfmesos run`, with OWN_KEYS besides. A task depends on those whose outputs it reads."""
    parser = JsonLinesParser(path.parent)
    stated: list[tuple[int, dict[str, Any], SimTask]] = []
    makers: dict[str, int] = {}
    inputs: dict[int, Iterable[str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        own, rest = _own(path, number, line)
        for record in parser.feed(rest.encode("utf-8", "surrogateescape") + b"\n"):
            if isinstance(record, Malformed):
                raise ConfigError(m.SIMULATED_LINE(
                    path=path, line=number, why=record.problem, mend=record.cure))
            if not isinstance(record, Submitted):
                continue
            task = record.task
            if "seconds" not in own:
                raise ConfigError(m.SIMULATED_SECONDS_MISSING(path=path, line=number))
            asked = task.request
            makers.update((name, task.id) for name in task.outputs)
            inputs[task.id] = task.inputs
            stated.append((number, own, SimTask(
                task.id, task.category or "", own["seconds"], own.get("used_cores", asked.cores or 1.0),
                own.get("peak_memory_mb", 0.0), own.get("peak_disk_mb", 0.0), asked, own.get("input_mb"),
                own.get("at_s", 0.0), command=task.command)))
    tasks = [task._replace(parents=tuple(sorted({makers[n] for n in inputs[task.id] if n in makers})))
             for _, _, task in stated]
    return sorted(tasks, key=lambda t: t.at_s)


def _own(path: Path, number: int, line: str) -> tuple[dict[str, float], str]:
    """What is ours of a line, and the line without it; malformed ones are left to the parser of task files."""
    if not line.lstrip().startswith("{"):
        return {}, line
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return {}, line
    if not isinstance(data, dict) or not any(key in data for key in OWN_KEYS):
        return {}, line
    checked = Checked(f"{path}:{number}", data)
    own = {key: checked.number(key, bounds=AMOUNT) for key in OWN_KEYS if key in checked}
    return own, json.dumps({key: value for key, value in data.items() if key not in OWN_KEYS})
