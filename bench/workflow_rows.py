"""Rows of three scientific workflows that declare nothing, on two slots."""
from __future__ import annotations

import math
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from engines import Workflow, compare, expect, local, mfmesos, work_queue
from programs import timed
from rows import Bench, Figure, NotHere, Row, Values, ratio

TASKS = Path(__file__).with_name("tasks")
MEMORY_MB = 16_384
"""Of the agent, so that two of the largest trainings fit."""


def on_two_slots(bench: Bench, workflow: Workflow) -> Values:
    """A worker of Work Queue gives a rule that declares nothing all it has: two workers are two slots."""
    return compare(bench, workflow, local=local, wq=work_queue(workers=2, cores=1),
                   mfmesos=mfmesos(bench.mesos(memory_mb=MEMORY_MB)))


def rule(output: str, inputs: str, command: str) -> str:
    return f"{output}: {inputs}\n\t{command}\n\n"


# --- images --------------------------------------------------------------------------------------------
STEPS, SIDES = 100, (7000, 4500)
"""Of the 300 steps of the pipeline that this one is made after; images of 147 and 61 MB."""


def images(bench: Bench) -> Values:
    steps = bench.some(STEPS, 16)
    large, small = (round(side * math.sqrt(bench.scale)) for side in SIDES)
    python = f"{sys.executable} imaging.py"
    tiles = [(i, f"scene.{i % 2}", f"tile.{i}") for i in range((steps - 4) * 2 // 3)]
    text = [rule(f"scene.{i}", "imaging.py", f"{python} scene {i} {large} scene.{i}") for i in (0, 1)]
    text += [rule(f"overview.{i}", f"imaging.py scene.{i}", f"{python} overview scene.{i} {small} overview.{i}")
             for i in (0, 1)]
    text += [rule(tile, f"imaging.py {scene}", f"{python} tile {scene} {i} {tile}") for i, scene, tile in tiles]
    results = []
    for (i, _, one), (_, _, other) in zip(tiles[::2], tiles[1::2]):
        results.append(f"result.{i}")
        overview = f"overview.{i // 2 % 2}"
        text.append(rule(results[-1], f"imaging.py {overview} {one} {other}",
                         f"{python} compare {overview} {one} {other} {results[-1]}"))

    def prepare(where: Path) -> None:
        shutil.copy(TASKS / "imaging.py", where)
        (where / "Makeflow").write_text("".join(text))

    def check(where: Path) -> None:
        expect(where, "scene.0", "scene.1", size=3 * large**2)
        expect(where, "overview.0", "overview.1", size=3 * small**2)
        expect(where, *results, *(tile for _, _, tile in tiles))
    return on_two_slots(bench, Workflow(prepare, check, large=True))


# --- trainings -----------------------------------------------------------------------------------------
TRAININGS, LEAST_MB, MOST_MB = 40, 130, 1019
"""Half of the 80 trainings, of the same sizes."""


def trainings(bench: Bench) -> Values:
    """In an order by chance, always the same, so that what a task needs cannot be seen from the one before."""
    count = bench.some(TRAININGS, 4)
    sizes = [round(LEAST_MB + (MOST_MB - LEAST_MB) * i / (count - 1)) for i in range(count)]
    if bench.scale < 1:
        sizes = [max(1, round(size * bench.scale)) for size in sizes]
    random.Random(1).shuffle(sizes)
    outputs = [f"model.{i}" for i in range(count)]

    def prepare(where: Path) -> None:
        shutil.copy(TASKS / "training.py", where)
        (where / "Makeflow").write_text("".join(
            rule(out, "training.py", f"{sys.executable} training.py {size} {out}")
            for out, size in zip(outputs, sizes)))
    return on_two_slots(bench, Workflow(prepare, lambda where: expect(where, *outputs), large=True))


# --- genomics ------------------------------------------------------------------------------------------
QUERIES, BASES, READS, READ = 45, 332_000_000, 20, 400
"""Half of the 90 tasks; a database of 83 MB."""


def genomics(bench: Bench) -> Values:
    """Each task looks some reads up in one BLAST database."""
    if not shutil.which("makeblastdb"):
        raise NotHere("no BLAST: apt-get install ncbi-blast+")
    database = bench.once("blast", _database(bench))
    shared = sorted(path.name for path in database.glob("genome.*"))
    count = bench.some(QUERIES, 4)
    outputs = [f"hits.{i}" for i in range(count)]

    def prepare(where: Path) -> None:
        for path in database.iterdir():
            os.link(path, where / path.name)
        (where / "Makeflow").write_text("".join(
            rule(f"hits.{i}", f"{' '.join(shared)} reads.{i}",
                 f"blastn -db genome -query reads.{i} -outfmt 6 -max_target_seqs 5 > hits.{i}") for i in range(count)))
    return on_two_slots(bench, Workflow(prepare, lambda where: expect(where, *outputs), large=True))


def _database(bench: Bench) -> Callable[[Path], None]:
    """A genome by chance, and reads of it."""
    count, bases = bench.some(QUERIES, 4), bench.some(BASES, 100_000)

    def make(where: Path) -> None:
        import numpy as np

        where.mkdir()
        rng = np.random.default_rng(1)
        piece = bases // 10
        with (where / "genome.fa").open("wb") as f:
            for number in range(10):
                letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, piece, np.uint8)]
                f.write(f">chromosome{number}\n".encode() + letters.tobytes() + b"\n")
                for query in range(count):
                    with (where / f"reads.{query}").open("ab") as reads:
                        for read in range(READS // 10):
                            start = int(rng.integers(0, piece - READ))
                            reads.write(f">{number}.{read}\n".encode() + letters[start:start + READ].tobytes() + b"\n")
        timed(["makeblastdb", "-in", "genome.fa", "-dbtype", "nucl", "-out", "genome"], where)
        (where / "genome.fa").unlink()
        (where / "timed.log").unlink()
    return make


OWN_MB = 10.0
"""What a run of ours writes beside data: settings, logs, the journal, the executor's archive. Two of the workflows
write little more themselves, and the device also counts what other processes write."""


def written(values: Values) -> float:
    return max(0.0, values["mfmesos_written_mb"] - OWN_MB) / values["local_written_mb"]


FIGURES = (
    ratio("mfmesos / -T local -j 2", "mfmesos_s", "local_s", at_most=1.15),
    ratio("mfmesos / -T wq", "mfmesos_s", "wq_s", at_most=0.9),
    Figure(f"bytes written to disk, (mfmesos - {OWN_MB:g} MB) / -T local", written, at_most=1.2),
)
PEERS = "-T local -j 2; -T wq with two workers"
ROWS = (
    Row("images", "image pipeline: 300 steps in 4 stages, intermediates of 2 x 147 and 2 x 61 MB", PEERS, FIGURES,
        images, scaled=f"{STEPS} steps, full sizes"),
    Row("trainings", "80 trainings of 130 to 1,019 MB of memory", PEERS, FIGURES, trainings,
        rounds=2, scaled=f"{TRAININGS} trainings, full sizes"),
    Row("genomics", "90 BLAST searches that share 83 MB", PEERS, FIGURES, genomics,
        scaled=f"{QUERIES} searches, full database"),
)
