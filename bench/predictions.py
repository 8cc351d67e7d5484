"""Predicted starts: how many waiting tasks start when `mfmesos why` says at half of their wait.

    python3 bench/predictions.py [--seeds N] [--tasks N] [--learned]        (part of make bench-simulate)

Each workload is simulated with several seeds. Near: within 5 s, or 20 % of the wait. Without a history nothing is
predicted before the first tasks have ended; these count as not near, too. With --learned each has the history of an
earlier run with other tasks of the same kinds.
"""
from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests" / "simulate")]

from predicted_starts import SCENES, Asked, Simulation, asked, recorded, with_history  # noqa: E402  needs the path above


def row(name: str, found: list[Asked]) -> str:
    told = [one for one in found if one.predicted_s is not None]
    errors = sorted(abs((one.predicted_s or 0.0) - one.start_s) / one.wait_s for one in told)
    near, silent = statistics.mean(one.near for one in found), 1 - len(told) / len(found)
    return (f"| {name} | {len(found)} | {near:.0%} | {silent:.0%} | {errors[len(errors) // 2]:.0%} "
            f"| {errors[int(0.9 * len(errors))]:.0%} |")


def simulations(scene: Callable[[int], Simulation], seed: int, learned: bool) -> Callable[[], Simulation]:
    if not learned:
        return lambda: scene(seed)
    history = recorded(scene(seed + 1))
    return lambda: with_history(scene(seed), history)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=200, help="tasks that are asked about in each simulation")
    parser.add_argument("--learned", action="store_true")
    options = parser.parse_args()
    print("| workload | asked | near | nothing predicted | median error, of the wait | 90 % |\n"
          "| --- | --- | --- | --- | --- | --- |")
    for name, scene in SCENES.items():
        found = [one for seed in range(1, options.seeds + 1)
                 for one in asked(simulations(scene, seed, options.learned), options.tasks)]
        print(row(name, found), flush=True)


if __name__ == "__main__":
    main()
