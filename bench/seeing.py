"""What `mfmesos status`, `why` and `report` take about a run of 100,000 tasks, while it lasts and afterwards.

    python3 bench/seeing.py [--tasks N] [--rounds N]

A real run on the embedded cluster: a few tasks run, the others wait. Then the record of a run of as many ended tasks.
Wall and CPU seconds of each command, medians, measured in turns; and the CPU time that its question takes the
scheduler. Of the report also its size, and when headless Chromium paints first and has all of it.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

from browser import Browser  # noqa: E402  needs the path above
from sample_runs import sample  # noqa: E402
from support import wait_until  # noqa: E402

MFMESOS = [sys.executable, "-m", "mfmesos"]
SUBMITTED_S = 400.0


def timed(folder: Path, argv: list[str]) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*MFMESOS, *argv], cwd=folder, capture_output=True, text=True, timeout=60)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure(folder: Path, commands: list[list[str]], rounds: int, scheduler: psutil.Process | None = None) -> None:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(rounds):
        for argv in commands:
            before = scheduler.cpu_times() if scheduler else None
            wall, cpu, _ = timed(folder, argv)
            after = scheduler.cpu_times() if scheduler else None
            asked = after.user + after.system - before.user - before.system if before and after else 0.0
            found.setdefault(" ".join(argv), []).append((wall, cpu, asked))
    for name, each in found.items():
        wall, cpu, asked = (statistics.median(column) for column in zip(*each))
        print(f"{name:32} {wall:.3f} s, {cpu:.3f} s of CPU time"
              + (f", scheduler {asked:.3f}" if scheduler else ""), flush=True)


def live(folder: Path, count: int, rounds: int) -> None:
    (folder / "tasks.jsonl").write_text("".join(
        json.dumps({"command": f"sleep 900 && simulate --seed {n} > out{n}", "outputs": [f"out{n}"], "cores": 1,
                    "memory": 50, "disk": 10, "category": f"step{n % 5}"}) + "\n" for n in range(1, count + 1)))
    with (folder / "said").open("w") as said:
        run = subprocess.Popen([*MFMESOS, "run", "--master", "local", "--plain", "tasks.jsonl"], cwd=folder,
                               stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            def waits() -> bool:
                time.sleep(2.0)
                try:
                    found = json.loads(timed(folder, ["status", "--json"])[2])["live"]
                except AssertionError:  # it has other things to do for more than ten seconds
                    return False
                return bool(found) and found["counts"]["total"] == count and found["counts"]["for_inputs"] == 0

            wait_until(waits, SUBMITTED_S, "all tasks to be submitted")
            print(timed(folder, ["status"])[2])
            print(timed(folder, ["why", str(count)])[2])
            measure(folder, [["--version"], ["status"], ["why", "1"], ["why", str(count // 2)], ["why", str(count)],
                             ["why", f"out{count}"]], rounds, psutil.Process(run.pid))
        finally:
            run.send_signal(signal.SIGTERM)
            try:
                run.wait(30)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()


def report(folder: Path) -> None:
    """Of the ended run."""
    wall, cpu, _ = timed(folder, ["report", "-o", "report.html"])
    file, profile = folder / "report.html", Path(tempfile.mkdtemp())
    with Browser(profile) as browser:
        browser.open(file.as_uri())
        browser.wait("document.body && document.body.dataset.ready === 'yes'", "the report")
        ready = browser.run("performance.now()")
        (paint,) = browser.run("performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)")
    shutil.rmtree(profile, ignore_errors=True)  # a browser that is ending may still write to it
    print(f"report: {wall:.1f} s, {cpu:.1f} s of CPU time, {file.stat().st_size / 1e6:.1f} MB; first paint after "
          f"{paint / 1000:.2f} s, all ready after {ready / 1000:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["live", "ended"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = f"{top}/own"
        if options.only != "ended":
            (Path(top) / "live").mkdir()
            live(Path(top) / "live", options.tasks, options.rounds)
        if options.only != "live":
            ended = Path(top) / "ended"
            sample(ended, options.tasks)
            print(f"{options.tasks} ended tasks:")
            measure(ended, [["--version"], ["status"], ["why", "1"], ["why", str(options.tasks)],
                            ["why", f"mapped{options.tasks - 1:06}"], ["why", f"part{options.tasks - 9:06}"]],
                    options.rounds)
            report(ended)


if __name__ == "__main__":
    main()
