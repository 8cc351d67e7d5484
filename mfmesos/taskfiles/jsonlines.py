"""Task files as JSON lines: one object per line, no ambiguity of commas and spaces.

`{"command": "cat in > out", "inputs": ["in"], "outputs": ["out"], "cores": 1, "memory": 200, "disk": 100,
"category": "cat", "wall_time": 60, "gpus": 0, "env": {"A": "1"}, "id": 7}`: only `command` must be there. memory and
disk in MB, wall_time in seconds; null or a key left out asks for nothing. Without an `id` a task gets the number
after the highest one so far. `{"cancel": 7}` (or `7,,,,,,,aborting`, as the other format has it) withdraws task 7.
Blank lines and lines that begin with # are left out.
"""
from __future__ import annotations

import difflib
import json
import os
import re
from typing import Any, NoReturn

from mfmesos.core.model import Request, Task
from mfmesos.shared.bounds import AMOUNT
from mfmesos.taskfiles.entries import (
    MAX_ID,
    MAX_RECORD,
    Folder,
    Ids,
    Malformed,
    Problem,
    Record,
    Submitted,
    Withdrawn,
    printable,
)

KEYS = ("command", "inputs", "outputs", "cores", "memory", "disk", "category", "wall_time", "gpus", "env", "id")
FORM = 'a line is {"command": "...", "inputs": ["..."], "outputs": ["..."]}'
ABORTING = re.compile(rb"([1-9]\d{0,9}),{7}aborting")
KEPT = 400


class JsonLinesParser:
    """Bytes in, records out; never raises on any bytes. Not thread-safe. Memory: at most about MAX_RECORD."""

    def __init__(self, workdir: str | os.PathLike[str], *, first_line: int = 1) -> None:
        self._folder = Folder(workdir)
        self._ids = Ids()
        self._line = first_line
        self._rest: list[bytes] = []
        self._size = 0

    @property
    def unfinished(self) -> int | None:
        """The line of a record whose end has not come yet."""
        return self._line if self._size else None

    def feed(self, data: bytes) -> list[Record]:
        """The records of the lines that became whole, in the order of the file."""
        found: list[Record] = []
        lines = data.split(b"\n")
        for piece in lines[:-1]:
            self._keep(piece)
            found += self._end_line()
        self._keep(lines[-1])
        return found

    def finish(self) -> list[Record]:
        """The file is complete: a last line without its newline counts."""
        return self._end_line() if self._size else []

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        if self._size + len(piece) > MAX_RECORD:
            self._rest = [b"".join([*self._rest, piece[:KEPT]])[:KEPT]]
        else:
            self._rest.append(piece)
        self._size += len(piece)

    def _end_line(self) -> list[Record]:
        line, size = b"".join(self._rest), self._size
        self._rest, self._size = [], 0
        number = self._line
        self._line += 1
        if not line.strip() or line.lstrip().startswith(b"#"):
            return []
        stated: dict[str, Any] = {}
        try:
            if size > MAX_RECORD:
                raise Problem(f"a line of more than {MAX_RECORD >> 20} MB", "put the command into a script")
            aborting = ABORTING.fullmatch(line.strip())
            if aborting:
                return [self._withdrawn(int(aborting[1]), number)]
            stated = parse_object(line.decode("utf-8", "surrogateescape"))
            if "cancel" in stated:
                return [self._cancelled(stated, number)]
            return [Submitted(self._task(stated, number), number)]
        except Problem as e:
            answered = self._answered(stated, number)
            return self._ids.shown(Malformed(number, printable(line), e.problem, e.cure, answered))

    def _answered(self, stated: dict[str, Any], line: int) -> int | None:
        """The number of a new task, if the line has one: whoever wrote it waits for an answer."""
        task_id = stated.get("id")
        if task_id is None or not _is_id(task_id):
            return None
        if task_id not in self._ids:
            self._ids.take(task_id, line)
        return int(task_id) if self._ids.line_of(task_id) == line else None

    def _cancelled(self, stated: dict[str, Any], number: int) -> Withdrawn:
        if len(stated) > 1 or not _is_id(stated["cancel"]):
            raise Problem("a line that cancels holds nothing but the number of a task", 'write {"cancel": ID}')
        return self._withdrawn(stated["cancel"], number)

    def _withdrawn(self, task_id: int, number: int) -> Withdrawn:
        if task_id not in self._ids:
            raise Problem(f"task {task_id} is cancelled but was never submitted", "the line is left out")
        return Withdrawn(task_id, number)

    def _task(self, stated: dict[str, Any], number: int) -> Task:
        for key in stated:
            if key not in KEYS:
                near = difflib.get_close_matches(str(key)[:40], KEYS, 1)
                raise Problem(f"unknown key {printable(str(key), 40)!r}",
                              f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(KEYS)}")
        command = text_of("command", stated.get("command"), FORM)
        if not command.strip():
            raise Problem("the command is empty", FORM)
        request = Request(
            cores=amount("cores", stated), memory_mb=amount("memory", stated), disk_mb=amount("disk", stated),
            wall_s=amount("wall_time", stated), gpus=amount("gpus", stated))
        inputs, outputs = self._names("inputs", stated), self._names("outputs", stated)
        category = stated.get("category")
        if category is not None:
            category = text_of("category", category, 'write "category": "NAME"')
        env = environment(stated.get("env"))
        return Task(self._id(stated.get("id"), number), command, inputs, outputs, request, category, env)

    def _id(self, stated: Any, line: int) -> int:
        if stated is None:
            stated = self._ids.highest + 1
        if not _is_id(stated):
            raise Problem(f"the id {shown(stated)} is not a whole number from 1 to {MAX_ID}",
                          "leave the id out and the tasks are numbered")
        self._ids.take(stated, line)
        return int(stated)

    def _names(self, key: str, stated: dict[str, Any]) -> tuple[str, ...]:
        names = stated.get(key)
        if names is None:
            return ()
        if isinstance(names, str):
            raise Problem(f"{key} is one string, not a list", f"write \"{key}\": [{shown(names)}], one string per name")
        if not isinstance(names, list):
            raise Problem(f"{key} is {shown(names)}, not a list", f'write "{key}": ["NAME", "NAME"]')
        for name in names:
            if not text_of(key, name, f'write "{key}": ["NAME", "NAME"]'):
                raise Problem(f"an empty name in {key}", "leave it out")
        return self._folder.names(names)


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_ID


def parse_object(text: str) -> dict[str, Any]:
    """One JSON object; raises Problem on anything else, keys that repeat included."""
    try:
        # A number of a million digits would take minutes as an int.
        stated = json.loads(text, object_pairs_hook=unique, parse_constant=no_number,
                            parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))
    except RecursionError:
        raise Problem("brackets nested too deeply", FORM) from None
    except Problem:
        raise
    except json.JSONDecodeError as e:
        raise Problem(f"not JSON: {e.msg} at column {e.colno}", FORM) from None
    except ValueError as e:
        raise Problem(f"not JSON: {printable(str(e), 60)}", FORM) from None
    if not isinstance(stated, dict):
        raise Problem(f"{shown(stated)} is not an object", FORM)
    return stated


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Problem(f"the key {printable(key, 40)!r} is there twice", "write it once")
        found[key] = value
    return found


def no_number(name: str) -> NoReturn:
    raise Problem(f"{name} is not a number that JSON has", "write a number, or null")


def text_of(key: str, value: Any, cure: str) -> str:
    """A string that a command or a file name can be; raises Problem."""
    if value is None:
        raise Problem(f"no {key}", cure)
    if not isinstance(value, str):
        raise Problem(f"{key}: {shown(value)} is not a string", cure)
    if "\0" in value:
        raise Problem(f"{key}: a NUL character, which no command and no name can hold", "remove it")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Problem(f"{key}: half a surrogate pair, which is no character", "write the character itself") from None
    return value


def amount(key: str, stated: dict[str, Any]) -> float | None:
    """A resource: None where nothing is asked for (null, 0 and -1 as well)."""
    value = stated.get(key)
    if value is None:
        return None
    unit = {"memory": " of MB", "disk": " of MB", "wall_time": " of seconds"}.get(key, "")
    cure = f'write "{key}": NUMBER, a number{unit} without quotes, or leave it out'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Problem(f"{key}: {shown(value)} is not a number", cure)
    if value in (0, -1):
        return None
    if not AMOUNT.holds(value):
        raise Problem(f"{key}: {shown(value)} cannot be had", cure)
    return float(value)


def environment(stated: Any) -> dict[str, str]:
    """Variables of the task; raises Problem."""
    if stated is None:
        return {}
    cure = 'write "env": {"NAME": "VALUE"}'
    if not isinstance(stated, dict):
        raise Problem(f"env: {shown(stated)} is not an object", cure)
    for name, value in stated.items():
        text_of("env", name, cure)
        if not name or "=" in name:
            raise Problem(f"env: {shown(name)} is no name of a variable", cure)
        text_of(f"env: {printable(name, 40)}", value, 'write the value in quotes: "8", not 8')
    return stated


def shown(value: Any) -> str:
    """A value as it was written, shortened."""
    return printable(json.dumps(value, ensure_ascii=False), 40)


def format_json(task: Task) -> bytes:
    """One line that parses to the same task."""
    asked = task.request
    stated = {
        "id": task.id, "command": task.command, "inputs": list(task.inputs), "outputs": list(task.outputs),
        "cores": asked.cores, "memory": asked.memory_mb, "disk": asked.disk_mb, "wall_time": asked.wall_s,
        "gpus": asked.gpus, "category": task.category, "env": dict(task.env) or None}
    kept = {key: value for key, value in stated.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
