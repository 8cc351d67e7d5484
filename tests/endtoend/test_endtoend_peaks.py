"""Measured peaks of memory against the kernel's own: a cgroup that each task makes below its container's and enters."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from clusters import cgroup_flags
from flows import Flow
from support import need

ENTER = """set -e
own=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)/task
mkdir $own
sh -c 'echo $$ > '$own'/cgroup.procs; exec sh ./work.sh'
cat $own/memory.max_usage_in_bytes > peak
rmdir $own
"""
SCRIPTS = {
    "hold.py": "import sys, time\nx = b'x' * (int(sys.argv[1]) << 20)\ntime.sleep(float(sys.argv[2]))\n",
    "forks.py": "import os, time\nx = b'x' * (200 << 20)\nfor _ in range(3):\n    if not os.fork():\n"
                "        time.sleep(2)\n        os._exit(0)\ntime.sleep(2.2)\n",
    "grows.py": "import time\nx = []\nfor _ in range(25):\n    x.append(b'x' * (10 << 20))\n    time.sleep(0.1)\n",
}
KINDS = {
    "one process": "python3 hold.py 200 2",
    "children side by side": "for i in 1 2 3 4; do python3 hold.py 60 4 & done; wait",
    "grandchildren that live a quarter of a second":
        "for i in 1 2 3 4 5 6 7 8; do (sh -c 'python3 hold.py 150 0.25; true'); done",
    "forks that share what their parent has": "python3 forks.py",
    "one that grows": "python3 grows.py",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, tuple[float, float]]:
    """Of each kind: (MB that we measured, MB that the kernel counted), on a real Mesos with memory cgroups."""
    from clusters import clusters_of

    need(Path("/sys/fs/cgroup/memory/cgroup.procs").exists(), "no cgroup v1 for memory here", "mount one")
    with clusters_of("real") as make:
        cluster = make(agents=1, resources="cpus:4;mem:4096;disk:20000", flags=cgroup_flags())
        flow = Flow(tmp_path_factory.mktemp("peaks"), cluster)
        for name, text in {"enter.sh": ENTER, **SCRIPTS}.items():
            flow.write(name, text)
        tasks = []
        for i, work in enumerate(KINDS.values(), 1):
            flow.write(f"work.{i}", work + "\n")
            tasks.append({"command": f"cp work.{i} work.sh; sh enter.sh && mv peak peak.{i}", "memory": 1500,
                          "inputs": [f"work.{i}", "enter.sh", *SCRIPTS], "outputs": [f"peak.{i}"]})
        flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
        ended = flow.run("--plain", "--claims", "per-task", "tasks.jsonl")
        assert ended.code == 0, ended.out
        ours = {e["task"]: e["usage"]["memory_mb"] for e in flow.report()}
        return {kind: (ours[i], int((flow.folder / f"peak.{i}").read_text()) / 2**20)
                for i, kind in enumerate(KINDS, 1)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_measured_peak_is_the_kernels(measured, kind):
    """Within a tenth, for tasks of two seconds and longer."""
    ours, kernels = measured[kind]
    assert ours == pytest.approx(kernels, rel=0.1), f"measured {ours:.0f} MB, the kernel counted {kernels:.0f} MB"
