"""The page's cost for the scheduler with 100,000 live tasks and about 200 changes a second, and its own.

    python3 bench/page.py [--tasks N] [--agents N] [--seconds S]

The live core runs in virtual time on simulated agents; a process of its own looks as the page does with one viewer
whose table shows waiting tasks: every 0.4 s of that time over the real control socket. Only the CPU time of the answers
counts, not that of the core. The first copy of all tasks is counted apart.
"""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

from sample_runs import sample  # noqa: E402  needs the path above

from mfmesos.control import socket_place  # noqa: E402
from mfmesos.control.control_server import ControlServer  # noqa: E402
from mfmesos.core.model import Request, Resources  # noqa: E402
from mfmesos.core.policy import Policy  # noqa: E402
from mfmesos.core.snapshot import Counts  # noqa: E402
from mfmesos.scheduler.core_views import CoreViews  # noqa: E402
from mfmesos.scheduler.questions import Questions  # noqa: E402
from mfmesos.scheduler.table_questions import TableQuestions  # noqa: E402
from mfmesos.settings.config import STATE_DIR  # noqa: E402
from mfmesos.simulate.cluster_model import AgentGroup, Cluster  # noqa: E402
from mfmesos.simulate.simulation import Simulation  # noqa: E402
from mfmesos.simulate.workload_model import SimTask, Workload  # noqa: E402
from mfmesos.store.run_tables import FILE  # noqa: E402
from mfmesos.web.run_watch import EVERY_S, RunWatch, ask_once  # noqa: E402

LASTS_S = 30.0
CHANGES = 4
"""Of a task: assigned, running, publishing, ended."""


def viewer(folder: Path) -> None:
    """For each line of standard input one look; prints the tasks that are not copied yet."""
    async def made() -> RunWatch:
        return RunWatch(folder)

    watch = asyncio.run(made())
    for _ in sys.stdin:
        state = json.loads(watch.look())
        page = watch.table.page(folder / STATE_DIR / FILE, 1, state="waiting")
        waiting = [row["task"] for row in page["rows"]]
        reasons = ask_once(folder / STATE_DIR, "reasons", tasks=waiting) if waiting else []
        print(state["lacks"], len(reasons or ()), time.process_time(), flush=True)


async def measure(folder: Path, simulation: Simulation, seconds: float) -> None:
    views = CoreViews()
    views.core = simulation.runs[0].core
    engine = SimpleNamespace(tasks=dict, unmet=lambda number: [], again={}, counts=lambda: Counts(
        len(views.core.state.tasks), views.snapshot().waiting, views.snapshot().running))
    about = {"workdir": str(folder), "engine": "batch", "master": "m:5050", "pid": 1, "started": time.time()}
    server = ControlServer({**Questions(views, engine, 0.0, about).answers(),
                            **TableQuestions(views, engine, 0.0, lambda: None).answers()})
    path = socket_place.socket_path(folder, os.environ)
    await server.start(path)
    socket_place.point(folder / STATE_DIR, path)
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--viewer", str(folder), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE)

    async def look() -> tuple[float, int, float]:
        """CPU seconds of the answers, tasks that lack, CPU seconds of the page so far."""
        before = time.process_time()
        child.stdin.write(b"\n")
        lacks, _, spent = (await child.stdout.readline()).split()
        return time.process_time() - before, int(lacks), float(spent)

    def advance(by: float) -> None:
        end = simulation.time.now + by
        simulation.time.run(lambda: False, end)

    advance(3 * LASTS_S)
    state = views.core.state
    claims, first, looks = len(state.claims), 0.0, 0
    while True:
        cost, lacks, _ = await look()
        first, looks = first + cost, looks + 1
        if not lacks:
            break
    print(f"{len(state.tasks)} live tasks, {state.running()} of them run, {claims} claims; the first copy takes the "
          f"scheduler {first:.2f} s of CPU time in {looks} looks")
    changes, total, worst, rounds = state.changes.number, 0.0, 0.0, 0
    _, _, begin = await look()
    for _ in range(round(seconds / EVERY_S)):
        advance(EVERY_S)
        cost, _, spent = await look()
        total, worst, rounds = total + cost, max(worst, cost), rounds + 1
    took = rounds * EVERY_S
    print(f"{(state.changes.number - changes) / took:.0f} changes a second: {total / took:.2%} of a core in the "
          f"scheduler, {(spent - begin) / took:.1%} in the page's process; the costliest look {1000 * worst:.1f} ms")
    child.stdin.close()
    await child.wait()
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=200.0, help="changes a second")
    options = parser.parse_args()
    if options.viewer:
        viewer(options.viewer)
        return
    cores = options.rate / CHANGES * LASTS_S / options.agents
    cluster = Cluster("many", (AgentGroup(options.agents, Resources(round(cores), 65536, 500_000)),))
    tasks = [SimTask(n, "work", LASTS_S, memory_mb=100.0, request=Request(1.0, 200.0, 10.0),
                     command=f"simulate --seed {n} < in{n} > out{n}") for n in range(1, options.tasks + 1)]
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        sample(folder, 5, state="running")
        asyncio.run(measure(folder, Simulation(cluster, [Workload("many", tasks)], Policy()), options.seconds))


if __name__ == "__main__":
    main()
