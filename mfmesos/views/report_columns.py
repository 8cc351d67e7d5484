"""All tasks of a run as columns for a page: JSON, compressed, in base64; the page has functions to read it."""
from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mfmesos.shared.phrases import shortened, without_controls
from mfmesos.views.run_facts import RunFacts
from mfmesos.views.run_sums import Curves

BUDGET = 4_500_000
"""Characters. Commands and outputs are cut until the tasks fit."""
CUTS = (600, 200, 100, 60, 30, 10)
"""Characters of a command, and of the names of outputs."""
LEVEL = 6


class _Names:
    """Each text once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def all(self) -> list[str]:
        return [without_controls(text) for text in self.numbers]


def columns(facts: RunFacts) -> dict[str, Any]:
    """Times in hundredths of a second since the run began, memory in MB; -1: none."""
    states, categories, agents, reasons = _Names(), _Names(), _Names(), _Names()
    rows, begin = facts.tasks, facts.begin
    return {
        "task": _differences(row.task for row in rows),
        "state": [states.number(row.state) for row in rows],
        "category": [categories.number(row.category) for row in rows],
        "agent": [agents.number(facts.agent(row)) for row in rows],
        "reason": [reasons.number(row.reason) for row in rows],
        "start": [-1 if row.started is None else _hundredths(row.started - begin) for row in rows],
        "length": [0 if row.started is None else _hundredths(row.ended - row.started) for row in rows],
        "wall": [_hundredths(row.wall_s) for row in rows],
        "wait": [_hundredths((row.ended if row.started is None else row.started) - row.submitted) for row in rows],
        "attempts": [row.attempts for row in rows],
        "memory": [round(row.used_memory_mb) for row in rows],
        "given": [round(row.memory_mb) for row in rows],
        "cores": [round(row.cores, 2) for row in rows],
        "cpu": [round(row.cpu_s, 1) for row in rows],
        "states": states.all(), "categories": categories.all(), "agents": agents.all(), "reasons": reasons.all(),
    }


def packed(facts: RunFacts, curves: Curves) -> str:
    numbers = {**columns(facts), "begin": facts.begin, "end": facts.end,
               "curves": {name: [round(value, 3) for value in curve] for name, curve in asdict(curves).items()}}
    text = ""
    for most in CUTS:
        commands = "\n".join(without_controls(shortened(row.command, most)) for row in facts.tasks)
        outputs = "\n".join(without_controls(shortened(row.outputs, most)) for row in facts.tasks)
        text = _compressed({**numbers, "command": commands, "outputs": outputs, "cut": most})
        if len(text) <= BUDGET:
            break
    return text


def _compressed(data: Any) -> str:
    raw = json.dumps(data, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(raw, LEVEL, mtime=0)).decode()


def _differences(numbers: Iterable[int]) -> list[int]:
    found, before = [], 0
    for number in numbers:
        found.append(number - before)
        before = number
    return found


def _hundredths(seconds: float) -> int:
    return max(round(seconds * 100), 0)
