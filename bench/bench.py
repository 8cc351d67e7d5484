"""Speed of mfmesos against makeflow's own ways to run, on a real Mesos with two agents on this machine.

    bench.py [--rounds 3] [--only local,wq,mfmesos,chain,latency,memory,busy-local,busy-wq,busy-mfmesos]
             [--master HOST:PORT] [--output DIR]

Rounds are interleaved (each case once, then again), so that a busy spell of the machine hits all alike; what counts is
the median. "busy": beside as many computing processes as there are cores, as on a machine that others use. Prints a
table with targets and writes it, as text and JSON, with a description of the machine.
Exits 0 when all was measured, whether or not the targets are met; 1 when something could not be measured.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "tests")]

from cases import CASES, CHAIN, RULES, WAITING  # noqa: E402  needs the path above
from machine import describe  # noqa: E402
from programs import BenchError  # noqa: E402

RESOURCES = "cpus:2;mem:4096;disk:20000"


class Row(NamedTuple):
    """A measured value and its target, at most (None: only shown)."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        return "met" if self.value <= self.at_most else "MISSED"


def rows(medians: dict[str, float]) -> list[Row]:
    """The table of the existing medians."""
    found = [
        *_fan_rows(medians, "", ""),
        *_fan_rows(medians, "busy_", ", busy"),
        _row(medians, "chain_s", f"chain of {CHAIN} rules, mfmesos makeflow", "s", 3.0),
        _row(medians, "latency_ms", "one task on an open claim, median", "ms", 30.0),
        _row(medians, "latency_p95_ms", "  95th percentile", "ms"),
        _row(medians, "memory_mb", f"scheduler with {WAITING} tasks waiting, peak", "MB", 150.0),
    ]
    return [row for row in found if row is not None]


def _fan_rows(medians: dict[str, float], key: str, state: str) -> list[Row | None]:
    """`state`: the machine's state, the end of each name; `key`: the prefix of the values measured in that state."""
    return [
        _row(medians, f"{key}local_s", f"{RULES} rules, makeflow -T local -j 2{state}", "s"),
        _row(medians, f"{key}wq_s", f"{RULES} rules, makeflow -T wq, one 2-core worker{state}", "s"),
        _row(medians, f"{key}mfmesos_s", f"{RULES} rules, mfmesos makeflow, real Mesos{state}", "s"),
        _ratio(medians, f"{key}mfmesos_s", f"{key}wq_s", f"  mfmesos / wq{state}", 0.35),
        _ratio(medians, f"{key}mfmesos_s", f"{key}local_s", f"  mfmesos / local{state}", 1.5),
    ]


def _row(medians: dict[str, float], key: str, name: str, unit: str, at_most: float | None = None) -> Row | None:
    return Row(name, medians[key], unit, at_most) if key in medians else None


def _ratio(medians: dict[str, float], over: str, under: str, name: str, at_most: float) -> Row | None:
    if over not in medians or under not in medians:
        return None
    return Row(name, medians[over] / medians[under], "", at_most)


def table(found: Sequence[Row]) -> str:
    lines = [f"{'what':<54} {'measured':>12} {'at most':>10}", "-" * 86]
    for row in found:
        target = "" if row.at_most is None else f"{row.at_most:g} {row.unit}".strip()
        lines.append(f"{row.name:<54} {f'{row.value:.2f} {row.unit}'.strip():>12} {target:>10}  {row.verdict}".rstrip())
    return "\n".join(lines)


def measure(names: Sequence[str], rounds: int, master: str) -> tuple[dict[str, list[float]], list[str]]:
    """Every value of every round, and the cases that could not be measured."""
    values: dict[str, list[float]] = {}
    problems: list[str] = []
    for turn in range(rounds):
        for name in names:
            started = time.monotonic()
            try:
                for key, value in CASES[name](master).items():
                    values.setdefault(key, []).append(value)
            except BenchError as e:
                problems.append(f"{name}: {e}")
                print(f"bench: {problems[-1]}", file=sys.stderr, flush=True)
            took = time.monotonic() - started
            print(f"round {turn + 1}/{rounds} {name}: {took:.1f} s", file=sys.stderr, flush=True)
    return values, problems


def write(folder: Path, text: str, data: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("bench-%Y%m%d-%H%M%S")
    (folder / f"{stem}.json").write_text(json.dumps(data, indent=1) + "\n")
    (folder / f"{stem}.txt").write_text(text + "\n")
    return folder / f"{stem}.txt"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    parser.add_argument("--master", help="a Mesos master that is there already; else a real Mesos is started")
    parser.add_argument("--output", type=Path, default=ROOT / "bench-results")
    args = parser.parse_args()
    names = args.only.split(",")
    if unknown := [n for n in names if n not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    with ExitStack() as stack:
        master, version = args.master, "as given"
        if not master:
            from clusters import RealMesos

            cluster = RealMesos(agents=2, resources=RESOURCES)
            stack.callback(cluster.stop)
            master, version = cluster.master, cluster.info["version"]
        machine = describe(version)
        values, problems = measure(names, args.rounds, master)
    found = rows({key: statistics.median(v) for key, v in values.items()})
    text = "\n".join([table(found), "", *(f"{k}: {v}" for k, v in machine.items()), *problems])
    print(text)
    print(f"written to {write(args.output, text, {'machine': machine, 'rounds': values, 'problems': problems})}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
