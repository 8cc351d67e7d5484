"""1,000 fake executors against the whole scheduler: loopback TLS, the real wire, a real `mfmesos run`.

    python bench/executors.py [--executors N] [--cores N] [--task-s S] [--seconds S] [--profile FILE]
                                                                                       (make bench-executors)

The executors and a stub of Mesos's master are another process (bench/fake_cluster.py), which runs nothing: what is
measured is the scheduler. Prints one line.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
PATIENCE_S = 120.0
SETTLE_S = 3.0


@dataclass
class Found:
    """Of the time in which all executors were busy."""

    executors: int
    seconds: float
    ended: int
    """Tasks whose results were acknowledged."""
    syncs: int
    cpu_s: float
    """Of the scheduler, and of the fake executors."""
    fake_cpu_s: float
    memory_mb: float
    """Most, of the scheduler."""
    descriptors: int
    stall_s: float
    filled_s: float
    """Until all executors were there, from the first on."""

    def __str__(self) -> str:
        return (f"{self.ended / self.seconds:.0f} ended tasks/s on {self.executors} executors for "
                f"{self.seconds:.0f} s, {self.syncs / self.seconds:.0f} syncs/s; scheduler: "
                f"{self.cpu_s / self.seconds:.2f} cores, {1e3 * self.cpu_s / max(self.ended, 1):.2f} ms of CPU per "
                f"ended task, at most {self.memory_mb:.0f} MB, "
                f"{self.descriptors} descriptors, longest stall of its loop {1e3 * self.stall_s:.0f} ms; "
                f"filled in {self.filled_s:.0f} s; the fake executors: {self.fake_cpu_s / self.seconds:.2f} cores")


def measure(executors: int, cores: int, task_s: float, seconds: float, profile: str, *options: str) -> Found:
    with tempfile.TemporaryDirectory(prefix="mfmesos-bench-") as name:
        folder = Path(name)
        (folder / "flow").mkdir()
        count = int(1.5 * executors * cores / task_s * (seconds + 30.0)) + 5 * executors * cores
        with (folder / "flow" / "tasks.jsonl").open("w") as file:
            for i in range(count):
                file.write(f'{{"command": "program{i % 10} {i}", "cores": 1, "memory": 100, "disk": 100}}\n')
        cluster = subprocess.Popen(
            [sys.executable, str(HERE / "fake_cluster.py"), str(executors), str(cores), str(task_s),
             str(folder / "cluster.json")], stdout=subprocess.PIPE, text=True)
        scheduler = None
        try:
            assert cluster.stdout is not None
            scheduler = subprocess.Popen(
                [sys.executable, str(HERE / "watched_scheduler.py"), str(folder / "scheduler.json"), profile or "-",
                 "run", "--master", cluster.stdout.readline().strip(), "--plain", "--no-history", *options,
                 str(folder / "flow" / "tasks.jsonl")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found = _watch(folder, psutil.Process(scheduler.pid), executors, seconds)
            print(found, flush=True)
            return found
        finally:
            if scheduler is not None:
                scheduler.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    scheduler.wait(60.0)
                scheduler.kill()
                scheduler.wait()
            cluster.kill()
            cluster.wait()


def _watch(folder: Path, process: psutil.Process, executors: int, seconds: float) -> Found:
    def read(name: str) -> dict:
        return json.loads((folder / name).read_text()) if (folder / name).exists() else {}

    def cpu() -> float:
        return sum(process.cpu_times()[:2])

    deadline, first = time.monotonic() + PATIENCE_S, 0.0
    while read("cluster.json").get("executors", 0) < executors or read("cluster.json")["acknowledged"] < executors:
        assert time.monotonic() < deadline, f"not all executors are busy: {read('cluster.json')}"
        assert process.status() != psutil.STATUS_ZOMBIE, "the scheduler has ended"
        first = first or (time.monotonic() if read("cluster.json").get("executors") else 0.0)
        time.sleep(0.1)
    filled_s = time.monotonic() - first
    time.sleep(SETTLE_S)
    before, at, used, beats = read("cluster.json"), time.monotonic(), cpu(), len(read("scheduler.json")["stalls"])
    descriptors = 0
    while time.monotonic() - at < seconds:
        time.sleep(min(1.0, seconds))
        descriptors = max(descriptors, process.num_fds())
        assert process.status() != psutil.STATUS_ZOMBIE, "the scheduler has ended: too few tasks?"
    after, own = read("cluster.json"), read("scheduler.json")
    return Found(
        executors, after["at"] - before["at"], after["acknowledged"] - before["acknowledged"],
        after["syncs"] - before["syncs"], cpu() - used, after["cpu_s"] - before["cpu_s"], own["peak_mb"], descriptors,
        max(own["stalls"][beats:], default=0.0), filled_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executors", type=int, default=1000)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--task-s", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--profile", default="", help="write a profile of the scheduler to this file")
    args, options = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    measure(args.executors, args.cores, args.task_s, args.seconds, args.profile, *options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
