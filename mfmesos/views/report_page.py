"""The report of a run: one HTML file that needs nothing else, from the record."""
from __future__ import annotations

import base64
import hashlib
import html
import re
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import Callable

from mfmesos import __version__
from mfmesos.shared.phrases import counted, duration, shortened, size, without_controls
from mfmesos.store.run_tables import RUNNING
from mfmesos.views import report_columns, run_sums
from mfmesos.views.run_facts import AttemptRow, RunFacts, span
from mfmesos.views.run_sums import Category, Cause, quantile
from mfmesos.views.status_view import COMMANDS

SLOWEST = 20
MOST_STEPS = 60
MOST_ROWS = 200
CORES = ((3600.0, "core hours"), (60.0, "core minutes"), (1.0, "core seconds"))
MEMORY = ((1024 * 3600.0, "GB hours"), (3600.0, "MB hours"), (1.0, "MB seconds"))
"""Units with their sizes in core seconds and MB seconds."""
Cell = tuple[str, str]
"""HTML, and the class of its cell."""


class Units:
    """The largest that are not too large for all that the run held."""

    def __init__(self, facts: RunFacts) -> None:
        sums = run_sums.totals(facts)
        self._cores, self.cores = _fitting(max(sums.held, sums.given), CORES)
        self._memory, self.memory = _fitting(max(sums.held_memory, sums.given_memory), MEMORY)

    def of_cores(self, core_s: float) -> str:
        return _number(core_s / self._cores)

    def of_memory(self, mb_s: float) -> str:
        return _number(mb_s / self._memory)


def _fitting(most: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    return next((unit for unit in units if unit[0] <= most), units[-1])


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def page(facts: RunFacts, name: str, now: float) -> str:
    """`name`: of the workflow. `now`: seconds since the epoch."""
    curves, uplot = run_sums.curves(facts), vendored("uPlot.iife.min.js")
    script = asset("common.js") + asset("report.js")
    run, units = facts.run, Units(facts)
    state = "running" if run["state"] == RUNNING else run["state"]
    good = state == "ended" and not run["failed"]
    return Template(asset("report.html")).substitute(
        hashes=" ".join(f"'sha256-{_digest(text)}'" for text in (uplot, script)),
        title=_text(f"{name}: report"),
        state=f'<span class="{"good" if good else "bad"}">{_text(state)}</span>',
        about=_text(_about(facts)), style=vendored("uPlot.min.css") + asset("style.css"),
        tiles=_tiles(facts, units), agents=_agents(facts, units),
        categories=_categories(run_sums.categories(facts), units),
        waste=_waste(facts, units), failures=_failures(facts, units), transfers=_transfers(facts),
        slowest=_slowest(facts), path=_path(facts), footer=_text(
            f"mfmesos {__version__}, {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))}. "
            "Durations in s, min and h; memory in MB and GB of 2**20 and 2**30 bytes; transfers in kB, MB and GB of "
            "powers of 1,000."),
        data=report_columns.packed(facts, curves), uplot=uplot, script=script)


def asset(name: str) -> str:
    """A file of this package's pages."""
    return (resources.files("mfmesos.views") / "pages" / name).read_text(encoding="utf-8")


def vendored(name: str) -> str:
    """A file of uPlot."""
    return (resources.files("mfmesos") / "vendor" / "uplot" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(text: object) -> str:
    """Foreign text for a page."""
    return html.escape(without_controls(str(text)))


def _about(facts: RunFacts) -> str:
    run = facts.run
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run["started"]))
    parts = [COMMANDS.get(run["engine"], run["engine"]), f"run {run['run']} of its folder", f"began {began}",
             f"master {run['master'].rpartition('@')[2]}", f"scheduler on {run['host']}", f"version {run['version']}"]
    return ", ".join([*parts, *_gpus(facts), *([run["failure"]] if run["failure"] else [])])


def _gpus(facts: RunFacts) -> list[str]:
    """Whether GPUs were kept apart by the agents, if claims had any."""
    known = [claim.gpus_isolated for claim in facts.claims if claim.gpus_isolated is not None]
    if not known:
        return []
    advisory = known.count(0)
    return [f"GPUs advisory in {advisory} of {counted(len(known), 'claim')} with GPUs" if advisory else "GPUs strict"]


def _tiles(facts: RunFacts, units: Units) -> str:
    run, sums = facts.run, run_sums.totals(facts)
    retries = sum(max(row.attempts - 1, 0) for row in facts.tasks)
    tiles = [
        (duration(facts.end - facts.begin), "duration"),
        (f"{run['finished'] - run['before']}", f"finished of {run['total'] - run['before']} tasks"),
        (f"{run['failed']}", "failed"), (f"{retries}", "retries"),
        *([(f"{run['before']}", "finished in earlier runs")] if run["before"] else []),
        *([(f"{run['withdrawn']}", "withdrawn")] if run["withdrawn"] else []),
        (f"{len({facts.agent(row) for row in facts.tasks if row.claim})}", "agents used"),
        (units.of_cores(sums.used), f"{units.cores} of CPU used"),
        (_percent(sums.used, sums.given), "of the allocated core time used"),
        (_percent(sums.given, sums.held), "of the held core time allocated"),
        (_percent(sums.used_memory, sums.given_memory), "of the allocated memory used"),
    ]
    return "".join(
        f'<div class="tile"><b>{_text(value)}</b><span>{_text(label)}</span></div>' for value, label in tiles)


def _agents(facts: RunFacts, units: Units) -> str:
    busy: dict[str, list[float]] = {}
    for row in facts.ran():
        one = busy.setdefault(facts.agent(row), [0.0, 0.0, 0.0, 0.0])
        failed = isinstance(row, AttemptRow) or row.state != "finished"
        for n, amount in enumerate((1.0, float(failed), row.cores * span(row), row.cpu_s)):
            one[n] += amount
    rows = [[_left(name), _right(f"{int(one[0])}"), _right(f"{int(one[1])}"), _right(units.of_cores(one[2])),
             _right(units.of_cores(one[3]))] for name, one in sorted(busy.items(), key=lambda item: _natural(item[0]))]
    table = _table(("agent", "attempts#", "not finished#", f"{units.cores} allocated#", f"{units.cores} used#"),
                   rows)
    return f'<details{"" if len(rows) > 20 else " open"}><summary>As a table</summary>{table}</details>'


def _natural(name: str) -> list[tuple[int, str]]:
    """node9 comes before node10."""
    return [(int(word), "") if word.isdecimal() else (0, word) for word in re.split(r"(\d+)", name)]


def _categories(found: Sequence[Category], units: Units) -> str:
    most = max((amount for one in found for amount in (*one.peaks, *one.given, *one.asked)), default=0.0)
    rows = []
    for one in found[:MOST_ROWS]:
        saving = one.saving_memory_s()
        rows.append([
            _left(one.name or "-"), _right(f"{one.tasks}"), _right(f"{one.failed}"), _right(f"{one.retries}"),
            _right(_three(one.walls, duration)), _right(_three(one.peaks, lambda mb: f"{mb:.0f}")),
            _right(" / ".join(f"{quantile(some, 0.5):.0f}" if some else "–" for some in (one.asked, one.given))),
            (_bar(one, most), ""),
            _right(f"{quantile(one.used_cores, 0.5):.2f} of {quantile(one.cores, 0.5):g}" if one.cores else "–"),
            _right(f"{one.suggested_mb:.0f}" if one.suggested_mb else "–"),
            _right(f"{units.of_memory(saving)} ({_percent(saving, one.given_memory_s)})" if one.walls else "–")])
    return _table((
        "category", "tasks#", "failed#", "retries#", "run time#", "memory peak MB#", "requested / allocated#",
        f"0 to {most:.0f} MB", "cores used#", "suggested MB#",
        f"saving, {units.memory}#"), rows)


def _bar(one: Category, most: float) -> str:
    """Peaks, request and allocation on one scale."""
    if not one.peaks or most <= 0:
        return ""
    def x(value: float) -> float:
        return round(2 + value / most * 136, 1)
    low, high = x(min(one.peaks)), x(max(one.peaks))
    middle, upper = x(quantile(one.peaks, 0.5)), x(quantile(one.peaks, 0.95))
    marks = [f'<rect x="{low}" y="8" width="{max(high - low, 1)}" height="2" fill="var(--used)"/>',
             f'<rect x="{middle}" y="5" width="{max(upper - middle, 2)}" height="8" fill="var(--used)"/>']
    if one.asked:
        marks.append(f'<rect x="{x(quantile(one.asked, 0.5))}" y="1" width="2" height="16" fill="var(--text)"/>')
    marks.append(f'<circle cx="{x(quantile(one.given, 0.5))}" cy="9" r="3.5" fill="var(--given)"/>')
    label = f"peaks {min(one.peaks):.0f} to {max(one.peaks):.0f} MB"
    return f'<svg class="range" role="img" aria-label="{label}" viewBox="0 0 140 18">{"".join(marks)}</svg>'


def _waste(facts: RunFacts, units: Units) -> str:
    sums = run_sums.totals(facts)
    rows = [
        ("held by claims", sums.held, sums.held_memory), ("allocated to attempts", sums.given, sums.given_memory),
        ("used by them (memory: peaks of last attempts)", sums.used, sums.used_memory),
        ("idle in claims", max(sums.held - sums.given, 0.0), max(sums.held_memory - sums.given_memory, 0.0)),
        ("allocated and not used", max(sums.given - sums.used, 0.0), max(sums.given_memory - sums.used_memory, 0.0)),
    ]
    cells = [[_left(what), _right(units.of_cores(cores)), _right(_percent(cores, sums.held)),
              _right(units.of_memory(memory)), _right(_percent(memory, sums.held_memory))]
             for what, cores, memory in rows]
    cells.append([_left("allocated to attempts that did not finish"), _right(units.of_cores(sums.lost)),
                  _right(_percent(sums.lost, sums.held)), _right("–"), _right("–")])
    return _table(("", f"{units.cores}#", "of held#", f"memory, {units.memory}#", "of held#"), cells)


def _failures(facts: RunFacts, units: Units) -> str:
    failed = [row for row in facts.tasks if row.state not in ("finished", "withdrawn")]
    if not failed and not facts.attempts:
        return "<p>No task failed, and no attempt was repeated.</p>"
    parts = []
    if failed:
        parts.append(_causes(run_sums.causes(failed), "Tasks that failed or did not run", facts, units))
    if facts.attempts:
        parts.append(_causes(run_sums.causes(facts.attempts), "Attempts that were repeated", facts, units))
    return "".join(f'<div class="wide">{part}</div>' for part in parts)


def _causes(found: Sequence[Cause], caption: str, facts: RunFacts, units: Units) -> str:
    commands = {row.task: row.command for row in facts.tasks}
    rows = [[_right(f"{cause.count}"), _left(cause.reason or "-"), _right(units.of_cores(cause.core_s)),
             _right(f"{cause.example}"), _code(commands.get(cause.example, ""))] for cause in found[:MOST_ROWS]]
    return _table(("count#", "reason", f"{units.cores}#", "for example task#", "command"), rows, caption)


def _transfers(facts: RunFacts) -> str:
    rows = facts.tasks
    moved = sum(max(span(row) - row.wall_s, 0.0) for row in rows if row.state == "finished")
    ran = sum(span(row) for row in rows if row.state == "finished")
    sums = [
        ("inputs of tasks, each time that one needed them", size(sum(row.input_bytes or 0 for row in rows))),
        ("of these sent by the scheduler (agents share and keep files)", size(facts.run["sent_bytes"] or 0)),
        ("outputs in the workflow's folder", size(sum(row.output_bytes or 0 for row in rows))),
        ("time of attempts before and after their commands ran",
         f"{duration(moved)}, {_percent(moved, ran)} of their time"),
    ]
    cells = [[_left(what), _right(value)] for what, value in sums]
    largest = sorted(rows, key=lambda row: -((row.input_bytes or 0) + (row.output_bytes or 0)))[:10]
    tops = [[_right(f"{row.task}"), _left(row.category), _right(size(row.input_bytes or 0)),
             _right(size(row.output_bytes or 0)), _right(duration(max(span(row) - row.wall_s, 0.0))),
             _code(row.command)] for row in largest if (row.input_bytes or 0) + (row.output_bytes or 0)]
    more = _table(("task#", "category", "inputs#", "outputs#", "time#", "command"), tops, "Those that moved most")
    return _table(("", "#"), cells) + (more if tops else "")


def _slowest(facts: RunFacts) -> str:
    usual = {one.name: quantile(one.walls, 0.5) for one in run_sums.categories(facts)}
    slowest = sorted(facts.tasks, key=lambda row: -row.wall_s)[:SLOWEST]
    rows = [[_right(f"{row.task}"), _left(row.category), _left(facts.agent(row)), _right(duration(row.wall_s)),
             _right(f"{row.wall_s / usual[row.category]:.1f}" if usual[row.category] else "–"),
             _right(f"{row.used_cores:.2f} of {row.cores:g}"), _code(row.command)] for row in slowest if row.wall_s]
    return _table(("task#", "category", "agent", "run time#", "times its category's median#", "cores used#", "command"),
                  rows)


def _path(facts: RunFacts) -> str:
    steps = run_sums.critical_path(facts)
    if len(steps) < 2:
        return "<p>No task of this run needed the output of another one, as far as the record knows.</p>"
    ran, waited, moved = (sum(amounts) for amounts in zip(*((s.task.wall_s, s.waited, s.moved) for s in steps)))
    text = (f"The run could not have ended before these {counted(len(steps), 'task')} one after the other: "
            f"{duration(ran)} of running, {duration(waited)} of waiting for room, {duration(moved)} of transfers.")
    shown = steps if len(steps) <= MOST_STEPS else [*steps[:MOST_STEPS // 2], *steps[-MOST_STEPS // 2:]]
    rows = [[_right(f"{s.task.task}"), _left(s.task.category), _right(duration(s.waited)), _right(duration(s.moved)),
             _right(duration(s.task.wall_s)), _right(duration(s.task.ended - facts.begin)), _code(s.task.command)]
            for s in shown]
    caption = "" if shown is steps else f"The first and the last {MOST_STEPS // 2} of them"
    return f"<p>{_text(text)}</p>" + '<div class="wide">' + _table(
        ("task#", "category", "waited#", "transfers#", "ran#", "ended at#", "command"), rows, caption) + "</div>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str = "") -> str:
    """Heads that end with # are of numbers."""
    top = "".join(f'<th scope="col"{" class=n" if head.endswith("#") else ""}>{_text(head.rstrip("#"))}</th>'
                  for head in heads)
    body = "".join("<tr>" + "".join(
        f'<td{f" class={kind}" if kind else ""}>{cell}</td>' for cell, kind in row) + "</tr>" for row in rows)
    title = f"<caption>{_text(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _left(text: str) -> Cell:
    return _text(text), ""


def _right(text: str) -> Cell:
    return _text(text), "n"


def _code(command: str) -> Cell:
    return f"<code>{_text(shortened(command, 160))}</code>", "t"


def _percent(part: float, whole: float) -> str:
    return f"{min(part / whole, 9.99):.0%}" if whole > 0 else "–"


def _three(values: Sequence[float], shown: Callable[[float], str]) -> str:
    return " / ".join(shown(quantile(values, part)) for part in (0.5, 0.95, 1.0)) if values else "–"
