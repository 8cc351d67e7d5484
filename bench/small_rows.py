"""Rows of many small tasks: what the machinery itself costs."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engines import Engine, Workflow, compare, expect, floor, local, mfmesos, work_queue
from programs import MFMESOS, BenchError, Took, computing, timed
from rows import Bench, NotHere, Row, Values, ratio, value

RULES, MANY = 1000, 10_000
TASKS = Path(__file__).with_name("tasks")
ONE_CORE = "CORES=1\nMEMORY=64\nDISK=64\n\n"
"""With this a Work Queue worker runs as many rules as it has cores."""


# --- makeflow ------------------------------------------------------------------------------------------
def fan(rules: int, declared: str = "") -> Workflow:
    """Rules `cat in.txt > out.N` that need nothing of each other. `declared`: what they need, in makeflow's words."""
    def prepare(where: Path) -> None:
        (where / "in.txt").write_text("hello\n")
        text = "".join(f"out.{i}: in.txt\n\tcat in.txt > out.{i}\n\n" for i in range(rules))
        (where / "Makeflow").write_text(declared + text)

    return Workflow(prepare, lambda where: expect(where, *(f"out.{i}" for i in range(rules)), text="hello\n"))


def engines(bench: Bench, *names: str) -> dict[str, Engine]:
    every = {"local": local, "wq": work_queue(), "floor": floor, "mfmesos": mfmesos(bench.mesos())}
    return {name: every[name] for name in names}


def rules_1000(bench: Bench) -> Values:
    return compare(bench, fan(bench.some(RULES)), **engines(bench, "floor", "local", "wq", "mfmesos"))


def rules_1000_one_core(bench: Bench) -> Values:
    return compare(bench, fan(bench.some(RULES), ONE_CORE), **engines(bench, "floor", "local", "wq", "mfmesos"))


def rules_1000_busy(bench: Bench) -> Values:
    """What waits for round trips, as Work Queue does, then waits for its turns on a core as well."""
    chosen = engines(bench, "wq", "local", "mfmesos")
    with computing(len(os.sched_getaffinity(0))):
        return compare(bench, fan(bench.some(RULES)), **chosen)


def rules_10000(bench: Bench) -> Values:
    return compare(bench, fan(bench.some(MANY)), **engines(bench, "floor", "local", "mfmesos"))


# --- mfmesos run ---------------------------------------------------------------------------------------
def commands(count: int) -> list[str]:
    return [f"echo {i} > out.{i}" for i in range(count)]


def run_tasks(bench: Bench, count: int) -> Took:
    """`mfmesos run` of tasks with one small output each."""
    where = bench.new_folder()
    lines = (f'{{"command": "{command}", "outputs": ["out.{i}"]}}\n' for i, command in enumerate(commands(count)))
    (where / "tasks.jsonl").write_text("".join(lines))
    argv = [*MFMESOS, "run", "--plain", "--master", bench.mesos(), "--history", "history", "tasks.jsonl"]
    took = timed(argv, where)
    expect(where, *(f"out.{i}" for i in range(count)))
    return took


def by_peer(bench: Bench, argv: Sequence[str], count: int) -> float:
    """Seconds of a program that runs the lines of a file `commands`."""
    where = bench.new_folder()
    (where / "commands").write_text("".join(f"{command}\n" for command in commands(count)))
    took = timed(argv, where)
    expect(where, *(f"out.{i}" for i in range(count)))
    return took.seconds


def run_10000(bench: Bench) -> Values:
    count = bench.some(MANY)
    peers = {
        "subprocess": [sys.executable, str(TASKS / "two_threads.py"), "commands"],
        "xargs": ["sh", "-c", "tr '\\n' '\\0' < commands | xargs -0 -n1 -P2 sh -c"],
        "parallel": ["sh", "-c", "parallel --will-cite -j2 < commands"],
    }
    values = {}
    for name, argv in peers.items():
        try:
            values[f"{name}_s"] = by_peer(bench, argv, count)
        except BenchError as e:
            raise NotHere(f"{e} (apt-get install parallel)") if name == "parallel" else e from None
    ours = run_tasks(bench, count)
    return {**values, "mfmesos_s": ours.seconds}


def scheduler_cpu(bench: Bench) -> Values:
    """Of the whole process from its start to its end, with the two starts of Python in it, but not of executors."""
    count = bench.some(MANY)
    return {"per_task_ms": run_tasks(bench, count).cpu_s / count * 1000}


OF_FLOOR, OF_WQ, OF_LOCAL = "mfmesos / floor", "mfmesos / -T wq", "mfmesos / -T local -j 2"
FLOOR = "makeflow's floor; -T wq; -T local -j 2"
ROWS = (
    Row("rules-1000", "1,000 rules that declare nothing", FLOOR, (
        ratio(OF_FLOOR, "mfmesos_s", "floor_s", at_most=1.5),
        ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=0.45),
        ratio(OF_LOCAL, "mfmesos_s", "local_s", at_most=1.2)), rules_1000),
    Row("rules-1000-cores", "1,000 rules with CORES=1", FLOOR, (
        ratio(OF_FLOOR, "mfmesos_s", "floor_s", at_most=1.5),
        ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=0.45),
        ratio(OF_LOCAL, "mfmesos_s", "local_s", at_most=1.2)), rules_1000_one_core),
    Row("rules-1000-busy", "1,000 rules beside as many computing processes as cores", "-T wq beside them", (
        ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=0.28),
        ratio(OF_LOCAL, "mfmesos_s", "local_s")), rules_1000_busy),
    Row("rules-10000", "10,000 rules", "-T local -j 2; makeflow's floor", (
        ratio(OF_LOCAL, "mfmesos_s", "local_s", at_most=1.05),
        ratio(OF_FLOOR, "mfmesos_s", "floor_s")), rules_10000, rounds=1, takes_s=330),
    Row("run-10000", "`mfmesos run`, 10,000 tasks with one small output",
        "Python's subprocess with 2 threads; GNU parallel; xargs -P2", (
            ratio("speed of subprocess", "subprocess_s", "mfmesos_s", at_least=0.45),
            ratio("time of GNU parallel", "mfmesos_s", "parallel_s", at_most=1.0),
            ratio("time of xargs -P2", "mfmesos_s", "xargs_s")), run_10000, rounds=2, takes_s=55),
    Row("scheduler-cpu", "`mfmesos run`, 10,000 tasks: the scheduler's own CPU per ended task, all of it",
        "a limit", (value("CPU per ended task", "per_task_ms", "ms", at_most=0.7),), scheduler_cpu, rounds=2),
)
