"""Events and actions as JSON, generic over their fields.

A dataclass is `{"ClassName": {field: value}}`; tuples and lists are arrays. Nothing is left out, so two actions are
equal if their texts are. `decoded` makes lists of the fields that are declared as lists, and tuples of all others.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mfmesos.core import actions, attempt_record, events, model, needs, policy, sizing
from mfmesos.core.model import Constraint, Remote, Resources
from mfmesos.eventlog.redaction import redacted
from mfmesos.shared import devices, kept_files, wire

_CLASSES: dict[str, type] = {
    name: found
    for module in (actions, attempt_record, events, model, needs, policy, sizing, devices, kept_files, wire)
    for name, found in vars(module).items()
    if isinstance(found, type) and hasattr(found, "__dataclass_fields__")}


def _with_secrets(value: Any) -> dict[str, Any]:
    """For the encoder: what is no plain JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {type(value).__name__: vars(value)}
    return dict(value)


def _without_secrets(value: Any) -> dict[str, Any]:
    if hasattr(value, "__dataclass_fields__"):
        return {type(value).__name__: redacted(value)}
    return dict(value)


def _encoder(default: Callable[[Any], dict[str, Any]]) -> Callable[[Any], str]:
    return json.JSONEncoder(default=default, separators=(",", ":")).encode


encoded = _encoder(_without_secrets)
"""Any event, action or policy, or a sequence of them, as one line, without its secrets."""
encoded_as_is = _encoder(_with_secrets)
"""The same of what has no secrets any more."""


def decoded(data: Any) -> Any:
    """The reverse, from parsed JSON. Raises ValueError for what is not of this format."""
    if isinstance(data, list):
        return tuple(map(decoded, data))
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        (name, content), = data.items()
        if name in _CLASSES and isinstance(content, dict):
            return _made(_CLASSES[name], content)
    return {name: decoded(value) for name, value in data.items()}


def _made(cls: type, content: Mapping[str, Any]) -> Any:
    """An instance; a field that this version does not know is left out, and one that is missing has its default."""
    known: dict[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]
    values = {name: decoded(value) for name, value in content.items() if name in known}
    for name, value in values.items():
        if isinstance(value, tuple) and str(known[name].type).startswith("list["):
            values[name] = list(value)
        if isinstance(value, tuple) and str(known[name].type).startswith("Resources"):
            values[name] = Resources(*value)
    if cls is model.Task:
        values["urls"] = {name: Remote(*one) for name, one in values.get("urls", {}).items()}
        values["where"] = tuple(Constraint(*one) for one in values.get("where", ()))
    if cls is model.Agent:
        values["reserved"] = tuple((role, Resources(*kept)) for role, kept in values.get("reserved", ()))
    try:
        return cls(**values)
    except TypeError as e:
        raise ValueError(f"{cls.__name__}: {e}") from None
