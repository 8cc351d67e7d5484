"""Rows of large and of many files: what moving and keeping data costs."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

from engines import Engine, Workflow, compare, expect, local, mfmesos, work_queue
from plain_copy import large_file, plain_copy
from programs import MFMESOS, timed
from rows import Bench, Row, Values, ratio
from watching import files_read_mb

GB, MB = 10**9, 10**6
READERS, LINKS, SMALL = 20, 5, 10_000


# --- one input, many tasks -----------------------------------------------------------------------------
def readers(large: Path) -> Workflow:
    """Tasks that count the bytes of one shared input."""
    size = large.stat().st_size
    outputs = [f"out.{i}" for i in range(READERS)]

    def prepare(where: Path) -> None:
        os.link(large, where / "large")
        (where / "Makeflow").write_text("".join(f"{out}: large\n\twc -c < large > {out}\n\n" for out in outputs))
    return Workflow(prepare, lambda where: expect(where, *outputs, text=f"{size}\n"), large=True)


def shared_input(bench: Bench) -> Values:
    return compare(bench, readers(large_file(bench, bench.some(GB))), wq=work_queue(), mfmesos=mfmesos(bench.mesos()))


def shared_input_4(bench: Bench) -> Values:
    return compare(bench, readers(large_file(bench, bench.some(GB))), wq=work_queue(workers=4, cores=1),
                   mfmesos=mfmesos(bench.mesos(agents=4, cores=1)))


# --- from one task to the next -------------------------------------------------------------------------
def hand_overs(size: int) -> Workflow:
    """The first task makes a file, and each of the others copies what the one before made."""
    outputs = [f"out.{i}" for i in range(LINKS)]

    def prepare(where: Path) -> None:
        rules = [f"out.0:\n\tyes some text that fills it | head -c {size} > out.0\n\n"]
        rules += [f"{after}: {before}\n\tcat {before} > {after}\n\n" for before, after in zip(outputs, outputs[1:])]
        (where / "Makeflow").write_text("".join(rules))
    return Workflow(prepare, lambda where: expect(where, *outputs, size=size), large=True)


def chain(bench: Bench) -> Values:
    size, values = bench.some(GB), {}

    def local_and_copy(where: Path) -> float:
        return local(where) + plain_copy([where / f"out.{i}" for i in range(LINKS)])

    def ours(where: Path) -> float:
        with files_read_mb(where) as read:
            took = mfmesos(bench.mesos())(where)
        values["scheduler_read_mb"] = read.most_mb
        return took

    values.update(compare(bench, hand_overs(size), local_and_copy=local_and_copy, mfmesos=ours))
    values["handed_over_mb"] = (LINKS - 1) * size / MB
    return values


def large_outputs(bench: Bench) -> Values:
    """From the end of the task's own work, measured by itself, to the end of the run."""
    size = bench.some(GB)
    command = f"yes some text that fills it | head -c {size} > a; cat a > b"
    where = bench.new_folder()
    os.sync()
    command_s = timed(["sh", "-c", command], where).seconds
    copy_s = plain_copy([where / "a", where / "b"])
    shutil.rmtree(where)
    where = bench.new_folder()
    (where / "tasks.jsonl").write_text(f'{{"command": "{command}", "outputs": ["a", "b"]}}\n')
    os.sync()
    argv = [*MFMESOS, "run", "--plain", "--master", bench.mesos(), "--history", "history", "tasks.jsonl"]
    ours_s = timed(argv, where).seconds
    expect(where, "a", "b", size=size)
    shutil.rmtree(where)
    return {"command_s": command_s, "copy_s": copy_s, "mfmesos_s": ours_s, "beyond_command_s": ours_s - command_s}


# --- many small files ----------------------------------------------------------------------------------
def engines(bench: Bench) -> dict[str, Engine]:
    return {"wq": work_queue(), "mfmesos": mfmesos(bench.mesos())}


def many_inputs(bench: Bench) -> Values:
    """A folder whose files each task counts."""
    count = bench.some(SMALL, 100)
    outputs = [f"out.{i}" for i in range(READERS)]

    def make(path: Path) -> None:
        for number in range(count):
            file = path / f"part.{number // 100}" / f"file.{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"file {number}\n")
    tree = bench.once(f"tree-{count}", make)

    def prepare(where: Path) -> None:
        shutil.copytree(tree, where / "tree", copy_function=os.link)
        (where / "Makeflow").write_text("".join(
            f"{out}: tree\n\tfind tree -type f | wc -l > {out}\n\n" for out in outputs))
    return compare(bench, Workflow(prepare, lambda where: expect(where, *outputs, text=f"{count}\n")), **engines(bench))


def many_outputs(bench: Bench) -> Values:
    """One task that makes them all; its script is an input, since makeflow would replace the shell's variables."""
    count = bench.some(SMALL, 100)
    outputs = [f"out.{i}" for i in range(count)]

    def prepare(where: Path) -> None:
        (where / "make.sh").write_text(f"i=0\nwhile [ $i -lt {count} ]; do echo $i > out.$i; i=$((i + 1)); done\n")
        (where / "Makeflow").write_text(f"{' '.join(outputs)}: make.sh\n\tsh make.sh\n")
    return compare(bench, Workflow(prepare, lambda where: expect(where, *outputs)), **engines(bench))


OF_WQ = "mfmesos / -T wq"
ROWS = (
    Row("shared-input", "20 tasks, one shared input of 1 GB, one agent", "-T wq",
        (ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=1.0),), shared_input, rounds=2),
    Row("shared-input-4", "20 tasks, one shared input of 1 GB, 4 agents", "-T wq with 4 workers",
        (ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=1.0),), shared_input_4, rounds=2),
    Row("chain", "chain of 5 tasks, 1 GB from one to the next, one agent",
        "-T local and one plain loopback copy of the same 5 GB", (
            ratio("mfmesos / (local and copy)", "mfmesos_s", "local_and_copy_s", at_most=1.2),
            ratio("files that the scheduler reads / data handed over", "scheduler_read_mb", "handed_over_mb",
                  at_most=0.02)), chain, rounds=2, takes_s=45),
    Row("many-inputs", "a folder of 10,000 small files into 20 tasks", "-T wq",
        (ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=1.0),), many_inputs, rounds=2),
    Row("many-outputs", "10,000 outputs of one task", "-T wq",
        (ratio(OF_WQ, "mfmesos_s", "wq_s", at_most=1.0),), many_outputs, rounds=2),
    Row("large-outputs", "outputs of 2 x 1 GB", "a plain copy over loopback",
        (ratio("(mfmesos - the task's own time) / copy", "beyond_command_s", "copy_s", at_most=2.0),), large_outputs),
)
