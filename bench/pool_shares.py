"""Two managers of the real TaskVine or Work Queue, weights 3:1, tasks of 1, 2 and 4 cores, on the embedded cluster:
each manager's share of the cores in use while both have work, and the cores on which nothing runs meanwhile.

    VINE=PREFIX python3 bench/pool_shares.py [--kind taskvine] [--seconds 60]

Tasks note when they begin and end. A task whose worker was ended in favour of the other manager runs again; its lost
time counts as idle.
"""
from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests"), str(HERE.parent / "tests" / "endtoend")]

from clusters import EmbeddedMesos  # noqa: E402  needs the path above
from pool_vine import WORKERS, served  # noqa: E402

WEIGHTS = {"heavy": 3, "light": 1}
AGENTS, CORES = 4, 8
SETTLED_S = 30.0
"""After the first task has begun: workers are exchanged for 10 s and more."""


class Ran(NamedTuple):
    project: str
    cores: int
    begun: float
    ended: float


def task(project: str, number: int, chance: random.Random, log: Path) -> dict[str, int | str]:
    cores, seconds = chance.choice([1, 1, 1, 2, 4]), chance.uniform(3, 20)
    words = f"echo {project} {number} {cores} $$ $EPOCHREALTIME"
    return {"command": f"bash -c '{words} begun >> {log}; sleep {seconds:.2f}; {words} ended >> {log}'",
            "cores": cores, "memory": 20, "disk": 20}


def ran(log: Path) -> list[Ran]:
    """The tasks that have ended, or are running now."""
    begun: dict[tuple[str, str], tuple[int, float, str]] = {}
    found = []
    for line in log.read_text().splitlines():
        project, number, cores, pid, at, what = line.split()
        if what == "begun":
            begun[project, number] = (int(cores), float(at), pid)
        else:
            found.append(Ran(project, *begun.pop((project, number))[:2], float(at)))
    return found + [Ran(project, cores, at, time.time()) for (project, _), (cores, at, pid) in begun.items()
                    if os.path.exists(f"/proc/{pid}")]


def core_seconds(tasks: Iterable[Ran], since: float, until: float) -> float:
    return sum(one.cores * max(min(one.ended, until) - max(one.begun, since), 0.0) for one in tasks)


def measure(prefix: Path, kind: str, seconds: float, folder: Path) -> tuple[float, float, int]:
    """The heavy one's share over the light one's; the idle part of all cores; how many tasks were begun again."""
    log, chance = folder / "tasks.log", random.Random(1)
    log.touch()
    cluster = EmbeddedMesos(agents=AGENTS, resources=f"cpus:{CORES};mem:6000;disk:20000")
    settings = {"projects": {name: {"weight": weight} for name, weight in WEIGHTS.items()}}
    with served(prefix, kind, [*WEIGHTS], cluster, folder, settings) as (managers, _):
        for manager, project in zip(managers, WEIGHTS):
            manager.submit_all([task(project, n, chance, log) for n in range(400)])
        while not log.read_text():
            time.sleep(0.1)
        time.sleep(SETTLED_S + seconds)
        until = time.time()
        tasks = ran(log)
        waiting = [manager.stats()["tasks_waiting"] for manager in managers]
    if not all(waiting):
        raise SystemExit(f"no work to the end: {waiting}")
    used = {project: core_seconds((one for one in tasks if one.project == project), until - seconds, until)
            for project in WEIGHTS}
    begun = sum(line.endswith("begun") for line in log.read_text().splitlines())
    return used["heavy"] / used["light"], 1 - sum(used.values()) / (AGENTS * CORES * seconds), begun - len(tasks)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--kind", choices=WORKERS, action="append")
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    print("| | heavy : light (3) | idle cores | tasks run again |\n|" + " --- |" * 4)
    for kind in given.kind or WORKERS:
        folder = Path(tempfile.mkdtemp(prefix="mfmesos-bench-"))
        shares, idle, again = measure(Path(os.environ["VINE"]), kind, given.seconds, folder)
        print(f"| {kind} | {shares:.2f} | {100 * idle:.1f} % | {again} |", flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
