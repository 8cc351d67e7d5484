"""What measuring costs: the share of a core that an executor uses while 50 tasks run and nothing else happens.

    python3 bench/measuring.py            (make bench-measuring)
"""
from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "endtoend")]

from clusters import EmbeddedMesos  # noqa: E402  needs the path above
from flows import Flow  # noqa: E402
from support import wait_until  # noqa: E402

TASKS, SECONDS, TARGET = 50, 15.0, 0.02


def executor_of(cluster: EmbeddedMesos) -> psutil.Process:
    return next(p for pid in cluster.processes() if "mfmesos-executor.pyz" in (p := psutil.Process(pid)).cmdline())


def main() -> int:
    """Exit code 1 if the cost exceeds the target."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = EmbeddedMesos(agents=1, resources=f"cpus:{TASKS};mem:16000;disk:20000")
        try:
            flow = Flow(Path(folder), cluster)
            flow.write("tasks.jsonl", TASKS * '{"command": "python3 -c \'import time; time.sleep(30)\'; true"}\n')
            process = flow.start("run", "--master", cluster.master, "--plain", "--no-history", "tasks.jsonl")
            wait_until(lambda: len(cluster.processes()) > 2 * TASKS, 60, "the tasks to run")
            executor = executor_of(cluster)
            before = executor.cpu_times()
            time.sleep(SECONDS)
            after = executor.cpu_times()
            flow.end(process)
        finally:
            cluster.stop()
    share = (after.user + after.system - before.user - before.system) / SECONDS
    print(f"measuring {TASKS} tasks takes {share:.1%} of a core (target: at most {TARGET:.0%})")
    return 0 if share <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
