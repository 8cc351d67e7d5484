"""The core's state as bytes, and back.

A pickle, since only that keeps which records are one and the same, and is written at the speed of C. Loading one calls
no function but those below: `_Loader` knows the classes of core, estimates and wire, and a few containers. An object is
made without its constructor. So a file from a stranger can fill memory, but run nothing.
"""
from __future__ import annotations

import gc
import importlib
import io
import pickle
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from mfmesos.core.model import Remote
from mfmesos.core.state import State
from mfmesos.eventlog.redaction import redacted, remote

_PACKAGES = (
    "mfmesos.core.", "mfmesos.estimates.", "mfmesos.shared.same", "mfmesos.shared.wire",
    "mfmesos.shared.kept_files", "mfmesos.shared.resources")
_CONTAINERS = {f"{one.__module__}.{one.__qualname__}": one for one in (
    Counter, OrderedDict, defaultdict, deque, set, frozenset, dict, list, int)}


class CheckpointError(ValueError):
    """The bytes are not a state of this version of the core."""


def dumped(state: State) -> bytes:
    """The state without secrets; takes some 50 us for each task that has not ended."""
    out = io.BytesIO()
    collects = gc.isenabled()
    gc.disable()  # nothing becomes garbage meanwhile, and looking for it takes five times as long as the rest
    try:
        _Dumper(out, protocol=4).dump(state)
    finally:
        if collects:
            gc.enable()
    return out.getvalue()


def loaded(data: bytes) -> State:
    """Raises CheckpointError."""
    try:
        state = _Loader(io.BytesIO(data)).load()
    except Exception as e:  # whatever a broken or foreign file leads to
        raise CheckpointError(f"{type(e).__name__}: {e}") from None
    if not isinstance(state, State):
        raise CheckpointError(type(state).__name__)
    return state


class _Dumper(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Remote):
            return Remote, tuple(remote(value))
        kind = type(value)
        if isinstance(value, Enum):
            return kind, (value.value,)
        if not kind.__module__.startswith("mfmesos.") or issubclass(kind, (tuple, type)):
            return NotImplemented
        return _blank, (kind,), _fields_of(value), None, None, _fill


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name in ("_blank", "_fill"):
            return globals()[name]
        found = _CONTAINERS.get(f"{module}.{name}")
        if found is None and module.startswith(_PACKAGES) and name.isidentifier():
            found = getattr(importlib.import_module(module), name, None)
            if not isinstance(found, type) or found.__module__ != module:
                found = None
        if found is None:
            raise CheckpointError(f"{module}.{name}")
        return found


def _fields_of(value: Any) -> dict[str, Any]:
    if hasattr(value, "__dataclass_fields__") and hasattr(value, "__dict__"):
        return redacted(value)
    slots = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ())}
    return {**slots, **getattr(value, "__dict__", {})}


def _blank(kind: type) -> Any:
    return object.__new__(kind)


def _fill(value: Any, content: dict[str, Any]) -> None:
    """What this version has in addition gets its default."""
    if hasattr(value, "__dataclass_fields__"):
        for one in fields(value):
            if one.name not in content and one.default_factory is not MISSING:
                content[one.name] = one.default_factory()
    for name, one_value in content.items():
        object.__setattr__(value, name, one_value)
