"""A record of a run of any size: one task prepares, many map, every hundred are merged, one ends it; some fail."""
from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from mfmesos.store import sqlitefile
from mfmesos.store.run_reading import RunReader
from mfmesos.store.run_tables import (
    APPLICATION_ID,
    ATTEMPT_COLUMNS,
    CLAIM_COLUMNS,
    FILE,
    RUN_COLUMNS,
    SAMPLE_COLUMNS,
    STEPS,
    TASK_COLUMNS,
    insert,
)
from mfmesos.views import run_exports, run_facts
from mfmesos.views.run_facts import RunFacts

BEGAN = 1_700_000_000.0
SLOTS = 4
"""Of each agent."""


def sample(folder: Path, maps: int, agents: int = 3, state: str = "ended") -> None:
    """Write FOLDER/.mfmesos/record.sqlite with a run of `maps` tasks of category "map" and those around them."""
    (folder / ".mfmesos").mkdir(parents=True, exist_ok=True)
    dice = random.Random(7)
    tasks, attempts = _rows(dice, maps, agents)
    end = max(task["ended"] for task in tasks)
    failed = sum(task["state"] == "failed" for task in tasks)
    run = {
        "run": 1, "engine": "batch", "master": "127.0.0.1:5050", "version": "0.1.0", "host": "head", "pid": 1,
        "started": BEGAN, "ended": end + 1 if state == "ended" else None, "state": state, "failure": "",
        "total": len(tasks), "before": 0, "finished": len(tasks) - failed, "failed": failed, "withdrawn": 0,
        "sent_bytes": 5_000_000}
    claims = [{"run": 1, "claim": f"c{n}", "agent": f"a{n}", "host": f"node{n}", "opened": BEGAN, "ended": end + 1,
               "cores": SLOTS, "memory_mb": 4000, "disk_mb": 1000, "others": ""} for n in range(agents)]
    held = agents * SLOTS
    samples = [
        {"run": 1, "at": BEGAN, "claims": 0, "cores": 0, "memory_mb": 0, "running": 0, "waiting": maps},
        {"run": 1, "at": BEGAN + 1, "claims": agents, "cores": held, "memory_mb": 1000 * held, "running": held,
         "waiting": maps}]
    db = sqlite3.connect(folder / ".mfmesos" / FILE, isolation_level=None)
    with sqlitefile.transaction(db):
        for step in STEPS:
            step(db)
        sqlitefile.mark(db, APPLICATION_ID, len(STEPS))
        for table, columns, rows in (
                ("runs", RUN_COLUMNS, [run]), ("tasks", TASK_COLUMNS, tasks), ("attempts", ATTEMPT_COLUMNS, attempts),
                ("claims", CLAIM_COLUMNS, claims), ("samples", SAMPLE_COLUMNS, samples)):
            db.executemany(insert(table, columns), ([row.get(c) for c in columns] for row in rows))
    db.close()


def loaded(folder: Path) -> RunFacts:
    """The last run of that folder."""
    with RunReader(folder / ".mfmesos") as reader:
        run = reader.last()
        assert run is not None
        return run_facts.load(reader, run)


def _rows(dice: random.Random, maps: int, agents: int) -> tuple[list[dict], list[dict]]:
    free = [BEGAN + 1] * (agents * SLOTS)
    tasks: list[dict] = []
    attempts: list[dict] = []

    def add(category: str, command: str, inputs: list[str], outputs: list[str], needs: str, ready: float,
            wall: float, memory: float, **more: object) -> dict:
        number = len(tasks) + 1
        slot = min(range(len(free)), key=free.__getitem__) if len(free) < 50 else number % len(free)
        start = max(free[slot], ready)
        if dice.random() < 0.02:  # lost once
            attempts.append({**_measures(slot, start, start + wall / 2, wall / 2, memory), "run": 1, "task": number,
                             "attempt": 1, "ended": start + wall / 2, "reason": "its agent was lost"})
            start, more = start + wall / 2, {**more, "attempts": 2}
        end = start + wall + 0.2
        free[slot] = end
        tasks.append({
            **_measures(slot, start, end, wall, memory), "run": 1, "task": number, "state": "finished", "reason": "",
            "command": command, "category": category, "outputs": "\n".join(outputs), "attempts": 1,
            "submitted": max(BEGAN + 0.5, ready), "ended": end, "input_bytes": 1_000_000, "story": "0.00 waiting",
            "inputs": "\n".join(inputs), "needs": needs, "output_bytes": 200_000, "asked_cores": 1.0,
            "asked_memory_mb": 1000.0, **more})
        return tasks[-1]

    first = add("prepare", "prepare --all <input> & split", ["in"], ["parts"], "", BEGAN, 3.0, 50.0)
    groups: list[dict] = []
    for n in range(maps):
        bad = {"state": "failed", "reason": "exit code 3: no such file", "exit_code": 3} if n % 97 == 96 else {}
        groups.append(add("map", f"map --seed {dice.randrange(10**9)} part{n:06} > mapped{n:06}", ["parts"],
                          [f"mapped{n:06}"], "1", first["ended"], dice.lognormvariate(1, 0.6), dice.gauss(300, 40),
                          **bad))
    merged: list[dict] = []
    for n in range(0, maps, 100):
        part = groups[n:n + 100]
        last = max(part, key=lambda task: task["ended"])
        merged.append(add("merge", f"merge mapped{n:06}... > merged{n}", [f"mapped{n:06}"], [f"merged{n}"],
                          f"{last['task']} {part[0]['task']}-{part[-1]['task']}", last["ended"], 2.0, 900.0))
    last = max(merged, key=lambda task: task["ended"])
    add("end", "finish merged* > result", [task["outputs"] for task in merged[:5]], ["result"],
        f"{last['task']} {merged[0]['task']}-{merged[-1]['task']}", last["ended"], 4.0, 100.0)
    return tasks, attempts


def _measures(slot: int, start: float, end: float, wall: float, memory: float) -> dict:
    return {
        "claim": f"c{slot // SLOTS}", "host": f"node{slot // SLOTS}", "started": start, "exit_code": 0, "cores": 1.0,
        "memory_mb": 1000.0, "disk_mb": 100.0, "others": "", "limit_memory_mb": 1000.0, "used_cores": 0.8,
        "used_memory_mb": memory, "used_disk_mb": 10.0, "cpu_s": wall * 0.8, "wall_s": wall, "wait_s": 0.0}


def exported(kind: str, facts: RunFacts) -> str:
    """The run in the form of that kind, with the sizes of a few of its files."""
    return "".join(run_exports.pieces(kind, facts, "flow", {"in": 5, "result": 7, "parts": 9}.get))
