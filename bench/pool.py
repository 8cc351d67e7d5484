"""A pool of workers on a real Mesos with two agents: how soon the first connects, what a decision costs, and how long
workflows take by a pool, task by task (mfmesos makeflow) and without Mesos (makeflow -T local).

    python3 bench/pool.py [--rounds 3]          (make bench-pool)
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "tests"), str(ROOT / "tests" / "endtoend")]

from engines import Workflow, compare, expect, local, mfmesos  # noqa: E402  needs the path above
from machine import describe  # noqa: E402
from pools import Catalog  # noqa: E402
from programs import MFMESOS, running, timed, wait_for  # noqa: E402
from realmesos import install  # noqa: E402
from rows import Bench  # noqa: E402
from small_rows import ONE_CORE, RULES, fan  # noqa: E402

from mfmesos.core.model import Resources  # noqa: E402
from mfmesos.engines.manager import ask  # noqa: E402
from mfmesos.shares.desk import Pool  # noqa: E402
from mfmesos.shares.pool_values import ManagerStatus, PoolWorker, ProjectSettings  # noqa: E402

LONGER = 60


@contextlib.contextmanager
def pool_of(bench: Bench, master: str, catalog: Catalog) -> Iterator[None]:
    """A running pool without work."""
    where = bench.new_folder()
    argv = [*MFMESOS, "pool", ".*", "--master", master, "--catalog", catalog.address]
    with running(argv, where, "pool.log"):
        wait_for(where / "mfmesos-pool" / ".mfmesos" / "pool-status.json")
        yield


def by_pool(catalog: Catalog, where: Path) -> float:
    return timed(["makeflow", "-T", "wq", "-N", "bench", "-p", "0", "-C", catalog.address, "Makeflow"], where).seconds


def first_worker(bench: Bench, catalog: Catalog) -> float:
    """Seconds from the start of a manager that needs 100 cores to its first worker."""
    where = bench.new_folder()
    rules = "".join(f"out.{i}:\n\tsleep 100; echo > out.{i}\n\n" for i in range(100))
    (where / "Makeflow").write_text(ONE_CORE + rules)
    argv = ["makeflow", "-T", "wq", "-N", "bench", "-p", "0", "-Z", "port", "-C", catalog.address, "Makeflow"]
    started = time.monotonic()
    with running(argv, where, "makeflow.log") as manager:
        port = int(wait_for(where / "port").strip())
        while True:
            status = asyncio.run(ask("127.0.0.1", port)).status
            if status is not None and status.workers_connected:
                manager.kill()  # told to end, it would wait for its tasks
                return time.monotonic() - started
            time.sleep(0.02)


def longer() -> Workflow:
    """Tasks of half a second."""
    text = "".join(f"out.{i}:\n\tsleep 0.5; echo {i} > out.{i}\n\n" for i in range(LONGER))

    def prepare(where: Path) -> None:
        (where / "Makeflow").write_text(ONE_CORE + text)
    return Workflow(prepare, lambda where: expect(where, *(f"out.{i}" for i in range(LONGER))))


def decision_ms(cores: float) -> float:
    """The best of five decisions for 50 managers with 10,000 waiting tasks each and 2,000 workers."""
    one = Resources(1, 100)
    managers = [ManagerStatus(f"p{i}", "h", 9123, 10_000, 0, one * 10_000, one) for i in range(50)]
    its = {m.project: ProjectSettings(weight=1 + i % 5) for i, m in enumerate(managers)}
    workers = [PoolWorker(f"w{i}", managers[i % 50].key, one, 0.0) for i in range(2000)]
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        Pool().decide(managers, its, workers, Resources(8, 16000, 80000), 100.0, cluster_cores=cores)
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)
    workflows = {"1,000 rules `cat in > out`": fan(RULES, ONE_CORE), f"{LONGER} rules of 0.5 s": longer()}
    bench = Bench()
    try:
        master, catalog = bench.mesos(agents=2, memory_mb=4096), Catalog(bench.new_folder() / "catalog")
        try:
            for bench.turn in range(rounds):
                for what, workflow in workflows.items():
                    for name, seconds in compare(bench, workflow, local=local, mfmesos=mfmesos(master)).items():
                        note(f"{what}, {name.removesuffix('_s')}, s", seconds)
                    with pool_of(bench, master, catalog):
                        seconds = compare(bench, workflow, pool=lambda where: by_pool(catalog, where))["pool_s"]
                        note(f"{what}, by a pool, s", seconds)
                with pool_of(bench, master, catalog):
                    note("first worker connected, 100 cores asked for, s (at most 3)", first_worker(bench, catalog))
        finally:
            catalog.stop()
    finally:
        bench.close()
    for cores in (math.inf, 4000.0):
        note(f"a decision for 50 managers, {cores:g} cores, ms (at most 100)", decision_ms(cores))
    print(", ".join(f"{key} {value}" for key, value in describe(install.VERSION).items()))
    for name, values in found.items():
        print(f"{statistics.median(values):8.2f}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
