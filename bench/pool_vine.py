"""A pool with the real TaskVine and Work Queue of cctools' main branch, on the embedded cluster.

    VINE=PREFIX python3 bench/pool_vine.py [--kind taskvine] [--situation "four cores"]

For each situation: the seconds from the submission to the end of the first empty task, for a new manager and for one
whose workers have all left; the core-seconds that workers idled; the seconds from the end of the last task until the
last worker has left. With two managers, the later one counts.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests"), str(HERE.parent / "tests" / "endtoend")]

from clusters import EmbeddedMesos  # noqa: E402
from pools import Catalog  # noqa: E402
from support import wait_until  # noqa: E402
from vine import RealManager  # noqa: E402

from mfmesos.engines import pool_status  # noqa: E402

WORKERS = {"taskvine": "vine_worker", "workqueue": "work_queue_worker"}


@dataclass(frozen=True)
class Situation:
    tasks: int
    cores: int
    managers: int = 1
    agents: int = 2
    seconds: float = 0.1
    agent_cores: int = 4
    pause: float = 0.0
    """Seconds without a task before the manager is an old one, beside those until its workers have left."""


SITUATIONS = {
    "four cores": Situation(1, 4),
    "three of four cores": Situation(3, 4),
    "one core": Situation(1, 1, pause=25),
    "two managers": Situation(8, 1, managers=2, agents=1, seconds=2, agent_cores=2),
}


@contextlib.contextmanager
def served(prefix: Path, kind: str, names: Sequence[str], cluster: EmbeddedMesos, folder: Path,
           settings: dict[str, Any]) -> Iterator[tuple[list[RealManager], Path]]:
    """Managers with these names, and a pool for them, by pool.json's `settings`; its state's folder."""
    catalog = Catalog(folder / "catalog")
    managers = [RealManager(prefix, folder / f"manager-{name}", kind, name=name, catalog=catalog.address)
                for name in names]
    pool = None
    try:
        wait_until(lambda: set(names) <= projects(catalog), 60, "the managers in the catalog")
        (folder / "pool.json").write_text(json.dumps(settings))
        with (folder / "pool.log").open("w") as log:
            pool = subprocess.Popen(
                [sys.executable, "-m", "mfmesos", "pool", "--master", cluster.master, "--catalog", catalog.address,
                 "--config", "pool.json", "--worker", str(prefix / "bin" / WORKERS[kind])], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(HERE.parent)},
                start_new_session=True)
        status = folder / "mfmesos-pool" / ".mfmesos"
        wait_until((status / pool_status.FILE).exists, 60, "the pool")
        yield managers, status
    finally:
        if pool is not None:
            pool.terminate()
            pool.wait(60)
        for manager in managers:
            manager.kill()
        catalog.stop()
        cluster.stop()


def measure(prefix: Path, kind: str, its: Situation, folder: Path) -> list[float]:
    cluster = EmbeddedMesos(agents=its.agents, resources=f"cpus:{its.agent_cores};mem:3000;disk:20000")
    names = [f"m{n}" for n in range(its.managers)]
    with served(prefix, kind, names, cluster, folder, {"projects": {".*": {}}}) as (managers, status):
        new, _, _ = _once(managers, its, status)
        time.sleep(its.pause)
        old, idle, leave = _once(managers, its, status)
        return [new, old, idle, leave]


def projects(catalog: Catalog) -> set[str]:
    with urllib.request.urlopen(f"http://{catalog.address}/query.json", timeout=5) as answer:
        return {str(one.get("project")) for one in json.load(answer)}


def _once(managers: list[RealManager], its: Situation, status: Path) -> tuple[float, float, float]:
    """The first task's end, idle core-seconds, and the departure of the last worker."""
    before = [len(one.ended) for one in managers]
    for one in managers:
        one.submit(f"sleep {its.seconds}", its.tasks, cores=its.cores, memory=50, disk=50)
    idle, at, ended_at, left_at = 0.0, time.monotonic(), 0.0, 0.0
    deadline = at + 150
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = time.monotonic()
        rows = pool_status.read(status).managers
        idle += (now - at) * sum(max(row.has - row.tasks_running * its.cores, 0) for row in rows)
        at = now
        if not ended_at and all(len(one.ended) - n >= its.tasks for one, n in zip(managers, before)):
            ended_at = now
        if not ended_at or any(one.stats()["workers_connected"] for one in managers):
            left_at = 0.0
        elif not left_at:
            left_at = now
        elif now - left_at >= 3:
            first = max(one.ended[n] for one, n in zip(managers, before))
            return first - its.seconds, idle, left_at - ended_at
    raise SystemExit(f"not over after 150 s: {[one.stats() for one in managers]}")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--kind", choices=WORKERS, action="append")
    options.add_argument("--situation", choices=SITUATIONS, action="append")
    given = options.parse_args()
    prefix = Path(os.environ["VINE"])
    print("| | | new manager, s | old manager, s | idle core-seconds | last worker left, s |\n|" + " --- |" * 6)
    for name in given.situation or SITUATIONS:
        for kind in given.kind or WORKERS:
            folder = Path(tempfile.mkdtemp(prefix="mfmesos-bench-"))
            found = measure(prefix, kind, SITUATIONS[name], folder)
            new, old, idle, left = found
            print(f"| {name} | {kind} | {new:.1f} | {old:.1f} | {idle:.0f} | {left:.0f} |", flush=True)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
