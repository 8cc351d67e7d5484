"""How soon the end of a task is on the screen: 100,000 tasks, half of them ended, and about 200 changes a second.

    python3 bench/page_on_screen.py [--tasks N] [--seconds S] [--rate R]

The live core runs in real time on simulated agents, with the real record and control socket; the page is a process of
its own, and its table, the latest ended task first, is in headless Chromium. Counted from the moment at which the core
reports that a task has ended until the row of the task says so: median, 99th percentile, and those never seen.
"""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

from browser import Browser  # noqa: E402  needs the path above
from sample_runs import sample  # noqa: E402
from support import wait_until  # noqa: E402

from mfmesos.control import socket_place  # noqa: E402
from mfmesos.control.control_server import ControlServer  # noqa: E402
from mfmesos.core import actions as act  # noqa: E402
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
from mfmesos.store.run_record import RunInfo, RunRecord  # noqa: E402

LASTS_S, AGENTS, CHANGES = 10.0, 20, 4
FIRST = 1_000_001
TURN_S, TICK_S = 0.02, 0.5
WATCH = """
window.seen = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll("#table tbody tr")) {
    const task = row.cells[0].textContent;
    if (row.cells[1].textContent === "finished" && !(task in seen)) seen[task] = Date.now() / 1000;
  }
}).observe(document.getElementById("table"), {childList: true});
"""
BUTTON = '[...document.querySelectorAll("#table th button")].find((one) => one.textContent.startsWith("ended"))'


class LiveRun:
    """The core, its record and its control socket, for one loop. `ended`: when each task was reported; `stall_s`: the
    longest time that the core had the loop for itself, which a busy machine makes long.
    """

    def __init__(self, folder: Path, simulation: Simulation) -> None:
        self.simulation, self.ended, self.finished = simulation, dict[int, float](), 0
        self.stall_s = 0.0
        offset_s = time.time() - simulation.time.now
        self._record = RunRecord(folder / STATE_DIR, offset_s)
        self._record.begin(RunInfo("batch", "m:5050", resumed=True)).result()
        self._views = CoreViews()
        run = simulation.runs[0]
        self._views.core = run.core
        plain = run._perform[act.ReportTask]
        run._perform[act.ReportTask] = lambda report: (self._report(report), plain(report))
        engine = SimpleNamespace(tasks=dict, unmet=lambda number: [], again={}, counts=self._counts)
        about = {"workdir": str(folder), "engine": "batch", "master": "m:5050", "pid": 1, "started": time.time()}
        self.server = ControlServer({
            **Questions(self._views, engine, offset_s, about).answers(),
            **TableQuestions(self._views, engine, offset_s, self._write).answers()})

    def _report(self, report: act.ReportTask) -> None:
        self.finished += 1
        self.ended[report.task.id] = time.time()
        self._record.ended(report, "node")

    def _counts(self) -> Counts:
        now = self._views.snapshot()
        return Counts(now.tasks + self.finished, now.waiting, now.running, self.finished)

    def _write(self) -> None:
        self._record.count(self._counts(), 0)
        self._record.flush()

    async def end(self) -> None:
        await self.server.stop()
        await self._record.close("ended")

    async def live(self) -> None:
        """In real time."""
        began, offset, ticked = time.monotonic(), self.simulation.time.now, 0.0
        while True:
            passed = time.monotonic() - began
            self.simulation.time.run(lambda: False, offset + passed)
            self.stall_s = max(self.stall_s, time.monotonic() - began - passed)
            if passed - ticked >= TICK_S:
                ticked = passed
                self._record.sample(self._views.snapshot())
                self._write()
            await asyncio.sleep(TURN_S)


@contextmanager
def page_of(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Its link, and the process."""
    child = subprocess.Popen([sys.executable, "-m", "mfmesos", "web", str(folder)], stdout=subprocess.DEVNULL)
    try:
        pointer = folder / STATE_DIR / "web.json"
        wait_until(pointer.exists, 60, "the page")
        yield json.loads(pointer.read_text())["link"], psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


def look(link: str, page: psutil.Process, profile: Path, seconds: float) -> tuple[float, float, dict[str, float]]:
    """When it began to look, the CPU seconds of the page, and when the row of each task said that it had ended."""
    with Browser(profile) as browser:
        browser.open(f"{link}#tasks")
        browser.wait("document.querySelectorAll('#table tbody tr').length === 50", "the table")
        browser.wait("document.getElementById('lacks').hidden", "all tasks")
        for mark in "▲▼":
            browser.run(f"{BUTTON}.click()")
            browser.wait(f"{BUTTON}.textContent.includes('{mark}')", "the order")
        browser.run(WATCH)
        time.sleep(2.0)
        began, before = time.time(), page.cpu_times()
        time.sleep(seconds)
        after = page.cpu_times()
        time.sleep(3.0)
        seen: dict[str, float] = browser.run("seen")
    return began, after.user + after.system - before.user - before.system, seen


async def measure(folder: Path, simulation: Simulation, seconds: float) -> None:
    run = LiveRun(folder, simulation)
    path = socket_place.socket_path(folder, os.environ)
    await run.server.start(path)
    socket_place.point(folder / STATE_DIR, path)
    living = asyncio.ensure_future(run.live())
    loop = asyncio.get_running_loop()
    with page_of(folder) as (link, page):
        changes = run.simulation.runs[0].core.state.changes
        first, at = changes.number, time.time()
        began, cpu_s, seen = await loop.run_in_executor(None, look, link, page, folder / "profile", seconds)
        rate = (changes.number - first) / (time.time() - at)
    living.cancel()
    await run.end()
    ended = {task: at for task, at in run.ended.items() if began <= at <= began + seconds}
    waits = sorted(seen[str(task)] - at for task, at in ended.items() if str(task) in seen)
    print(f"{rate:.0f} changes a second; of {len(ended)} tasks that ended {len(ended) - len(waits)} were not seen; on "
          f"screen after {waits[len(waits) // 2]:.2f} s, 99 % within {waits[int(len(waits) * 0.99)]:.2f} s, all within "
          f"{waits[-1]:.2f} s; the page's process took {cpu_s / seconds:.1%} of a core; the longest stall of the loop "
          f"{run.stall_s:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=200.0, help="changes a second")
    options = parser.parse_args()
    cores = options.rate / CHANGES * LASTS_S / AGENTS
    cluster = Cluster("many", (AgentGroup(AGENTS, Resources(round(cores), 65536, 500_000)),))
    tasks = [SimTask(n, "work", LASTS_S * (0.5 + n * 0.618 % 1), memory_mb=100.0, request=Request(1.0, 200.0, 10.0),
                     command=f"simulate --seed {n} < in{n} > out{n}") for n in range(FIRST, FIRST + options.tasks // 2)]
    folder = Path(tempfile.mkdtemp())
    try:
        sample(folder, options.tasks // 2, state="running")
        simulation = Simulation(cluster, [Workload("many", tasks)], Policy())
        simulation.time.run(lambda: False, 3 * LASTS_S)
        asyncio.run(measure(folder, simulation, options.seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a browser that is ending may still write to it


if __name__ == "__main__":
    main()
