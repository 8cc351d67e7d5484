"""The rows of the journal: saved tasks and claims as JSON without the fields that have their defaults, and back."""
from __future__ import annotations

import functools
import json
import operator
from collections.abc import Collection, Iterable
from dataclasses import MISSING, fields
from typing import Any, Callable, TypeVar

from mfmesos.core.model import (
    Constraint,
    Ids,
    MadeTemporary,
    Remote,
    Request,
    Resources,
    SavedClaim,
    SavedPart,
    SavedTask,
    StagedInput,
    Steering,
    Task,
)
from mfmesos.shared.resources import FIELDS, four, named

T = TypeVar("T")


def _defaults(cls: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default if f.default_factory is MISSING else f.default_factory()) for f in fields(cls))


class _Changed:
    """Called with an instance of the class: its fields that have no default or another value, but for `never`."""

    def __init__(self, cls: Any, never: Collection[str] = ()) -> None:
        self._defaults = tuple(one for one in _defaults(cls) if one[0] not in never)
        self._values = operator.attrgetter(*(name for name, _ in self._defaults), "__class__")  # a tuple, always

    def __call__(self, value: Any) -> dict[str, Any]:
        return {name: one for (name, default), one in zip(self._defaults, self._values(value))
                if one is not default and one != default}


_changed_in = functools.lru_cache(maxsize=None)(_Changed)


def _plain(value: Any) -> Any:
    """A dataclass as a dict, a mapping as well."""
    return _changed_in(value.__class__)(value) if hasattr(value, "__dataclass_fields__") else dict(value)


_dumps: Callable[[Any], str] = json.JSONEncoder(
    default=_plain, separators=(",", ":"), check_circular=False).encode
ONCE = ("task", "inputs", "order", "context", "stem", "temporaries")
"""What its attempts do not change."""
_changes = _Changed(SavedTask, (*ONCE, "parts"))
MOST_TEXTS = 20_000


class Rows:
    """Makes the rows of tasks. Tasks share inputs: the text of each is made once."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[StagedInput, str]] = {}
        """By identity: equal inputs may differ in what is not compared."""

    def task(self, saved: SavedTask) -> tuple[int, str]:
        """(id, data) of the task with its attempt."""
        data = {"task": saved.task, "order": saved.order, "context": saved.context, "stem": saved.stem,
                "temporaries": saved.temporaries, **_changes(saved)}
        inputs = ",".join(map(self._text, saved.inputs))
        return saved.task.id, f'{_dumps(data)[:-1]},"inputs":[{inputs}]}}'

    def _text(self, item: StagedInput) -> str:
        known = self._texts.get(id(item))
        if known is not None:
            return known[1]
        if len(self._texts) >= MOST_TEXTS:
            self._texts.clear()
        text = _dumps(item)
        self._texts[id(item)] = item, text
        return text


def attempt(saved: SavedTask) -> tuple[int, str]:
    """(task, data) of the attempt alone."""
    return saved.task.id, _dumps(_changes(saved))


def parts(saved: SavedTask) -> list[tuple[int, int, str]]:
    """(task, part, data) of the parts after the first."""
    return [(saved.task.id, number, _dumps(part)) for number, part in enumerate(saved.parts, 1)]


def claim_row(saved: SavedClaim) -> tuple[str, str, str]:
    """(id, cluster, data)."""
    data = _plain(saved)
    return data.pop("id"), data.pop("cluster", ""), _dumps(data)


def tasks_of(tasks: Iterable[tuple[int, str]], attempts: Iterable[tuple[int, int, str]]) -> list[SavedTask]:
    """From all rows: a row of an attempt counts instead of that in the task's row; `attempts` is in order."""
    later: dict[int, str] = {}
    more: dict[int, list[SavedPart]] = {}
    for number, part, text in attempts:
        if part:
            data = json.loads(text)
            more.setdefault(number, []).append(
                _made(SavedPart, {**data, "allocation": _resources(data.get("allocation", {})),
                                  "given": _ids(data.get("given", ()))}))
        else:
            later[number] = text
    found = []
    for number, text in tasks:
        data = json.loads(text)
        if number in later:
            data = {**{name: data[name] for name in ONCE if name in data}, **json.loads(later[number])}
        found.append(_task({**data, "parts": tuple(more.get(number, ()))}))
    return found


def _task(data: dict[str, Any]) -> SavedTask:
    task = data["task"]
    return _made(SavedTask, {
        "attempts": 0,
        "stem": str(task["id"]),  # the first mfmesos saved none
        **data,
        "task": _made(Task, {**task, "inputs": tuple(task.get("inputs", ())), "outputs": tuple(task.get("outputs", ())),
                             "temporary": tuple(task.get("temporary", ())),
                             "also_read": tuple(task.get("also_read", ())),
                             "read": None if task.get("read") is None else tuple(task["read"]),
                             "request": _request(task.get("request", {})),
                             "shared": tuple(task.get("shared", ())),
                             "not_on": tuple(task.get("not_on", ())),
                             "where": tuple(Constraint(*one) for one in task.get("where", ())),
                             "urls": {name: Remote(*one) for name, one in task.get("urls", {}).items()}}),
        "inputs": tuple(_made(StagedInput, i) for i in data["inputs"]),
        "failed_at": tuple(data.get("failed_at", ())),
        "failed_clusters": tuple(data.get("failed_clusters", ())),
        "temporaries": tuple(data.get("temporaries", ())),
        "made": tuple(_made(MadeTemporary, {**one, "file": _made(StagedInput, one["file"])})
                      for one in data.get("made", ())),
        "given": _ids(data.get("given", ())),
        "allocation": _resources(data.get("allocation", {}))})


def claim_of(number: str, cluster: str, data: str) -> SavedClaim:
    known = json.loads(data)
    return _made(SavedClaim, {**known, "id": number, "cluster": cluster,
                              "resources": _resources(known["resources"]),
                              "ids": _ids(known.get("ids", ())),
                              "slices": tuple((n, _resources(of)) for n, of in known.get("slices", ()))})


def steering(decided: Steering) -> str:
    return _dumps(decided)


def steering_of(text: str) -> Steering:
    return _made(Steering, json.loads(text))


def _ids(data: Any) -> Ids:
    return tuple((name, tuple(some)) for name, some in data)


def _request(data: dict[str, Any]) -> Request:
    return _made(Request, {**data, "others": named(dict(data.get("others", ())))})


def _resources(data: Any) -> Resources:
    """From a list; the versions before saved an object, without others."""
    if isinstance(data, dict):
        return four(data.get(name, 0.0) for name in FIELDS)
    return four(data[:4])._replace(others=named(dict(data[4])))


def _made(cls: Callable[..., T], data: dict[str, Any]) -> T:
    """An instance from `data`; fields unknown to this version are ignored."""
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    return cls(**{k: v for k, v in data.items() if k in known})
