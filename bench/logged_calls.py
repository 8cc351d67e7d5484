"""What went into the core of a run and what came out, from its event log (--event-log)."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.eventlog.plain_values import decoded
from mfmesos.eventlog.segments import lines_of, segments


def calls(folder: Path) -> Iterator[tuple[float, tuple[ev.Event, ...], tuple[act.Action, ...]]]:
    """Each call of the core: when, what went in, what came out. `folder`: the run's .mfmesos."""
    for path in segments(folder):
        lines = (json.loads(line) for line in lines_of(path))
        for line in lines:
            if "in" in line and (out := next(lines, None)) is not None:
                yield line["in"], decoded(line["events"]), decoded(out["out"])
