"""The measured cases. Each returns its numbers for one round."""
from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

from programs import MFMESOS, BenchError, computing, folder, running, timed, wait_for

from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared import own_programs

RULES = 1000
CHAIN = 20
WAITING = 10_000
LATENCY_TASKS = 100

Numbers = dict[str, float]


# --- whole workflows ---------------------------------------------------------------------------------
def write_fan(where: Path, declared: str) -> None:
    (where / "in.txt").write_text("hello\n")
    rules = "".join(f"out.{i}: in.txt\n\tcat in.txt > out.{i}\n\n" for i in range(RULES))
    (where / "Makeflow").write_text(declared + rules)


def check_fan(where: Path) -> None:
    good = sum((where / f"out.{i}").read_text() == "hello\n" for i in range(RULES) if (where / f"out.{i}").exists())
    if good != RULES:
        raise BenchError(f"only {good} of {RULES} outputs are right")


def fan(run: Callable[[Path], float], declared: str = "") -> float:
    """Seconds for a makeflow of RULES rules `cat in.txt > out.N`, its outputs checked. `declared`: what they need, in
    makeflow's words. Where nothing is declared, Work Queue gives each task a worker by itself."""
    with folder() as where:
        write_fan(where, declared)
        took = run(where)
        check_fan(where)
    return took


def on_local(where: Path) -> float:
    return timed(["makeflow", "-T", "local", "-j", "2", "Makeflow"], where)


def on_work_queue(where: Path) -> float:
    """One worker with 2 cores. It connects as soon as makeflow listens; its start is not measured."""
    started = time.monotonic()
    with running(["makeflow", "-T", "wq", "-p", "0", "-Z", "port", "Makeflow"], where, "makeflow.log") as makeflow:
        port = wait_for(where / "port").strip()
        with running(["work_queue_worker", "--cores", "2", "127.0.0.1", port], where, "worker.log"):
            if makeflow.wait(300):
                raise BenchError("makeflow -T wq failed")
            return time.monotonic() - started


def mfmesos_makeflow(master: str) -> Callable[[Path], float]:
    return lambda where: timed([*MFMESOS, "makeflow", "--master", master, "--", "Makeflow"], where)


def fan_local(master: str) -> Numbers:
    return {"local_s": fan(on_local)}


def fan_work_queue(master: str) -> Numbers:
    return {"wq_s": fan(on_work_queue)}


def fan_mfmesos(master: str) -> Numbers:
    return {"mfmesos_s": fan(mfmesos_makeflow(master))}


def beside_others(case: Callable[[str], Numbers]) -> Callable[[str], Numbers]:
    """The same while as many processes compute as there are cores, as on a machine that others use, too. What waits
    for round trips, as Work Queue does, then waits for its turns on a core as well."""
    def busy(master: str) -> Numbers:
        with computing(len(os.sched_getaffinity(0))):
            return {f"busy_{name}": value for name, value in case(master).items()}
    return busy


def chain(master: str) -> Numbers:
    """Seconds for CHAIN rules; each runs `cat` on the output of the previous rule."""
    with folder() as where:
        (where / "out.0").write_text("hello\n")
        rules = [f"out.{i}: out.{i - 1}\n\tcat out.{i - 1} > out.{i}\n\n" for i in range(1, CHAIN + 1)]
        (where / "Makeflow").write_text("".join(rules))
        took = mfmesos_makeflow(master)(where)
        if (where / f"out.{CHAIN}").read_text() != "hello\n":
            raise BenchError("the chain's last output is wrong")
    return {"chain_s": took}


# --- the scheduler alone, through its files -----------------------------------------------------------
class Files:
    """Drives a scheduler as makeflow does: appends lines to mesos_task_info, watches mesos_task_state."""

    def __init__(self, where: Path, scheduler_pid: int) -> None:
        self.where, self.pid = where, scheduler_pid
        self._info = os.open(where / "mesos_task_info", os.O_WRONLY | os.O_APPEND)
        self._state = os.open(where / "mesos_task_state", os.O_RDONLY)
        self._last = 0

    def submit(self, *commands: str) -> None:
        """One write. Each task reads in.txt and makes out.ID."""
        lines = []
        for command in commands:
            self._last += 1
            text = command.replace("OUT", f"out.{self._last}")
            lines.append(f"{self._last},{text},{self.where}/in.txt,out.{self._last},1,64,64,submitted\n")
        os.write(self._info, "".join(lines).encode())

    def withdraw_last(self) -> None:
        os.write(self._info, f"{self._last},,,,,,,aborting\n".encode())

    def wait_line(self, timeout_s: float = 60) -> str:
        """The next complete piece of mesos_task_state; polled almost without pause."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if data := os.read(self._state, 65536):
                return data.decode()
            time.sleep(0.0002)
        raise BenchError(f"no line in mesos_task_state within {timeout_s:g} s")

    def close(self) -> None:
        os.close(self._info)
        os.close(self._state)


@contextmanager
def scheduler(master: str, max_running: int | None = None) -> Iterator[Files]:
    with folder() as where:
        for name in ("mesos_task_info", "mesos_task_state"):
            (where / name).touch()
        (where / "in.txt").write_text("hello\n")
        config = SchedulerConfig(
            workdir=str(where), master=master, parent_pid=os.getpid(), max_running=max_running, claim_idle_s=60)
        config.save(where / "config.json")
        argv = [*own_programs.command(own_programs.SCHEDULER), str(where / "config.json")]
        with running(argv, where, "scheduler.out") as process:
            files = Files(where, process.pid)
            yield files
            files.close()


def latency(master: str) -> Numbers:
    """Milliseconds from a task's line in task_info to its line in task_state, on an open claim."""
    taken = []
    with scheduler(master) as files:
        for n in range(LATENCY_TASKS + 5):
            started = time.monotonic()
            files.submit("cat in.txt > OUT")
            line = files.wait_line()
            if line != f"{n + 1},finished\n":
                raise BenchError(f"task {n + 1} ended as {line!r}")
            taken.append((time.monotonic() - started) * 1000)
    del taken[:5]  # the first ones open the claim
    return {"latency_ms": statistics.median(taken), "latency_p95_ms": sorted(taken)[int(len(taken) * 0.95)]}


def memory(master: str) -> Numbers:
    """Peak resident memory (MB) of the scheduler while WAITING tasks wait behind a running task."""
    with scheduler(master, max_running=1) as files:
        files.submit("sleep 600; cat in.txt > OUT", *["cat in.txt > OUT"] * WAITING)
        files.withdraw_last()
        if (line := files.wait_line()) != f"{WAITING + 1},aborted\n":  # so it has taken in all there are
            raise BenchError(f"mesos_task_state got {line!r}")
        return {"memory_mb": status_kb(files.pid, "VmHWM") / 1024}


def status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise BenchError(f"no {name} of the scheduler")


CASES: dict[str, Callable[[str], Numbers]] = {
    "local": fan_local, "wq": fan_work_queue, "mfmesos": fan_mfmesos, "chain": chain, "latency": latency,
    "memory": memory, "busy-local": beside_others(fan_local), "busy-wq": beside_others(fan_work_queue),
    "busy-mfmesos": beside_others(fan_mfmesos),
}
