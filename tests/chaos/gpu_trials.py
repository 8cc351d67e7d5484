"""Two runs that know nothing of each other on one agent that does not isolate its GPUs: no GPU ever has two tasks.

    python tests/chaos/gpu_trials.py [--tasks 1000] [--cluster embedded|real]

Each task makes a folder of its GPU's name, which must not exist, and removes it: a GPU with two tasks is a failed task.
"""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "endtoend"), str(TESTS.parent)]

from clusters import KINDS, Cluster  # noqa: E402
from flows import Flow  # noqa: E402

GPUS = 4
RESOURCES = f"cpus:{2 * GPUS};mem:8192;disk:40000;gpus:{GPUS}"
"""Enough cores and memory for both runs, so that only GPUs are short."""
TASK = ("mkdir {held}/$CUDA_VISIBLE_DEVICES && sleep 0.02 && rmdir {held}/$CUDA_VISIBLE_DEVICES "
        "&& echo $MFMESOS_GPUS >> {log}")


def two_runs(cluster: Cluster, folder: Path, tasks: int) -> Counter[str]:
    """How many tasks each GPU had, of both runs together; AssertionError if two tasks had one at the same time."""
    held, log = folder / "held", folder / "log"
    held.mkdir()
    flows = [Flow(folder / name, cluster) for name in ("one", "other")]
    line = json.dumps({"command": TASK.format(held=held, log=log), "cores": 1, "memory": 50, "disk": 20, "gpus": 1})
    for flow in flows:
        flow.write("tasks.jsonl", f"{line}\n" * (tasks // 2))
    started = [flow.start("run", "--retries", "0", "--master", cluster.master, "tasks.jsonl") for flow in flows]
    for flow, process in zip(flows, started):
        ended = flow.end(process, timeout=max(120.0, tasks * 0.5))
        assert ended.code == 0, ended.out + flow.log()
    found = Counter(log.read_text().split())
    assert sum(found.values()) == tasks // 2 * 2
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--cluster", choices=list(KINDS), default="real")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpu-trials-") as folder:
        cluster = KINDS[args.cluster](agents=1, resources=RESOURCES)
        try:
            found = two_runs(cluster, Path(folder), args.tasks)
        finally:
            cluster.stop()
    print(f"{sum(found.values())} tasks of two runs on {len(found)} GPUs, never two on one: {dict(found)}")


if __name__ == "__main__":
    main()
