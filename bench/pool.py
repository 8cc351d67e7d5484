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

from cases import fan, mfmesos_makeflow, on_local  # noqa: E402  needs the path above
from clusters import RealMesos  # noqa: E402
from machine import describe  # noqa: E402
from pools import Catalog  # noqa: E402
from programs import MFMESOS, folder, running, timed, wait_for  # noqa: E402

from mfmesos.core.model import Resources  # noqa: E402
from mfmesos.engines.manager import ask  # noqa: E402
from mfmesos.shares.desk import Pool  # noqa: E402
from mfmesos.shares.pool_values import ManagerStatus, PoolWorker, ProjectSettings  # noqa: E402

RESOURCES = "cpus:2;mem:4096;disk:20000"
LONGER = 60
ASK = "CORES=1\nMEMORY=64\nDISK=64\n\n"
"""Without this line a Work Queue worker runs one task at a time."""


@contextlib.contextmanager
def pool_of(master: str, catalog: Catalog) -> Iterator[None]:
    """A running pool without work."""
    with folder() as where:
        argv = [*MFMESOS, "pool", ".*", "--master", master, "--catalog", catalog.address]
        with running(argv, where, "pool.log"):
            wait_for(where / "mfmesos-pool" / ".mfmesos" / "pool-status.json")
            yield


def by_pool(catalog: Catalog, where: Path) -> float:
    return timed(["makeflow", "-T", "wq", "-N", "bench", "-p", "0", "-C", catalog.address, "Makeflow"], where)


def first_worker(catalog: Catalog) -> float:
    """Seconds from the start of a manager that needs 100 cores to its first worker."""
    with folder() as where:
        rules = "".join(f"out.{i}:\n\tsleep 100; echo > out.{i}\n\n" for i in range(100))
        (where / "Makeflow").write_text(ASK + rules)
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


def longer(where: Path) -> None:
    """Tasks of half a second."""
    (where / "Makeflow").write_text(ASK + "".join(
        f"out.{i}:\n\tsleep 0.5; echo {i} > out.{i}\n\n" for i in range(LONGER)))


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
    with folder() as place:
        cluster, catalog = RealMesos(agents=2, resources=RESOURCES), Catalog(place / "catalog")
        try:
            for _ in range(rounds):
                note("1,000 rules `cat in > out`, by makeflow -T local -j 2, s", fan(on_local, ASK))
                note("1,000 rules `cat in > out`, by mfmesos makeflow, s", fan(mfmesos_makeflow(cluster.master), ASK))
                with pool_of(cluster.master, catalog):
                    note("1,000 rules `cat in > out`, by a pool, s", fan(lambda where: by_pool(catalog, where), ASK))
                with folder() as where:
                    longer(where)
                    note(f"{LONGER} rules of 0.5 s, by mfmesos makeflow, s", mfmesos_makeflow(cluster.master)(where))
                with folder() as where, pool_of(cluster.master, catalog):
                    longer(where)
                    note(f"{LONGER} rules of 0.5 s, by a pool, s", by_pool(catalog, where))
                with pool_of(cluster.master, catalog):
                    note("first worker connected, 100 cores asked for, s (at most 3)", first_worker(catalog))
        finally:
            catalog.stop()
            cluster.stop()
    for cores in (math.inf, 4000.0):
        note(f"a decision for 50 managers, {cores:g} cores, ms (at most 100)", decision_ms(cores))
    print(", ".join(f"{key} {value}" for key, value in describe("1.11.0").items()))
    for name, values in found.items():
        print(f"{statistics.median(values):8.2f}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
