"""Replays a segment of an event log against the present core, and says where its actions first differ."""
from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfmesos.core.core import Core
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.eventlog.checkpoint import CheckpointError, loaded
from mfmesos.eventlog.logged_core import FORMAT
from mfmesos.eventlog.plain_values import decoded, encoded_as_is
from mfmesos.eventlog.segments import lines_of


class ReplayError(ValueError):
    """The file cannot be replayed; the text says why."""


@dataclass(frozen=True)
class Difference:
    """The first call of the core whose actions are others than those in the log."""

    call: int
    """From 1 on, within the segment."""
    now: float
    events: tuple[str, ...]
    """As JSON, and so are the actions."""
    logged: tuple[str, ...]
    replayed: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((
            f"call {self.call}, at {self.now}:", *(f"  {event}" for event in self.events),
            *difflib.unified_diff(self.logged, self.replayed, "logged", "replayed", n=1, lineterm="")))


@dataclass(frozen=True)
class Replayed:
    calls: int
    actions: int
    difference: Difference | None


def replay(path: Path) -> Replayed:
    """Up to the first difference. Raises ReplayError, OSError."""
    lines = _parsed(path)
    core = _core(next(lines, None), next(lines, None))
    calls = actions = 0
    for line in lines:
        if "in" not in line:
            raise ReplayError(f"a line without events after call {calls}")
        events = decoded(line["events"])
        out = core.handle_all(events, line["in"])
        logged = next(lines, None)
        if logged is None:
            break  # the scheduler died, or was killed, in this call
        calls, actions = calls + 1, actions + len(out)
        if encoded_as_is(out) != json.dumps(logged["out"], separators=(",", ":")):
            difference = Difference(calls, line["in"], _each(events), _each(decoded(logged["out"])), _each(out))
            if difference.logged != difference.replayed:  # else only fields that one of the versions does not have
                return Replayed(calls, actions, difference)
    return Replayed(calls, actions, None)


def _each(values: Any) -> tuple[str, ...]:
    return tuple(map(encoded_as_is, values))


def _parsed(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for line in lines_of(path):
            yield json.loads(line)
    except ValueError as e:
        raise ReplayError(f"{path}: {e}") from None


def _core(head: dict[str, Any] | None, start: dict[str, Any] | None) -> Core:
    if not head or not start or head.get("mfmesos_events") != FORMAT:
        raise ReplayError("not an event log of this format")
    policy = decoded(start["policy"])
    core = Core(policy, needs_for(policy), start.get("clusters", ("",)))
    if start["state"]:
        try:
            core.state = loaded(base64.b64decode(start["state"]))
        except CheckpointError as e:
            raise ReplayError(
                f"written by version {head['version']}, whose state this version does not know: {e}; the first "
                "segment of a run needs no state") from None
    return core


