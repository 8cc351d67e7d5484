"""What a round of the pool costs with 200 managers: the survey, the decision and the status; with recorded answers.

    python3 bench/pool_round.py [--rounds 40]

The managers are stand-ins in a process of their own. Those with tasks have two workers each, and the
cluster is full.
"""
from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from managers import recorded  # noqa: E402  needs the path above

from mfmesos.core.model import Request, Resources, SavedTask, Task  # noqa: E402
from mfmesos.core.snapshot import ChangedTasks, ClusterRoom  # noqa: E402
from mfmesos.engines.catalog import Found, manager_of  # noqa: E402
from mfmesos.engines.pool_engine import PoolEngine  # noqa: E402
from mfmesos.engines.survey import Survey  # noqa: E402
from mfmesos.settings.config import SchedulerConfig  # noqa: E402
from mfmesos.settings.pool_settings import PoolSettings, as_json  # noqa: E402
from mfmesos.shares.pool_values import ProjectSettings  # noqa: E402

MANAGERS = 200
SETTLE_S = 60
"""After this time idle managers are asked as seldom as they ever are."""


def answers(tasks: int) -> dict[str, list[dict[str, Any]]]:
    status = {**recorded("status-taskvine-main")[0], "tasks_waiting": tasks, "tasks_running": min(tasks, 1),
              "workers_connected": min(tasks, 1)}
    return {"resources_status": [status], "worker_status": recorded("workers-taskvine-main")}


class Manager(asyncio.Protocol):
    """Answers as the tests' stand-in does, at less cost: the pool's round is measured, not its managers."""

    asked = lost = 0

    def __init__(self, said: dict[bytes, bytes]) -> None:
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        Manager.asked += 1
        Manager.lost += data not in self._said
        self._transport.write(self._said.get(data, b""))
        self._transport.close()


async def serve(tasks: int) -> None:
    """Prints the managers' ports; ends with standard input."""
    loop = asyncio.get_running_loop()
    said = {f"{words}\n".encode(): json.dumps(found).encode() for words, found in answers(tasks).items()}
    servers = [await loop.create_server(lambda: Manager(said), "127.0.0.1", 0) for _ in range(MANAGERS)]
    print(*(one.sockets[0].getsockname()[1] for one in servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(Manager.asked, Manager.lost, flush=True)


def engine_of(folder: Path, ports: list[int], tasks: int) -> PoolEngine:
    (folder / ".mfmesos").mkdir()
    own = as_json(PoolSettings({".*": ProjectSettings()}, catalog="c:1", workers=("/bin/true",)))
    engine = PoolEngine(SchedulerConfig(str(folder), engine="pool", pool=own), echo=lambda line: None)
    status = manager_of({**answers(tasks)["resources_status"][0], "project": "p", "name": "127.0.0.1", "port": 1})
    found = Found(tuple(replace(status, project=f"p{port}", host="127.0.0.1", port=port) for port in ports))

    async def catalog(host: str, port: int) -> Found:
        return found
    clock = Clock()
    workers = [SavedTask(Task(2 * n + k, "w", request=Request(1, 100, 100), category=one.key), (), 0, "", 1)
               for n, one in enumerate(found.managers) for k in range(2 if tasks else 0)]
    engine.resume(workers)
    engine._survey = Survey(clock, read_catalog=catalog)
    engine._host = SimpleNamespace(  # type: ignore[assignment]
        clock=clock, list_agents=lambda: None, task=lambda number: None, post=lambda *batch: None,
        room=lambda: ClusterRoom((Resources(8, 16000, 80000),) * 50, 0.0),
        changes_since=lambda number: ChangedTasks(1, frozenset()))
    engine._publish = lambda rows: None  # type: ignore[method-assign]  # sends to a catalog
    return engine


class Clock:
    """Real time, and what was skipped between rounds."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skipped


async def rounds(engine: PoolEngine, count: int) -> tuple[list[float], list[float]]:
    """Wall and CPU time of each, in ms, once managers are asked as often as they are later."""
    wall, cpu = [], []
    for n in range(SETTLE_S + count):
        begun, used = time.monotonic(), time.process_time()
        await engine._round()
        took = time.monotonic() - begun
        engine._host.clock.skipped += 1.0 - took  # type: ignore[attr-defined]
        if n >= SETTLE_S:
            wall.append(1000 * took)
            cpu.append(1000 * (time.process_time() - used))
    return wall, cpu


def measure(tasks: int, count: int) -> str:
    """For managers with this number of waiting tasks each."""
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
            [sys.executable, __file__, "--serve", str(tasks)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True) as managers:
        assert managers.stdin is not None
        assert managers.stdout is not None
        ports = [int(port) for port in managers.stdout.readline().split()]
        engine = engine_of(Path(folder), ports, tasks)
        wall, cpu = asyncio.run(rounds(engine, count))
        engine._programs.close()
        managers.stdin.close()
        asked, lost = managers.stdout.readline().split()
    long = sorted(wall)[-max(len(wall) // 20, 1)]
    return (f"a round, {MANAGERS} managers with {tasks} waiting tasks each: {statistics.median(wall):.0f} ms "
            f"(19 of 20 at most {long:.0f} ms), CPU {statistics.median(cpu):.0f} ms; "
            f"{int(asked) / (SETTLE_S + count):.0f} questions a round, {lost} lost workers")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--serve", type=int, metavar="TASKS", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return
    for tasks in (0, 20):
        print(measure(tasks, given.rounds), flush=True)


if __name__ == "__main__":
    main()
