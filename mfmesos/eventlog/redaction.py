"""What the event log does not repeat: values of variables, credentials in URLs, and what tasks printed.

The core passes all of it on without looking at it, so a replay gives the same actions without it. Tokens and keys of
claims never come to the core.
"""
from __future__ import annotations

from typing import Any, Callable

from mfmesos.core.model import Remote, StagedInput, Task
from mfmesos.shared import wire
from mfmesos.shared.webrequest import shown

INSTEAD = "(redacted)"


def redacted(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, without secrets."""
    rule = _RULES.get(type(value))
    return vars(value) if rule is None else {**vars(value), **rule(value)}


def remote(value: Remote) -> Remote:
    return value._replace(url=shown(value.url))


def _environment(value: Any) -> dict[str, Any]:
    return {"env": dict.fromkeys(value.env, INSTEAD)} if value.env else {}


def _task(value: Task) -> dict[str, Any]:
    return {**_environment(value), **({"urls": {name: remote(one) for name, one in value.urls.items()}})}


def _input(value: StagedInput | wire.Input) -> dict[str, Any]:
    return {"url": shown(value.url)} if value.url else {}


def _result(value: wire.Result) -> dict[str, Any]:
    return {"stdout": "", "stderr": "", "tar": None}


_RULES: dict[type, Callable[[Any], dict[str, Any]]] = {
    Task: _task, wire.Run: _environment, StagedInput: _input, wire.Input: _input, wire.Result: _result}
