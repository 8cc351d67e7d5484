"""Speed of mfmesos against its peers, and against limits, as one table: bench-results/table.md and table.json.

    bench.py [ROW...] [--list] [--rounds N] [--scale X] [--within MINUTES] [--output DIR]

Without ROW all rows are measured. Each row measures its peers in the same round, one after the other, and rounds of
all rows take turns, so that a busy spell of the machine hits all alike; what counts is the median. A row is measured as
often as it says (--list) while the time lasts. --scale 0.01 makes everything small, to see whether a row works at all.
Exits 0 when all was measured that this machine can measure, whether or not the bars are met; 1 otherwise.
"""
from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "tests")]

import broadcast_rows  # noqa: E402  needs the path above
import core_rows  # noqa: E402
import data_rows  # noqa: E402
import latency_rows  # noqa: E402
import slurm_rows  # noqa: E402
import small_rows  # noqa: E402
import workflow_rows  # noqa: E402
from machine import busy_cores, describe  # noqa: E402
from programs import BenchError  # noqa: E402
from realmesos import install  # noqa: E402
from rows import Bench, NotHere, Row  # noqa: E402
from table import Result, as_json, markdown  # noqa: E402

FAMILIES = (workflow_rows, data_rows, broadcast_rows, small_rows, latency_rows, slurm_rows, core_rows)
ROWS: dict[str, Row] = {
    row.name: row for family in FAMILIES for row in family.ROWS}
MINUTES = 30.0


def measure(rows: Sequence[Row], bench: Bench, rounds: int | None, until: float) -> list[Result]:
    """Measures each row once, then again those that want more rounds; no round begins that would end after `until`
    (monotonic) if it took as long as the last one of that row, or the first one as long as the row says."""
    results = [Result(row) for row in rows]
    for turn in range(max(rounds or row.rounds for row in rows)):
        bench.turn = turn
        for result in results:
            if turn < (rounds or result.row.rounds) and result.here and not _late(result, until, bench.scale):
                _round(result, bench)
    return results


def _late(result: Result, until: float, scale: float) -> bool:
    takes_s = result.seconds[-1] if result.seconds else result.row.takes_s * min(1.0, scale)
    if time.monotonic() + takes_s <= until:
        return False
    result.problem = result.problem or f"no time for {'another' if result.seconds else 'a'} round"
    return True


def _round(result: Result, bench: Bench) -> None:
    result.others.append(round(busy_cores(), 2))
    started = time.monotonic()
    try:
        result.rounds.append(result.row.measure(bench))
    except NotHere as e:
        result.problem, result.here = str(e), False
    except (BenchError, AssertionError, OSError, subprocess.SubprocessError) as e:
        result.problem = f"{type(e).__name__}: {e}".partition("\n")[0]
    result.seconds.append(time.monotonic() - started)
    print(f"{result.row.name}, round {bench.turn + 1}: {result.seconds[-1]:.1f} s, {result.problem or 'measured'}",
          file=sys.stderr, flush=True)


def write(folder: Path, text: str, data: object) -> None:
    """As the newest results, and by their time."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in ("table", time.strftime("bench-%Y%m%d-%H%M%S")):
        (folder / f"{stem}.md").write_text(text)
        (folder / f"{stem}.json").write_text(json.dumps(data, indent=1) + "\n")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure; all by default")
    parser.add_argument("--list", action="store_true", help="list the rows with their bars, and measure nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each row, instead of what the row says")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies numbers of tasks and sizes of files")
    parser.add_argument("--within", type=float, default=MINUTES, metavar="MINUTES",
                        help="begin no round that would end later")
    parser.add_argument("--output", type=Path, default=ROOT / "bench-results")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.rows if name not in ROWS]:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return args


def listed(row: Row) -> str:
    bars = "; ".join(f"{figure.what}: {figure.bar or 'reported'}" for figure in row.figures)
    scaled = f" ({row.scaled})" if row.scaled else ""
    return f"{row.name} (rounds: {row.rounds})\n    {row.title}{scaled}, against {row.against}\n    {bars}"


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    rows = [ROWS[name] for name in args.rows] or list(ROWS.values())
    if args.list:
        print("\n".join(listed(row) for row in rows))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is cleaned up
    machine = {**describe(install.VERSION), "scale": f"{args.scale:g}"}
    bench = Bench(args.scale)
    started = time.monotonic()
    try:
        results = measure(rows, bench, args.rounds, started + args.within * 60)
    finally:
        bench.close()
    machine["took"] = f"{(time.monotonic() - started) / 60:.1f} min"
    text = markdown(results, machine)
    write(args.output, text, as_json(results, machine))
    print(text)
    return 1 if any(result.here and not result.rounds for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
