"""`mfmesos status`: one screen about a run, from its record and, while it lasts, from its scheduler."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mfmesos.shared.messages import seeing as m
from mfmesos.shared.phrases import counted, cut, duration, shortened, without_controls

WIDTH = 80
ROWS = 10
COMMANDS = {
    "batch": "mfmesos run", "makeflow": "mfmesos makeflow", "factory": "mfmesos factory", "pool": "mfmesos pool"}
CRASHED = "crashed"
Values = Mapping[str, Any]


def as_data(folder: str, run: Values | None, live: Values | None, running: Sequence[Values],
            failures: Sequence[Values]) -> dict[str, Any]:
    """What `--json` prints. `run`: the row of the record; `live`: the scheduler's answer; `failures`: grouped."""
    state = "running" if live is not None else None if run is None else run["state"]
    return {
        "folder": folder, "state": CRASHED if live is None and state == "running" else state, "run": run, "live": live,
        "running": list(running), "failures": list(failures)}


def lines(data: Values, now: float) -> Iterator[str]:
    """One screen of 80 columns."""
    run, live = data["run"], data["live"]
    yield cut(without_controls(data["folder"]), WIDTH)
    yield from _head(data, now)
    if live is not None:
        yield from _live(live)
    elif run is not None:
        yield _counts(run["total"], run["finished"], run["failed"], run["withdrawn"], run["before"])
    if data["running"]:
        yield ""
        yield from _table(data["running"], now)
    if data["failures"]:
        yield ""
        yield from failure_lines(data["failures"])
    if data["state"] == CRASHED:
        yield m.STATUS_CRASHED_CURE()
    elif data["state"] in ("stopped", "failed") or (data["state"] == "ended" and run and run["failed"]):
        yield m.STATUS_RESUME()


def _head(data: Values, now: float) -> Iterator[str]:
    run, live = data["run"], data["live"]
    if live is not None:
        yield m.STATUS_RUNNING(time=duration(now - live["started"]), pid=live["pid"],
                               command=COMMANDS.get(live["engine"], live["engine"]))
        return
    if run is None:
        yield m.STATUS_NONE()
        return
    command = COMMANDS.get(run["engine"], run["engine"])
    if data["state"] == CRASHED:
        yield m.STATUS_CRASHED(command=command, time=duration(max(now - run["started"], 0.0)))
        return
    yield m.STATUS_ENDED(command=command, ago=duration(max(now - run["ended"], 0.0)),
                         time=duration(run["ended"] - run["started"]))
    if run["failure"]:
        yield m.STATUS_ENDED_WHY(why=shortened(without_controls(run["failure"]), WIDTH - 14))


def _live(live: Values) -> Iterator[str]:
    counts, held = live["counts"], live["held"]
    yield m.STATUS_CLUSTER(
        master=shortened(live["master"], 30), agents=counted(live["agents"], "agent"), cores=f"{live['cores']:g}",
        memory=f"{live['memory_mb']:.0f}")
    yield m.STATUS_HOLDS(claims=counted(live["claims"], "claim"), cores=f"{held['cores']:g}",
                         memory=f"{held['memory_mb']:.0f}")
    if held.get("gpus"):  # a scheduler of the version before says nothing of them
        yield m.STATUS_GPUS_ADVISORY(gpus=held["gpus"], advisory=held["advisory_gpus"]) if held["advisory_gpus"] \
            else m.STATUS_GPUS_STRICT(gpus=held["gpus"])
    if not live["connected"]:
        yield m.STATUS_DISCONNECTED()
    if live.get("rests_s"):
        yield m.RUN_RESTS(time=duration(live["rests_s"]))
    if live["stopping"]:
        yield m.STATUS_STOPPING(why=shortened(without_controls(live["stopping"]), WIDTH - 21))
    yield _counts(counts["total"], counts["finished"], counts["failed"], counts["withdrawn"], counts["before"])
    left = counts["left_s"]
    waiting = m.STATUS_NOW_INPUTS(running=counts["running"], waiting=counts["waiting"], inputs=counts["for_inputs"]) \
        if counts["for_inputs"] else m.STATUS_NOW(running=counts["running"], waiting=counts["waiting"])
    yield waiting if left is None else m.STATUS_LEFT(now=waiting, left=duration(left))


def _counts(total: int, finished: int, failed: int, withdrawn: int, before: int) -> str:
    more = "".join((
        f", {m.STATUS_BEFORE(before=before)}" if before else "",
        f", {m.STATUS_FAILED(failed=failed)}" if failed else "",
        f", {m.STATUS_WITHDRAWN(withdrawn=withdrawn)}" if withdrawn else ""))
    return m.STATUS_TASKS(finished=finished, total=counted(total, "task"), more=more)


def _table(running: Sequence[Values], now: float) -> Iterator[str]:
    """The tasks that have run longest."""
    yield f"{'task':>7}  {'for':>11}  {'agent':<16}  command"
    longest = sorted(running, key=lambda one: float(one["since"]))
    for one in longest[:ROWS]:
        yield (f"{one['task']:>7}  {duration(max(now - one['since'], 0.0)):>11}  "
               f"{shortened(one['host'], 16):<16}  {shortened(without_controls(one['command']), WIDTH - 40)}")
    if len(longest) > ROWS:
        yield m.STATUS_MORE(more=len(longest) - ROWS)


def failure_lines(failures: Sequence[Values]) -> Iterator[str]:
    """Failed tasks by reason, with one example each."""
    yield f"{'failed':>7}  {'reason':<25}  for example"
    for one in failures[:ROWS]:
        first = one["example"]
        example = f"{first['task']}: {without_controls(first['command'])}"
        reason = shortened(without_controls(one["reason"]), 25)
        yield f"{one['count']:>7}  {reason:<25}  {shortened(example, WIDTH - 36)}"
    if len(failures) > ROWS:
        yield m.STATUS_MORE_REASONS(more=len(failures) - ROWS)
