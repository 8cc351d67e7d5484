"""A large input of a claim's first task is copied while its executor starts, where that runs on this machine."""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path

from clusters import Cluster
from flows import Flow, nothing_stays
from support import wait_until

MB = 1 << 20
SIZE = 200 * MB


def flow_with(cluster: Cluster, tmp_path: Path, *, count: int = 4) -> Flow:
    """Tasks that count the bytes of one large file."""
    flow = Flow(tmp_path / "flow", cluster)
    with open(flow.folder / "large", "wb") as f:
        f.write(b"x" * SIZE)
    os.utime(flow.folder / "large", (1e9, 1e9))
    flow.write("tasks.jsonl", "".join(json.dumps(
        {"command": f"wc -c < large > o{i}", "inputs": ["large"], "outputs": [f"o{i}"]}) + "\n" for i in range(count)))
    return flow


def used(cluster: Cluster) -> list[str]:
    """The bytes of each such copy that was used, by the executors' logs."""
    return [found for box in cluster.sandboxes() for found in re.findall(
        r"event=first_copy bytes=(\d+)", (box / "stderr").read_text())]


def is_right(flow: Flow, count: int = 4) -> bool:
    return all((flow.folder / f"o{i}").read_text() == f"{SIZE}\n" for i in range(count))


def test_it_is_copied_once(make_cluster, tmp_path: Path) -> None:
    """All tasks share what was copied before the first of them was assigned, and nothing of it stays."""
    flow = flow_with(make_cluster(agents=1, resources="cpus:2;mem:2000;disk:8000"), tmp_path)
    with nothing_stays(flow.cluster):
        ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    assert is_right(flow)
    assert used(flow.cluster) == [str(SIZE)]
    (copied,) = re.findall(r"inputs_sent_bytes=0 inputs_copied_bytes=(\d+)", flow.log())
    assert int(copied) == SIZE


def test_an_executor_that_dies_meanwhile(make_embedded, tmp_path: Path) -> None:
    """Killed as soon as its copy appears: another claim runs the tasks, with a copy of its own."""
    flow = flow_with(make_embedded(agents=1, resources="cpus:2;mem:2000;disk:8000"), tmp_path)
    started = flow.start("run", "--master", flow.cluster.master, "tasks.jsonl")

    def copies() -> bool:
        return any([*box.glob(".mfmesos/first.*")] for box in flow.cluster.sandboxes())
    wait_until(lambda: copies() or started.poll() is not None, 60, "the copy")
    for pid in flow.cluster.processes():
        with contextlib.suppress(OSError):
            if b"mfmesos-executor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
    ended = flow.end(started)
    assert ended.code == 0, ended.out
    assert is_right(flow)
    assert flow.cluster.processes() == []
