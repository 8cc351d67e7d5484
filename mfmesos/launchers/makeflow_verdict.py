"""Decides whether a run of makeflow succeeded: makeflow itself also exits 0 after failed rules."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfmesos.launchers.supervisor import ending
from mfmesos.shared.messages import rules as m
from mfmesos.shared.phrases import shortened
from mfmesos.store.makeflow_log import LogState, NodeState

__all__ = ["Reasons", "Verdict", "ending", "judge"]

REPORT = "report.jsonl"
SHOWN = 20


class Reasons:
    """The scheduler's report of the tasks of this run: the part of the file that is written from now on."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / REPORT
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> dict[int, dict[str, Any]]:
        """Entries by task id, which is makeflow's job id."""
        entries: dict[int, dict[str, Any]] = {}
        try:
            with self._path.open("rb") as f:
                f.seek(self._offset)
                lines = f.read().splitlines()
        except OSError:
            return entries
        for line in lines:
            try:
                entry = json.loads(line)
                entries[int(entry["task"])] = entry
            except (ValueError, KeyError, TypeError):
                continue
        return entries


@dataclass
class Verdict:
    bad: bool
    lines: list[str] = field(default_factory=list)
    failed: int = 0
    rest: int = 0
    """Rules that never ran, or did not end."""


def judge(state: LogState, reports: dict[int, dict[str, Any]]) -> Verdict:
    """Failed unless every rule succeeded; one line per failed rule, and one line about rules that never ran."""
    failed = state.in_state(NodeState.FAILED)
    lines = [_line(state, node, reports) for node in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(m.MORE_RULES_FAILED(count=len(failed) - SHOWN, report=REPORT))
    complete = len(state.in_state(NodeState.COMPLETE))
    rest = state.total - complete - len(failed)
    if rest:
        lines.append(m.RULES_SUMMARY_REST(complete=complete, total=state.total, failed=len(failed), rest=rest))
    elif failed:
        lines.append(m.RULES_SUMMARY(complete=complete, total=state.total, failed=len(failed)))
    return Verdict(bad=bool(failed) or rest > 0, lines=lines, failed=len(failed), rest=rest)


def _line(state: LogState, node: int, reports: dict[int, dict[str, Any]]) -> str:
    outputs = state.outputs.get(node, [])
    named = ", ".join([*outputs[:3], *(["..."] if len(outputs) > 3 else [])])
    jobs = state.nodes[node].jobs
    report = reports.get(jobs[-1]) if jobs else None
    if report is not None and outputs and not set(report.get("outputs") or outputs) & set(outputs):
        report = None  # a LOCAL rule whose pid equals the number of a task
    known = (*([m.RULE_TASK(task=jobs[-1])] if report is not None else []),
             *([m.RULE_MAKES(files=named)] if outputs else []))
    makes = f" ({', '.join(known)})" if known else ""
    if report is None:
        return m.RULE_FAILED_ABOVE(rule=node, makes=makes)
    if report.get("finished"):
        return m.RULE_OUTPUTS_MISSING(rule=node, makes=makes)
    command = str(report.get("command", ""))
    return m.RULE_FAILED(rule=node, makes=makes, why=report.get("reason") or m.UNKNOWN_REASON(),
                         command=shortened(command, 200))
