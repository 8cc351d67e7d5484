"""Task files as JSON lines: one object per line, no ambiguity of commas and spaces.

`{"command": "cat in > out", "inputs": ["in"], "outputs": ["out"], "cores": 1, "memory": 200, "disk": 100, "category":
"cat", "wall_time": 60, "gpus": 0, "env": {"A": "1"}, "id": 7}`: only `command` is required. memory and disk in MB,
wall_time in seconds; null or a missing key requests nothing. `"gpus": "a100:2"` names their type.
`"resources": {"licences": 2}` requests other resources by name. A task without an `id` gets the number after the
highest one so far. An input may also be a file on a web server: `{"name": "in", "url": "https://...", "sha256":
"..."}`, where the sha256 may be missing. An output `{"name": "out", "temporary": true}` stays on the agents. The keys
that say when a task starts are in scheduling_keys.

`{"cancel": 7}` (or `7,,,,,,,aborting`, from the other format) cancels task 7. Blank lines
and lines that begin with # are ignored.
"""
from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from mfmesos.core.model import Named, Remote, Request, Task
from mfmesos.shared import webrequest as web
from mfmesos.shared.bounds import AMOUNT
from mfmesos.shared.messages import resources as r
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.resource_texts import read_gpus
from mfmesos.shared.resources import is_name, named
from mfmesos.shared.same import Same
from mfmesos.shared.values import EMPTY
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
)
from mfmesos.taskfiles.jsonvalues import shown, text_of
from mfmesos.taskfiles.scheduling_keys import SCHEDULING, formatted, scheduling

KEYS = ("command", "inputs", "outputs", "cores", "memory", "disk", "category", "wall_time", "gpus", "resources", "env",
        "id", *SCHEDULING)
UNITS = {"memory": "MB", "disk": "MB", "wall_time": "seconds"}
WRITE_COMMAND, WRITE_CATEGORY, WRITE_ENV, WRITE_VALUE, WRITE_URL = (
    m.WRITE_LINE(), m.WRITE_CATEGORY(), m.WRITE_ENV(), m.WRITE_VALUE(), m.WRITE_URL())
WRITE_NAMES = {key: m.WRITE_NAMES(key=key) for key in ("inputs", "outputs")}
"""Cures, made once: they are given with each value that is read."""
OWN_KEYS = {"cpus": "cores", "mem": "memory", "memory_mb": "memory", "disk_mb": "disk", "disk": "disk", "gpus": "gpus",
            "cores": "cores", "memory": "memory", "wall_time": "wall_time"}
"""Names of resources that have a key of their own."""
ABORTING = re.compile(rb"([1-9]\d{0,9}),{7}aborting")
KEPT = 400
URL_KEYS = ("name", "url", "sha256")
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class JsonLinesParser:
    """Bytes in, records out; never raises on any bytes. Not thread-safe. Memory: at most about MAX_RECORD."""

    def __init__(self, workdir: str | os.PathLike[str], *, first_line: int = 1) -> None:
        self._folder = Folder(workdir)
        self._ids = Ids()
        self._requests: Same[Request] = Same()
        self._inputs: Same[tuple[str, ...]] = Same()
        self._line = first_line
        self._rest: list[bytes] = []
        self._size = 0

    @property
    def unfinished(self) -> int | None:
        """The first line of an incomplete record."""
        return self._line if self._size else None

    def feed(self, data: bytes) -> list[Record]:
        """The records of completed lines, in the order of the file."""
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
                raise Problem(*m.LINE_TOO_LONG.parts(limit=MAX_RECORD >> 20))
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
        """The number of a new task, if the line has one: its author waits for an answer."""
        task_id = stated.get("id")
        if task_id is None or not _is_id(task_id):
            return None
        if task_id not in self._ids:
            self._ids.take(task_id, line)
        return int(task_id) if self._ids.line_of(task_id) == line else None

    def _cancelled(self, stated: dict[str, Any], number: int) -> Withdrawn:
        if len(stated) > 1 or not _is_id(stated["cancel"]):
            raise Problem(*m.CANCEL_FORM.parts())
        return self._withdrawn(stated["cancel"], number)

    def _withdrawn(self, task_id: int, number: int) -> Withdrawn:
        if task_id not in self._ids:
            raise Problem(*m.CANCEL_UNKNOWN.parts(task=task_id))
        return Withdrawn(task_id, number)

    def _task(self, stated: dict[str, Any], number: int) -> Task:
        for key in stated:
            if key not in KEYS:
                near = difflib.get_close_matches(str(key)[:40], KEYS, 1)
                name = printable(str(key), 40)
                raise Problem(*(m.KEY_MISSPELT.parts(key=name, near=near[0]) if near
                                else m.KEY_UNKNOWN.parts(key=name, keys=", ".join(KEYS))))
        command = text_of("command", stated.get("command"), WRITE_COMMAND)
        if not command.strip():
            raise Problem(*m.COMMAND_EMPTY.parts())
        count, kind = gpus(stated.get("gpus"))
        request = self._requests.of(Request(
            cores=amount("cores", stated), memory_mb=amount("memory", stated), disk_mb=amount("disk", stated),
            wall_s=amount("wall_time", stated), gpus=count, others=others(stated.get("resources"))))
        urls, listed = self._urls(stated)
        inputs = self._inputs.of(self._names("inputs", listed))
        outputs, temporary = self._outputs(stated)
        for name in (*inputs, *outputs):
            if name in urls:
                raise Problem(*m.URL_NAME_TWICE.parts(name=printable(name)))
        category = stated.get("category")
        if category is not None:
            category = text_of("category", category, WRITE_CATEGORY)
        env = environment(stated.get("env"))
        return Task(self._id(stated.get("id"), number), command, inputs, outputs, request, category, env, urls=urls,
                    temporary=temporary, **scheduling(stated, kind))

    def _id(self, stated: Any, line: int) -> int:
        if stated is None:
            stated = self._ids.highest + 1
        if not _is_id(stated):
            raise Problem(*m.ID_NOT_WHOLE.parts(value=shown(stated), most=MAX_ID))
        self._ids.take(stated, line)
        return int(stated)

    def _urls(self, stated: dict[str, Any]) -> tuple[Mapping[str, Remote], dict[str, Any]]:
        """The inputs on web servers, and what is stated besides them."""
        listed = stated.get("inputs")
        if not isinstance(listed, list) or not any(isinstance(item, dict) for item in listed):
            return EMPTY, stated
        urls: dict[str, Remote] = {}
        for item in listed:
            if isinstance(item, dict):
                written, found = remote(item)
                name = self._folder.relative(written)
                if name in urls:
                    raise Problem(*m.URL_NAME_TWICE.parts(name=printable(name)))
                if name in (".", ".."):
                    raise Problem(*m.URL_NAME_FOLDER.parts(name=printable(written)))
                urls[name] = found
        return urls, {"inputs": [item for item in listed if not isinstance(item, dict)]}

    def _outputs(self, stated: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """All outputs, and those that are temporary."""
        listed = stated.get("outputs")
        if not isinstance(listed, list) or not any(isinstance(item, dict) for item in listed):
            return self._names("outputs", stated), ()
        written, marked = [], []
        for item in listed:
            name = item
            if isinstance(item, dict):
                if set(item) != {"name", "temporary"} or type(item["temporary"]) is not bool:
                    raise Problem(*m.OUTPUT_FORM.parts(value=shown(item)))
                name = item["name"]
                marked += [name] if item["temporary"] else []
            written.append(name)
        outputs = self._names("outputs", {"outputs": written})
        temporary = self._folder.names(marked)
        for name in temporary:
            other = next((o for o in outputs if o.startswith(name + "/") or name.startswith(o + "/")), None)
            if other is not None:
                raise Problem(*m.TEMPORARY_NESTED.parts(name=printable(name), other=printable(other)))
        return outputs, temporary

    def _names(self, key: str, stated: dict[str, Any]) -> tuple[str, ...]:
        names = stated.get(key)
        if names is None:
            return ()
        if isinstance(names, str):
            raise Problem(*m.NAMES_ONE_STRING.parts(key=key, value=shown(names)))
        if not isinstance(names, list):
            raise Problem(*m.NAMES_NOT_LIST.parts(key=key, value=shown(names)))
        for name in names:
            if not text_of(key, name, WRITE_NAMES[key]):
                raise Problem(*m.NAME_EMPTY.parts(key=key))
        return self._folder.names(names)


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_ID


def parse_object(text: str) -> dict[str, Any]:
    """Parse one JSON object; raises Problem on anything else, including repeated keys."""
    try:
        # A number of a million digits would take minutes as an int.
        stated = json.loads(text, object_pairs_hook=unique, parse_constant=no_number,
                            parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))
    except RecursionError:
        raise Problem(*m.NESTED_TOO_DEEPLY.parts()) from None
    except Problem:
        raise
    except json.JSONDecodeError as e:
        raise Problem(*m.NOT_JSON_AT.parts(why=e.msg, column=e.colno)) from None
    except ValueError as e:
        raise Problem(*m.NOT_JSON.parts(why=printable(str(e), 60))) from None
    if not isinstance(stated, dict):
        raise Problem(*m.NOT_AN_OBJECT.parts(value=shown(stated)))
    return stated


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Problem(*m.KEY_TWICE.parts(key=printable(key, 40)))
        found[key] = value
    return found


def no_number(name: str) -> NoReturn:
    raise Problem(*m.NO_JSON_NUMBER.parts(name=name))


def amount(key: str, stated: dict[str, Any]) -> float | None:
    """A resource: None for no request (also null, 0 and -1)."""
    value = stated.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Problem(m.KEY_NOT_NUMBER(key=key, value=shown(value)), _write_number(key))
    if value in (0, -1):
        return None
    if not AMOUNT.holds(value):
        raise Problem(m.KEY_OUT_OF_RANGE(key=key, value=shown(value)), _write_number(key))
    return float(value)


def gpus(stated: Any) -> tuple[float | None, str]:
    """Their number, None for no request, and their type, which may be empty; raises Problem."""
    found = read_gpus(stated)
    if found is None or (isinstance(stated, str) and ":" not in stated):
        raise Problem(r.GPUS_INVALID(value=shown(stated)), r.WRITE_GPUS())
    return found[0] or None, found[1]


def others(stated: Any) -> Named:
    """Other resources, by name; raises Problem. Whether an agent has them is known once agents are listed."""
    if stated is None:
        return ()
    if not isinstance(stated, dict):
        raise Problem(*m.RESOURCES_NOT_OBJECT.parts(value=shown(stated)))
    found: dict[str, float] = {}
    for name in stated:
        own = OWN_KEYS.get(name)
        if own:
            raise Problem(*m.RESOURCE_HAS_KEY.parts(name=name, key=own))
        if not is_name(name):
            raise Problem(*m.RESOURCE_BAD_NAME.parts(name=shown(name)))
        found[name] = amount(name, stated) or 0.0
    return named(found)


def _write_number(key: str) -> str:
    unit = UNITS.get(key)
    return m.WRITE_NUMBER_OF(key=key, unit=unit) if unit else m.WRITE_NUMBER(key=key)


def remote(stated: dict[str, Any]) -> tuple[str, Remote]:
    """The name of an input on a web server as written, and where it is; raises Problem, without secrets of the URL."""
    for key in stated:
        if key not in URL_KEYS:
            raise Problem(*m.URL_KEY_UNKNOWN.parts(key=printable(key, 40)))
    name = text_of("name", stated.get("name"), WRITE_URL)
    if not name:
        raise Problem(*m.NAME_EMPTY.parts(key="inputs"))
    url, digest = text_of("url", stated.get("url"), WRITE_URL), stated.get("sha256")
    scheme = web.scheme(url)
    if scheme not in web.SCHEMES:
        raise Problem(*m.URL_SCHEME.parts(name=printable(name), scheme=printable(scheme, 40)) if scheme
                      else m.URL_INVALID.parts(name=printable(name)))
    if not web.is_valid(url):
        raise Problem(*m.URL_INVALID.parts(name=printable(name)))
    if digest is None:
        return name, Remote(url)
    if not isinstance(digest, str) or not SHA256.fullmatch(digest):
        raise Problem(*m.URL_BAD_SHA256.parts(name=printable(name), value=shown(digest)))
    return name, Remote(url, digest.lower())


def environment(stated: Any) -> Mapping[str, str]:
    """The task's variables; raises Problem."""
    if stated is None:
        return EMPTY
    if not isinstance(stated, dict):
        raise Problem(*m.ENV_NOT_OBJECT.parts(value=shown(stated)))
    for name, value in stated.items():
        text_of("env", name, WRITE_ENV)
        if not name or "=" in name:
            raise Problem(*m.ENV_BAD_NAME.parts(name=shown(name)))
        text_of(m.ENV_KEY(name=printable(name, 40)), value, WRITE_VALUE)
    return stated


def format_json(task: Task) -> bytes:
    """One line that parses to the same task."""
    asked = task.request
    urls = [{"name": name, "url": one.url, **({"sha256": one.sha256} if one.sha256 else {})}
            for name, one in task.urls.items()]
    stated = {
        "id": task.id, "command": task.command, "inputs": [*task.inputs, *urls],
        "outputs": [{"name": o, "temporary": True} if o in task.temporary else o for o in task.outputs],
        "cores": asked.cores, "memory": asked.memory_mb, "disk": asked.disk_mb, "wall_time": asked.wall_s,
        "gpus": asked.gpus, "resources": dict(asked.others) or None, "category": task.category,
        "env": dict(task.env) or None, **formatted(task)}
    kept = {key: value for key, value in stated.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
