"""Several frameworks on one Mesos of 8 cores: how soon a second run ends, what the first one loses, a framework that
asks for everything and takes nothing, and 20 runs at once, also with room for all their tasks: then only their starts
take time. Tasks only sleep: two real cores are enough for most of it.

    python3 bench/sharing.py [second decliner later twenty starts offers] [--embedded]
    make bench-sharing SCENES="second offers"

`second` takes 100 s, `decliner` and `later` 90 s each, `twenty` 60 s, `starts` and `offers` 20 s.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "tests"), str(ROOT / "tests" / "contract")]

from machine import describe  # noqa: E402  needs the path above
from offer_times import offer_times  # noqa: E402
from programs import MFMESOS, running, wait_for  # noqa: E402
from rawclient import Framework  # noqa: E402
from realmesos import install  # noqa: E402
from rows import Bench  # noqa: E402

from mfmesos.simulate.fairness import jain  # noqa: E402

CORES, AGENTS = 8, 2
MEMORY_MB = 2048
"""For each core."""
HEAD_START_S = 8.0
"""The first run has the cluster for itself for this long."""
RUNS = 20


def folder_of(bench: Bench, tasks: int, seconds: float) -> Path:
    where = bench.new_folder()
    (where / "tasks.jsonl").write_text("".join(json.dumps({
        "command": f"date +%s.%N > began.{i}; sleep {seconds}; echo {i} > o.{i}", "outputs": [f"o.{i}", f"began.{i}"],
        "cores": 1, "memory": 64, "disk": 5}) + "\n" for i in range(tasks)))
    return where


@contextlib.contextmanager
def run(master: str, where: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = [*MFMESOS, "run", "--plain", "--no-history", "--master", master, *options, "tasks.jsonl"]
    with running(argv, where, "log") as it:
        yield it


def ended(process: subprocess.Popen[bytes], since: float, limit_s: float = 300) -> float:
    """Seconds from `since` to its end."""
    if process.wait(limit_s):
        raise SystemExit(f"a run ended with {process.returncode}")
    return time.monotonic() - since


def alone(bench: Bench, master: str) -> float:
    began = time.monotonic()
    with run(master, folder_of(bench, 80, 4)) as first:
        return ended(first, began)


def second(bench: Bench, master: str) -> None:
    """80 tasks of 4 s; 8 s later another run with 16 tasks of 1 s."""
    least = alone(bench, master)
    began = time.monotonic()
    with run(master, folder_of(bench, 80, 4)) as first:
        time.sleep(HEAD_START_S)
        later = time.monotonic()
        with run(master, folder_of(bench, 16, 1)) as other:
            print(f"second run: {ended(other, later):.1f} s, at most 12 s")
        print(f"first run: {ended(first, began):.1f} s, at most {least + 16 / CORES + 3:.1f} s; alone {least:.1f} s")


@contextlib.contextmanager
def decliner(master: str) -> Iterator[None]:
    """A framework that never suppresses and declines all that it is offered, with Mesos's default filter."""
    done = threading.Event()

    def decline(framework: Framework) -> None:
        while not done.is_set():
            with contextlib.suppress(AssertionError):
                for offer in framework.wait("OFFERS", timeout=0.5)["offers"]["offers"]:
                    framework.decline(offer)

    with Framework(master) as framework:
        thread = threading.Thread(target=decline, args=(framework,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def beside_decliner(bench: Bench, master: str) -> None:
    """80 tasks of 4 s beside such a framework."""
    least = alone(bench, master)
    with decliner(master):
        took = alone(bench, master)
    report_declined("beside one that declines everything", took, least)


def report_declined(what: str, took: float, least: float) -> None:
    print(f"{what}: {took:.1f} s, {100 * (took / least - 1):.1f} % more than {least:.1f} s alone, at most 3 %")


def before_decliner(bench: Bench, master: str) -> None:
    """80 tasks of 4 s; such a framework comes 8 s later."""
    least = alone(bench, master)
    began = time.monotonic()
    with run(master, folder_of(bench, 80, 4)) as first:
        time.sleep(HEAD_START_S)
        with decliner(master):
            took = ended(first, began)
    report_declined("beside one that comes later and declines everything", took, least)


def twenty(bench: Bench, master: str) -> None:
    """20 runs of 8 tasks of 1 s, started at once."""
    folders = [folder_of(bench, 8, 1) for _ in range(RUNS)]
    began, at = time.monotonic(), time.time()
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(run(master, where)) for where in folders]
        ends = [0.0] * RUNS
        while not all(ends):
            for number, process in enumerate(runs):
                if not ends[number] and process.poll() is not None:
                    ends[number] = time.monotonic() - began
            time.sleep(0.05)
    first = [min(float(found.read_text()) - at for found in begun(where)) for where in folders]
    print(f"{RUNS} runs: the first task of each after at most {max(first):.1f} s (bar 15 s; median"
          f" {sorted(first)[RUNS // 2]:.1f} s); ends from {min(ends):.1f} to {max(ends):.1f} s, a difference of"
          f" {max(ends) - min(ends):.1f} s (the work of the others: {(RUNS - 1) * 8 / CORES:.0f} s); Jain's index of"
          f" their speeds {jain([1 / end for end in ends]):.2f}")


def begun(where: Path) -> list[Path]:
    """One for each task that has ended, with the time of its beginning."""
    return list(where.glob("began.*"))


def offers(bench: Bench, master: str) -> None:
    """Three times CORES tasks of 1 s and one after them, beside a framework that asks all the time: while that one runs
    nothing waits, and the claims are given up.
    """
    where, lines = bench.new_folder(), []
    for number in range(3 * (CORES + 1)):
        place = number % (CORES + 1)
        before = range(number - CORES, number) if place == CORES else [number - place - 1] if number > place else []
        lines.append({"command": f"sleep {2 if place == CORES else 1}; echo > o.{number}", "outputs": [f"o.{number}"],
                      "inputs": [f"o.{n}" for n in before], "cores": 1, "memory": 64, "disk": 5})
    (where / "tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with decliner(master), run(master, where, "--event-log", "--claim-idle", "0.2") as one:
        ended(one, time.monotonic())
    found = offer_times(where / ".mfmesos")
    for what, times, most in (("declined", found.declined_after, 0.1), ("suppressed", found.suppressed_after, 1.0)):
        print(f"offers {what} {len(times)} times, after {1000 * max(times, default=0.0):.0f} ms at most (bar"
              f" {1000 * most:.0f} ms)")
    print(f"offers accepted {len(found.accepted_after)} times, and asked for again {found.revives} times")


SCENES: dict[str, Any] = {"second": second, "decliner": beside_decliner, "later": before_decliner, "twenty": twenty,
                          "starts": twenty, "offers": offers}
ROOMY = {"starts": 10 * CORES}
"""Cores, where they are not CORES."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"{', '.join(SCENES)}; all by default")
    parser.add_argument("--embedded", action="store_true", help="on the embedded cluster")
    args = parser.parse_args(argv)
    if unknown := set(args.scenes) - set(SCENES):
        parser.error(f"no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    machine = describe("embedded" if args.embedded else install.VERSION)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    bench = Bench()
    try:
        for name in args.scenes or SCENES:
            cores = ROOMY.get(name, CORES) // AGENTS
            if args.embedded:
                with embedded(bench, cores, MEMORY_MB * cores) as master:
                    SCENES[name](bench, master)
            else:
                SCENES[name](bench, bench.mesos(AGENTS, cores, MEMORY_MB * cores))
    finally:
        bench.close()
    return 0


@contextlib.contextmanager
def embedded(bench: Bench, cores: int, memory_mb: int) -> Iterator[str]:
    where = bench.new_folder()
    with running([sys.executable, "-m", "mfmesos.local", "--agents", str(AGENTS), "--cpus", str(cores),
                  "--mem", str(memory_mb), "--disk", "60000", "--ready-file", "ready"], where, "cluster.log"):
        yield str(json.loads(wait_for(where / "ready"))["master"])


if __name__ == "__main__":
    sys.exit(main())
