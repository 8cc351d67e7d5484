"""What one task makes for the next stays where it was made."""
from __future__ import annotations

import json
import re
from pathlib import Path

from flows import Flow, nothing_stays

MB = 1 << 20


def sent_bytes(flow: Flow) -> int:
    """Bytes of inputs that the staging server has sent to all executors."""
    return sum(map(int, re.findall(r"event=staging_ended inputs_sent_bytes=(\d+)", flow.log())))


def lines(*tasks: dict[str, object]) -> str:
    return "".join(json.dumps(task) + "\n" for task in tasks)


def test_a_chain_fetches_nothing(make_cluster, tmp_path: Path) -> None:
    """Five tasks hand on 200 MB: every output is in the folder, with its content, and no byte of them was sent to an
    executor."""
    flow = Flow(tmp_path / "flow", make_cluster(agents=1, resources="cpus:2;mem:2000;disk:8000"))
    first = {"command": "head -c 200M /dev/zero | tr '\\0' 1 > f1", "outputs": ["f1"]}
    rest = ({"command": f"tr {n - 1} {n} < f{n - 1} > f{n}", "inputs": [f"f{n - 1}"], "outputs": [f"f{n}"]}
            for n in range(2, 6))
    flow.write("tasks.jsonl", lines(first, *rest))
    with nothing_stays(flow.cluster):
        ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    for n in range(1, 6):
        with open(flow.folder / f"f{n}", "rb") as f:
            assert f.read(MB) == str(n).encode() * MB
            assert (flow.folder / f"f{n}").stat().st_size == 200 * MB
    assert sent_bytes(flow) == 0


def test_a_chain_of_makeflow_fetches_nothing(make_embedded, tmp_path: Path) -> None:
    """makeflow does not say who reads what: large outputs stay all the same."""
    flow = Flow(tmp_path / "flow", make_embedded(agents=1, resources="cpus:2;mem:2000;disk:8000"))
    flow.write("Makeflow", "a:\n\thead -c 3M /dev/zero > a\n\nb: a\n\tcat a a > b\n\nc: a b\n\tcat a b > c\n")
    with nothing_stays(flow.cluster):
        ended = flow.makeflow()
    assert ended.code == 0, ended.out
    assert (flow.folder / "c").stat().st_size == 9 * MB
    assert sent_bytes(flow) == 0
