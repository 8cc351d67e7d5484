"""`mfmesos why`: the story of a task, from the record or from the scheduler."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mfmesos.shared.messages import seeing as m
from mfmesos.shared.phrases import counted, duration, shortened, without_controls

WIDTH = 80
TAIL_LINES = 20
SHOWN_MOMENTS = 30
SHOWN_INPUTS = 10
Values = Mapping[str, Any]


def ended(task: Values, attempts: Sequence[Values], hosts: Mapping[str, str]) -> Iterator[str]:
    """A task of the record. `hosts`: by claim."""
    number, took = task["task"], duration(max(task["ended"] - task["submitted"], 0.0))
    if task["state"] == "finished":
        yield m.WHY_FINISHED(task=number, time=took)
    else:
        why = without_controls(task["reason"]) or "-"
        yield (m.WHY_FAILED(task=number, why=why) if task["state"] == "failed" else
               m.WHY_NOT_RUN(task=number, why=why) if task["state"] == "blocked" else
               m.WHY_WITHDRAWN(task=number, why=why))
    yield from _about(task["command"], task["category"], task["outputs"].split("\n"))
    if not task["story"]:
        return
    moments = []
    for line in task["story"].split("\n"):
        at, _, rest = line.partition(" ")
        state, _, note = rest.partition(" ")
        moments.append((task["submitted"] + float(at), state, note))
    yield from _story(moments, hosts)
    rows = [*attempts, {**task, "attempt": task["attempts"]}] if task["claim"] else list(attempts)
    if rows:
        yield ""
        yield m.WHY_ATTEMPTS(count=counted(len(rows), "attempt"))
        for row in rows:
            yield from _attempt(row)


def live(task: Values, hosts: Mapping[str, str], now: float) -> Iterator[str]:
    """A task that has not ended, as the scheduler describes it."""
    number = task["task"]
    if task["state"] == "inputs":
        yield m.WHY_HELD_BACK(task=number, count=counted(task["lacks"], "input"))
        yield from _again(task)
        for name, makers in task["needs"][:SHOWN_INPUTS]:
            yield "  " + _missing(name, makers)
        if task["lacks"] > SHOWN_INPUTS:
            yield f"  {m.STATUS_MORE(more=task['lacks'] - SHOWN_INPUTS)}"
        yield from _about(task["command"], task["category"], task["outputs"])
        return
    since = duration(max(now - task["since"], 0.0))
    if task["state"] == "waiting":
        yield m.WHY_WAITS(task=number, time=since)
        if task.get("why") is not None:
            yield from _waits(number, task["why"], hosts, now)
    else:
        yield m.WHY_RUNS(task=number, state=task["state"], host=task["host"], time=since)
        yield m.WHY_ALLOCATED(cores=f"{task['cores']:g}", memory=f"{task['memory_mb']:.0f}",
                              disk=f"{task['disk_mb']:.0f}")
    yield from _again(task)
    yield from _about(task["command"], task["category"], task["outputs"])
    yield from _story([tuple(moment) for moment in task["story"]], hosts)


def reason(task: int, why: Values, host: str, now: float) -> str:
    """What keeps a waiting task from starting, in one line. `host`: of the claim that `why` names, if it is known."""
    return next(_waits(task, why, {why["claim"]: host} if host else {}, now))


def row_reason(row: Values, now: float) -> str:
    """The same of a row of the table of waiting tasks."""
    if row["state"] != "inputs":
        return reason(row["task"], row["why"], "", now)
    return m.WAITS_OTHERS(input=_missing(*row["needs"][0]))


def tail(kind: str, text: str) -> Iterator[str]:
    """The last lines of a stream."""
    found = text.splitlines()
    if not found:
        return
    yield ""
    yield m.WHY_TAIL(kind=kind, lines=counted(min(len(found), TAIL_LINES), "line"))
    for line in found[-TAIL_LINES:]:
        yield f"  {without_controls(line)}"


def _again(task: Values) -> Iterator[str]:
    if task.get("again"):
        yield m.WHY_AGAIN(why=without_controls(task["again"]))


def _missing(name: str, makers: Sequence[int]) -> str:
    shown = shortened(without_controls(name), 40)
    if not makers:
        return m.WHY_INPUT_MISSING(name=shown)
    more = len(makers) - 3
    named = ", ".join(map(str, makers[:3]))
    return m.WHY_INPUT_OF(name=shown, tasks=m.AND_MORE(named=named, more=more) if more > 0 else named)


def _waits(task: int, why: Values, hosts: Mapping[str, str], now: float) -> Iterator[str]:
    """What binds, with its numbers; what it needs; when it will probably start."""
    held, free, largest = (_amounts(why[name]) for name in ("held", "most_free", "largest"))
    where = hosts.get(why["claim"], why["claim"])
    texts: dict[str, Callable[[], str]] = {
        "user": lambda: m.WAITS_USER(task=task),
        "inputs": lambda: m.WAITS_INPUTS(),
        "paused": lambda: m.WAITS_PAUSED(),
        "arrives": lambda: m.WAITS_ARRIVES(),
        "running": lambda: m.WAITS_RUNNING(limit=why["limit"]),
        "gathering": lambda: m.WAITS_GATHERING(claim=where, reserve=why["reserve"]),
        "held": lambda: m.WAITS_HELD(behind=why["behind"], reserve=why["reserve"]),
        "full": lambda: m.WAITS_FULL(free=free),
        "claim": lambda: m.WAITS_CLAIM(),
        "unconnected": lambda: m.WAITS_UNCONNECTED(),
        "large": lambda: m.WAITS_LARGE(largest=largest),
        "rests": lambda: m.RUN_RESTS(time=duration(max((why["until"] or now) - now, 0.0))),
        "bound": lambda: m.WAITS_BOUND(held=held),
        "counter": lambda: m.WAITS_COUNTER(name=without_controls(why["name"]), limit=f"{why['limit']:g}"),
        "gpus": lambda: m.WAITS_GPUS(),
        "out": lambda: m.WAITS_OUT(gpus=without_controls(why["name"])),
        "constraint": lambda: m.WAITS_CONSTRAINT(),
        "shunned": lambda: m.WAITS_SHUNNED(),
        "offers": lambda: m.WAITS_OFFERS(),
        "next": lambda: m.WAITS_NEXT(),
    }
    text = texts.get(why["binding"])
    yield text() if text is not None else why["binding"]
    yield m.WAITS_NEED(need=_amounts(why["need"]), before=counted(why["before"], "task"), order=why["order"])
    yield m.WAITS_START_UNKNOWN() if why["start_at"] is None else m.WAITS_START(
        time=duration(max(why["start_at"] - now, 0.0)))
    for option, at in why["otherwise"]:
        yield m.WAITS_OTHERWISE_NOW(option=option) if at <= now else m.WAITS_OTHERWISE(
            option=option, time=duration(at - now))


def _amounts(one: Values) -> str:
    more = "".join(f", {amount:g} {without_controls(name)}" for name, amount in one.get("others", {}).items())
    return m.AMOUNTS(cores=f"{one['cores']:g}", memory=f"{one['memory_mb']:.0f}", disk=f"{one['disk_mb']:.0f}") + more


def _about(command: str, category: str, outputs: Sequence[str]) -> Iterator[str]:
    yield f"command   {without_controls(shortened(command, 10 * WIDTH))}"
    yield f"category  {without_controls(category)}"
    named = ", ".join(without_controls(name) for name in outputs[:5] if name)
    if named:
        more = len(outputs) - 5
        yield f"outputs   {m.AND_MORE(named=named, more=more) if more > 0 else named}"


def _story(moments: Sequence[tuple[float, str, str]], hosts: Mapping[str, str]) -> Iterator[str]:
    """Each change with its time, and how long the task stayed there."""
    yield ""
    shown = list(moments)
    skipped = len(shown) - SHOWN_MOMENTS
    for n, (at, state, note) in enumerate(shown):
        if skipped > 0 and SHOWN_MOMENTS // 2 <= n < SHOWN_MOMENTS // 2 + skipped:
            if n == SHOWN_MOMENTS // 2:
                yield m.WHY_SKIPPED(changes=counted(skipped, "change"))
            continue
        stay = f"{duration(shown[n + 1][0] - at):>12}" if n + 1 < len(shown) else " " * 12
        where = hosts.get(note, note) if state == "assigned" else note
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        yield f"{clock}  {state:<10}{stay}  {shortened(without_controls(where), WIDTH - 45)}".rstrip()


def _attempt(row: Values) -> Iterator[str]:
    how = without_controls(row["reason"]) or m.WHY_ATTEMPT_FINISHED()
    time_s = row["wall_s"] or max(row["ended"] - (row["started"] or row["ended"]), 0.0)
    head = f"  {row['attempt']}  {shortened(row['host'] or '-', 24)}  {duration(time_s)}  "
    yield head + shortened(how, max(WIDTH - len(head), 20))
    if row["used_memory_mb"]:
        yield "     " + m.WHY_USED(
            memory=f"{row['used_memory_mb']:.0f}", of_memory=_of(row["limit_memory_mb"], row["memory_mb"]),
            disk=f"{row['used_disk_mb']:.0f}", of_disk=_of(row["limit_disk_mb"], row["disk_mb"]),
            cores=f"{row['used_cores']:.2f}", of_cores=f"{row['cores']:g}", cpu=duration(row["cpu_s"]))


def _of(limit: float | None, given: float) -> str:
    return f"{given if limit is None else limit:.0f}"
