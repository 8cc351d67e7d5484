"""What the estimator costs after 100,000 records, and its scores on real traces where MFMESOS_TRACES names a folder.

    python3 bench/estimator.py            (make bench-estimates)
"""
from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Callable

from mfmesos.estimates.baselines import all_baselines
from mfmesos.estimates.estimator import Estimator
from mfmesos.estimates.replay import Learned, replay
from mfmesos.views import tracefile

RECORDS = 100_000
CATEGORIES = 40
TIMED = 2_000


def milliseconds(call: Callable[[int], object]) -> str:
    """Mean and worst of many calls."""
    times = []
    for i in range(TIMED):
        begin = time.perf_counter()
        call(i)
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    return f"mean {sum(times) / TIMED:.3f} ms, 99 % within {times[TIMED * 99 // 100]:.3f} ms"


def cost() -> None:
    """Fill an estimator with records of many categories and time a scheduler's calls."""
    r = random.Random(1)
    estimator = Estimator()

    def observe(i: int) -> None:
        size = r.lognormvariate(3, 1)
        estimator.observe(f"c{i % CATEGORIES}", 100 + 5 * size + r.random(), 10.0, size, context=f"c{(i + 1) % 7}")

    begin = time.perf_counter()
    for i in range(RECORDS):
        observe(i)
    print(f"{RECORDS:,} records learned in {time.perf_counter() - begin:.1f} s")
    print("update    ", milliseconds(observe))
    print("prediction", milliseconds(lambda i: estimator.predict(f"c{i % CATEGORIES}", i % 50 + 1.0, context="c1")))


def scores(folder: Path) -> None:
    """Score each trace in the folder, beside the baselines."""
    for path in sorted(folder.glob("*.csv")):
        rows = tracefile.load(path)
        timed = all(row.start_s is not None and row.end_s is not None for row in rows)
        for causal in (False, True)[:1 + timed]:
            print(f"{path.name}, {'causal' if causal else 'sequential'}")
            for name, policy in [*all_baselines(), ("mfmesos", Learned())]:
                print(f"  {name:18} {replay(rows, policy, causal=causal)}")


def main() -> None:
    cost()
    folder = os.environ.get("MFMESOS_TRACES")
    if folder:
        scores(Path(folder))
    else:
        print("no scores on real traces: MFMESOS_TRACES names no folder of them", file=sys.stderr)


if __name__ == "__main__":
    main()
