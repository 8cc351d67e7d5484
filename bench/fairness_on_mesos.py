"""The fairness laboratory on a real Mesos: the situations of fairness.py, with other frameworks on pymesos.

    python3 bench/fairness_on_mesos.py [SITUATION ...] [--runs N] [--from S] [--to S] [--plot FILE]
                                                                                         (make bench-fairness)

SITUATION is a number from 1 to 3; all by default. Each run has a Mesos of its own, and takes --to seconds. Tasks only
sleep. Shares are read from the master twice a second, from when both frameworks are there.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "tests")]

from clusters import RealMesos  # noqa: E402  needs the path above
from fairness import (  # noqa: E402
    AGENTS,
    CORES,
    ENOUGH,
    GREEDY,
    LASTS_S,
    LATER_S,
    SITUATIONS,
    TASK,
    Found,
    Shares,
    Situation,
    draw,
    found,
    head,
    line,
    mean,
    rate_of,
)
from machine import describe  # noqa: E402
from plain_framework import argument  # noqa: E402
from programs import MFMESOS, running  # noqa: E402
from realmesos import install  # noqa: E402
from rows import Bench  # noqa: E402

from mfmesos.simulate.cluster_model import Rival  # noqa: E402

LOOK_S = 0.5
READY_S = 60.0
EACH = AGENTS.resources
Start = Callable[[str, Path], contextlib.AbstractContextManager[None]]
"""Of a framework for a master, in a folder of its own; it ends with the block."""


@contextlib.contextmanager
def plain(rival: Rival, master: str, where: Path) -> Iterator[None]:
    program = Path(__file__).with_name("plain_framework.py")
    with running([sys.executable, str(program), master, argument(rival)], where, f"{rival.name}.log"):
        yield


@contextlib.contextmanager
def mfmesos(rate: float | None, seconds: float, master: str, where: Path) -> Iterator[None]:
    """`rate`: tasks that arrive per second. Each lasts `seconds`."""
    (where / "tasks.jsonl").write_text("".join(json.dumps({
        "command": f"sleep {seconds:g}; : > o.{n}", "outputs": [f"o.{n}"], "cores": TASK.cores,
        "memory": TASK.memory_mb, "disk": 1}) + "\n" for n in range(ENOUGH)))
    argument = [f"--arrival-rate={rate:g}"] if rate else []
    with running([*MFMESOS, "run", "--plain", "--no-history", "--master", master, *argument, "tasks.jsonl"], where,
                 "log"):
        yield


def frameworks(master: str) -> list[Mapping[str, Any]]:
    """As the master lists them."""
    with urllib.request.urlopen(f"http://{master}/state-summary", timeout=20) as answer:
        return [one for one in json.load(answer)["frameworks"] if one["active"]]


def seen(at: float, listed: list[Mapping[str, Any]]) -> Shares:
    share = {one["name"] == GREEDY.name: max(
        one["used_resources"]["cpus"] / CORES,
        one["used_resources"]["mem"] / (AGENTS.count * EACH.memory_mb)) for one in listed}
    return Shares(at, share.get(False, 0.0), share.get(True, 0.0),
                  sum(one["offered_resources"]["cpus"] for one in listed) / CORES)


def until_there(master: str, number: int) -> None:
    deadline = time.monotonic() + READY_S
    while len(frameworks(master)) < number:
        if time.monotonic() > deadline:
            raise SystemExit(f"{number} frameworks did not subscribe within {READY_S:g} s")
        time.sleep(0.05)


def first_of(situation: Situation, ours: bool) -> Start:
    """The framework that is there first."""
    if ours:
        return partial(mfmesos, situation.rate, LASTS_S)
    return partial(plain, situation.wrong)


def watched(
    where: Path, first: Start | None, until: float, greedy: Rival = GREEDY, flags: Mapping[str, str] | None = None,
) -> list[Shares]:
    """One run, `first` before the greedy framework; `flags` are those of Mesos."""
    cluster = RealMesos(agents=AGENTS.count, flags=flags,
                        resources=f"cpus:{EACH.cores:g};mem:{EACH.memory_mb:g};disk:{EACH.disk_mb:g}")
    shares = list[Shares]()
    try:
        with first(cluster.master, where) if first else contextlib.nullcontext():
            until_there(cluster.master, 1 if first else 0)
            began = time.monotonic()
            time.sleep(LATER_S)
            with plain(replace(greedy, at_s=0.0), cluster.master, where):
                until_there(cluster.master, 2 if first else 1)
                while (now := time.monotonic() - began) < until:
                    shares.append(seen(now, frameworks(cluster.master)))
                    time.sleep(LOOK_S)
    finally:
        cluster.stop()
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("situations", nargs="*", type=int, metavar="SITUATION")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--from", dest="since", type=float, default=60.0)
    parser.add_argument("--to", dest="until", type=float, default=180.0)
    parser.add_argument("--only", choices=["mfmesos", "others"], help="leave out the runs of the other one")
    parser.add_argument("--plot", metavar="FILE", help="also draw the shares over time of the last run each (SVG)")
    options = parser.parse_args()
    last: dict[tuple[int, bool], list[Shares]] = {}
    print(", ".join(f"{key} {value}" for key, value in describe(install.VERSION).items()), flush=True)
    print(head(), flush=True)
    bench = Bench()
    try:
        for number in options.situations or range(1, len(SITUATIONS) + 1):
            for ours in {"mfmesos": (True,), "others": (False,)}.get(options.only, (False, True)):
                situation, runs = SITUATIONS[number - 1], list[Found]()
                for _ in range(options.runs):
                    shares = last[number - 1, ours] = watched(
                        bench.new_folder(), first_of(situation, ours), options.until)
                    runs.append(found(shares, rate_of(situation, ours), options.since))
                    print("one run:", ", ".join(f"{value:.3f}" for value in runs[-1]), file=sys.stderr, flush=True)
                print(line(situation, ours, mean(runs)), flush=True)
    finally:
        bench.close()
    if options.plot:
        draw(last, options.plot)
    print(f"load after: {os.getloadavg()[2]:.2f} over 15 minutes")


if __name__ == "__main__":
    main()
