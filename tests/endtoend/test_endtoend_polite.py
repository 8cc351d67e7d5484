"""Two users on one cluster: the second one's tasks start while the first one has tasks waiting. Real runs on both
clusters."""
from __future__ import annotations

import json

from flows import Flow, nothing_stays
from support import wait_until

TASKS = 240
"""A minute's work for the first run, unless the second one ends before."""


def test_the_second_run_gets_its_share(make_cluster, tmp_path):
    """The first run holds the only agent, and more of its tasks wait. It gives back slices as its tasks end: the second
    run ends long before it. Nothing runs twice, and nothing is left."""
    cluster = make_cluster(agents=1, resources="cpus:4;mem:4096;disk:8000")
    first, second = Flow(tmp_path / "first", cluster), Flow(tmp_path / "second", cluster)
    gate = tmp_path / "gate"
    for flow, count in ((first, TASKS), (second, 4)):
        # Each of the first run's tasks lasts until the second run has ended, but at most a second.
        wait = f"for i in 1 2 3 4 5 6 7 8 9 10; do [ -e {gate} ] && break; sleep 0.1; done; " if flow is first else ""
        flow.write("t.jsonl", "".join(json.dumps({
            "command": f"{wait}echo > o{i}", "outputs": [f"o{i}"], "cores": 1, "memory": 64, "disk": 5}) + "\n"
            for i in range(count)))
    with nothing_stays(cluster):
        running = first.start("run", "--no-history", "--plain", "--master", cluster.master, "t.jsonl")
        wait_until(lambda: (first.folder / "o0").exists(), 40, "the first run's tasks")
        done = second.run("--no-history", "--plain", "t.jsonl", timeout=60)
        left = sum(not (first.folder / f"o{i}").exists() for i in range(TASKS))
        gate.touch()
        assert done.code == 0, done.out + first.log()
        assert left, "the second run waited for the end of the first"
        ended = first.end(running, 90)
    assert ended.code == 0, ended.out
    assert {task["attempts"] for task in first.report()} == {1}
