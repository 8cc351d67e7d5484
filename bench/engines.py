"""Ways to run a workflow in a folder: makeflow's own, ours, and the least that any scheduler could take."""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from machine import written_mb
from programs import LIMIT_S, MFMESOS, BenchError, last_line, running, timed, wait_for
from rows import Bench, NotHere, Values

from mfmesos.launchers import binaries

Engine = Callable[[Path], float]
"""Runs the Makeflow in a folder; seconds from the start of the engine to its end."""
INSTANT = Path(__file__).with_name("instant.py")


def local(where: Path) -> float:
    """makeflow itself, two rules at a time."""
    return timed(["makeflow", "-T", "local", "-j", "2", "Makeflow"], where).seconds


def work_queue(workers: int = 1, cores: int = 2) -> Engine:
    """makeflow with workers that connect as soon as it listens; their start is not measured. A worker runs as many
    rules as it has cores, but only one that declares nothing."""
    def run(where: Path) -> float:
        started = time.monotonic()
        with ExitStack() as stack:
            argv = ["makeflow", "-T", "wq", "-p", "0", "-Z", "port", "Makeflow"]
            makeflow = stack.enter_context(running(argv, where, "makeflow.log"))
            port = wait_for(where / "port").strip()
            for number in range(workers):
                (where / f"worker.{number}").mkdir()
                stack.enter_context(running(
                    ["work_queue_worker", "--cores", str(cores), "--workdir", f"worker.{number}", "127.0.0.1", port],
                    where, "worker.log"))
            if makeflow.wait(LIMIT_S):
                raise BenchError(f"makeflow -T wq failed; {last_line(where / 'makeflow.log')}")
            return time.monotonic() - started
    return run


def mfmesos(master: str) -> Engine:
    """`mfmesos makeflow` with a history of its own, as in a user's first run."""
    return lambda where: timed(
        [*MFMESOS, "makeflow", "--master", master, "--history", "history", "--", "Makeflow"], where).seconds


def floor(where: Path) -> float:
    """makeflow with our library and an instant scheduler, which only runs the tasks' own processes, two at a time."""
    library = binaries.preload_library()
    if library is None:
        raise NotHere("the library for makeflow is not built: make preload")
    makeflow = binaries.private_copy(binaries.find_makeflow(os.environ), where / "floor", os.environ)
    shutil.copy(INSTANT, makeflow.with_name(binaries.STUB))
    return timed(
        [str(makeflow), "-T", "mesos", "--mesos-master=none:1", "-J", "1000", "Makeflow"], where,
        LD_PRELOAD=str(library), MFMESOS_PRELOADED="0").seconds


@dataclass(frozen=True)
class Workflow:
    """What is run, and what has to be there in the end."""

    prepare: Callable[[Path], None]
    """Writes the Makeflow and its inputs into an empty folder."""
    check: Callable[[Path], None]
    """Raises BenchError unless the outputs are right."""
    large: bool = False
    """Few large files: what is written to the disk is counted, and the folder is removed at once."""


def compare(bench: Bench, workflow: Workflow, **engines: Engine) -> Values:
    """Each engine once, one after the other, each round in the opposite order of the last: NAME_s, its seconds, and of
    a large workflow NAME_written_mb, what the whole machine wrote to the disk meanwhile and until all had arrived."""
    values: Values = {}
    names = list(engines)
    for name in names if bench.turn % 2 == 0 else names[::-1]:
        where = bench.new_folder()
        workflow.prepare(where)
        os.sync()
        before = written_mb(where)
        values[f"{name}_s"] = engines[name](where)
        if workflow.large:
            os.sync()
            values[f"{name}_written_mb"] = written_mb(where) - before
        workflow.check(where)
        if workflow.large:
            shutil.rmtree(where)
    return values


def expect(where: Path, *names: str, size: int | None = None, text: str | None = None) -> None:
    """These outputs exist, with this size or this text. Raises BenchError."""
    def right(path: Path) -> bool:
        return path.is_file() and (size is None or path.stat().st_size == size) and (
            text is None or path.read_text() == text)
    good = sum(right(where / name) for name in names)
    if good != len(names):
        raise BenchError(f"only {good} of {len(names)} outputs are right")
