"""A run for other programs: WfCommons's WfFormat, Nextflow's trace, Chrome's trace events (Perfetto), CSV.

Each function yields pieces of text, so that a large run is never one string.
"""
from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Optional

from mfmesos.shared.phrases import without_controls
from mfmesos.views.run_facts import AttemptRow, Ran, RunFacts, TaskRow, span

MB = 2**20
MOST_FLOWS = 50
"""Arrows to one task in a trace: the makers that ended last, and others."""
Size = Callable[[str], Optional[int]]
"""Bytes of a file in the workflow's folder; None: it is no file there."""


def pieces(kind: str, facts: RunFacts, name: str, size: Size) -> Iterator[str]:
    """`kind`: one of FORMATS. `name`: of the workflow."""
    if kind == "wfcommons":
        return wfformat(facts, name, size)
    return {"nextflow": nextflow, "perfetto": trace_events, "csv": comma_separated}[kind](facts)


FORMATS = ("wfcommons", "nextflow", "perfetto", "csv")


# --- CSV ----------------------------------------------------------------------------------------
def comma_separated(facts: RunFacts) -> Iterator[str]:
    """One line for each task, with the columns of the record."""
    yield from _lines(("run", "agent", *TaskRow._fields), (
        (facts.run["run"], facts.agent(row), *("" if value is None else value for value in row))
        for row in facts.tasks))


def _lines(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow(row)
        if out.tell() > 65536:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


# --- Nextflow -----------------------------------------------------------------------------------
_STATUS = {"finished": "COMPLETED", "withdrawn": "ABORTED", "blocked": "ABORTED"}
_NEXTFLOW = ("task_id", "hash", "native_id", "name", "status", "exit", "submit", "duration", "realtime", "%cpu",
             "peak_rss", "peak_vmem", "rchar", "wchar", "process", "tag", "start", "complete", "queue", "cpus",
             "memory", "time", "attempt")


def nextflow(facts: RunFacts) -> Iterator[str]:
    """Tab-separated, the fields of a trace file of Nextflow in its own notation; one line for each attempt, "-" where
    nothing is known.
    """
    submitted = {row.task: row.submitted for row in facts.tasks}
    categories = {row.task: row.category for row in facts.tasks}
    yield "\t".join(_NEXTFLOW) + "\n"
    rows: list[Ran] = [*facts.attempts, *facts.tasks]
    for row in sorted(rows, key=lambda one: one.ended):
        began = submitted.get(row.task, row.ended)
        process = without_controls(categories.get(row.task, "")) or "-"
        task = row if isinstance(row, TaskRow) else None
        attempt = str(row.attempts if isinstance(row, TaskRow) else row.attempt)
        yield "\t".join((
            str(row.task), "-", f"{row.task}.{attempt}", f"{process} ({row.task})",
            _STATUS.get(task.state, "FAILED") if task else "FAILED",
            "-" if task is None or task.exit_code is None else str(task.exit_code),
            _clock(began), _duration(row.ended - began), _duration(row.wall_s),
            f"{100 * row.cpu_s / row.wall_s:.1f}%" if row.wall_s else "-",
            _memory(task.used_memory_mb * MB) if task and task.used_memory_mb else "-", "-",
            _memory(task.input_bytes) if task else "-", _memory(task.output_bytes or 0) if task else "-",
            process, str(row.task), "-" if row.started is None else _clock(row.started), _clock(row.ended),
            without_controls(facts.agent(row)) or "-", f"{row.cores:g}", _memory(row.memory_mb * MB), "-",
            attempt)) + "\n"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _duration(seconds: float) -> str:
    """"519ms", "1.5s", "2m 40s", "1h 3m 2s"."""
    ms = max(round(seconds * 1000), 0)
    if ms < 1000:
        return f"{ms}ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f}s".replace(".0s", "s")
    units = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))
    words = []
    for unit, letter in units:
        if ms >= unit:
            words.append(f"{ms // unit}{letter}")
            ms %= unit
    return " ".join(words)


def _memory(number: float) -> str:
    """"0", "300.5 MB"; units of 1024."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if number < 1024 or unit == "TB":
            return f"{number:.1f} {unit}".replace(".0 ", " ") if number else "0"
        number /= 1024
    raise AssertionError


# --- WfCommons ----------------------------------------------------------------------------------
_FOREIGN = re.compile(r"[^0-9a-zA-Z._-]")


class _Ids:
    """Names as WfFormat allows them, each one once."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        if name not in self._found:
            plain = number = _FOREIGN.sub("_", name) or "_"
            count = 1
            while number in self._taken:
                count += 1
                number = f"{plain}_{count}"
            self._taken.add(number)
            self._found[name] = number
        return self._found[name]


def wfformat(facts: RunFacts, name: str, size: Size) -> Iterator[str]:
    """Version 1.5, the finished tasks. Files are those that are in the workflow's folder now."""
    rows = [row for row in facts.tasks if row.state == "finished"]
    ids = {row.task: f"{_FOREIGN.sub('_', row.category) or 'task'}_{row.task}" for row in rows}
    children: Mapping[int, list[str]] = defaultdict(list)
    parents = {}
    for row in rows:
        parents[row.task] = [ids[maker] for maker in row.makers if maker in ids]
        for maker in row.makers:
            if maker in ids:
                children[maker].append(ids[row.task])
    files, sizes = _Ids(), dict[str, int]()

    def known(names: str | None) -> list[str]:
        found = []
        for one in (names or "").split("\n"):
            bytes_of = size(one) if one and "…" not in one else None
            if bytes_of is not None:
                found.append(files.of(one))
                sizes[found[-1]] = bytes_of
        return found

    specification = {"tasks": [{
        "name": row.category or "task", "id": ids[row.task], "parents": parents[row.task],
        "children": children.get(row.task, []), "inputFiles": known(row.inputs), "outputFiles": known(row.outputs),
    } for row in rows]}
    execution = {
        "makespanInSeconds": round(facts.end - facts.begin, 3), "executedAt": _iso(facts.begin),
        "tasks": [_execution(row, ids[row.task]) for row in rows],
        "machines": [{"nodeName": host} for host in sorted({row.host for row in rows if row.host})]}
    if not execution["machines"]:
        del execution["machines"]
    data = {
        "name": name, "description": f"run {facts.run['run']} of {name}", "createdAt": _iso(facts.end),
        "schemaVersion": "1.5",
        "runtimeSystem": {"name": "mfmesos", "version": facts.run["version"]},
        "workflow": {"specification": {
            **specification, "files": [{"id": one, "sizeInBytes": n} for one, n in sizes.items()]},
            "execution": execution}}
    yield from json.JSONEncoder().iterencode(data)
    yield "\n"


def _execution(row: TaskRow, number: str) -> dict[str, Any]:
    try:
        words = shlex.split(row.command)
    except ValueError:
        words = row.command.split()
    words = [word for word in words if word] or ["-"]
    return {
        "id": number, "runtimeInSeconds": round(row.wall_s, 3),
        "command": {"program": words[0], "arguments": words[1:]}, "coreCount": max(row.cores, 1.0),
        "avgCPU": round(100 * row.used_cores, 1), "readBytes": row.input_bytes or 0,
        "writtenBytes": row.output_bytes or 0, "memoryInBytes": round(row.used_memory_mb * MB),
        **({"machine": row.host} if row.host else {})}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


# --- trace events -------------------------------------------------------------------------------
def trace_events(facts: RunFacts) -> Iterator[str]:
    """For ui.perfetto.dev: an agent is a process, its lanes are threads, what a task needed is an arrow."""
    yield '{"displayTimeUnit": "ms", "traceEvents": [\n'
    yield json.dumps({"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "run"}})
    for event in _events(facts):
        yield ",\n" + json.dumps(event)
    yield "\n]}\n"


def _events(facts: RunFacts) -> Iterator[dict[str, Any]]:
    places = _places(facts)
    agents = sorted({place.agent for place in places.values()})
    pids = {agent: n for n, agent in enumerate(agents, 1)}
    for agent, pid in pids.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": without_controls(agent)}}
    categories = {row.task: row.category for row in facts.tasks}
    where = {}
    for row in facts.ran():
        agent, lane, begin, length = places[id(row)]
        pid, tid = pids[agent], lane + 1
        state = row.state if isinstance(row, TaskRow) else "repeated"
        if isinstance(row, TaskRow):
            where[row.task] = (pid, tid, begin, length)
        yield {
            "ph": "X", "name": f"{without_controls(categories.get(row.task, '')) or 'task'} {row.task}",
            "cat": state, "pid": pid, "tid": tid, "ts": begin, "dur": length, "args": _arguments(row)}
    yield from _arrows(facts, where)
    for sample in facts.samples:
        for name, value in (("held cores", sample.cores), ("held memory MB", sample.memory_mb),
                            ("waiting tasks", sample.waiting)):
            yield {"ph": "C", "name": name, "pid": 0, "ts": _us(sample.at - facts.begin), "args": {"value": value}}


def _arguments(row: Ran) -> dict[str, Any]:
    common = {"reason": without_controls(row.reason), "ran s": row.wall_s, "cores": row.cores,
              "memory MB": row.memory_mb}
    if isinstance(row, AttemptRow):
        return {**common, "attempt": row.attempt}
    return {**common, "command": without_controls(row.command), "attempt": row.attempts,
            "peak MB": row.used_memory_mb, "waited s": round((row.started or row.ended) - row.submitted, 3)}


def _arrows(facts: RunFacts, where: Mapping[int, tuple[int, int, int, int]]) -> Iterator[dict[str, Any]]:
    number = 0
    for row in facts.tasks:
        to = where.get(row.task)
        for maker, _ in zip(row.makers, range(MOST_FLOWS)):
            begin = where.get(maker)
            if to is None or begin is None:
                continue
            number += 1
            common = {"name": "needs", "cat": "needs", "id": number}
            yield {**common, "ph": "s", "pid": begin[0], "tid": begin[1], "ts": begin[2] + begin[3] - 1}
            yield {**common, "ph": "f", "bp": "e", "pid": to[0], "tid": to[1], "ts": to[2]}


class _Place(NamedTuple):
    agent: str
    lane: int
    begin: int
    """Microseconds since the run began."""
    length: int


def _places(facts: RunFacts) -> dict[int, _Place]:
    """By id of the row: its agent, and a lane there in which nothing else runs meanwhile, to the microsecond: Perfetto
    drops what overlaps.
    """
    lanes: dict[str, list[int]] = defaultdict(list)
    found = {}
    for row in sorted(facts.ran(), key=lambda one: one.ended - span(one)):
        agent = facts.agent(row) or "-"
        begin, ends = _us(row.ended - span(row) - facts.begin), lanes[agent]
        length = max(_us(row.ended - facts.begin) - begin, 1)
        lane = next((n for n, end in enumerate(ends) if end <= begin), len(ends))
        ends[lane:lane + 1] = [begin + length]
        found[id(row)] = _Place(agent, lane, begin, length)
    return found


def _us(seconds: float) -> int:
    return max(round(seconds * 1e6), 0)
