"""Many files, and large ones, of one task: all arrive, with the right content."""
from __future__ import annotations

import json
import os
import re

import pytest
from flows import Flow, nothing_stays

COUNT = 2_000
LARGE = bytes(range(256)) * (80 << 10)  # 20 MB
SCRIPT = f"""i=0
while [ $i -lt {COUNT} ]; do
  read line < in.$i; read more < tree/part.$((i % 7))/file.$i
  echo "$line $more" > out.$i; i=$((i + 1))
done
"""


@pytest.fixture
def flow(cluster, tmp_path):
    with nothing_stays(cluster):
        yield Flow(tmp_path / "flow", cluster)


def test_thousands_of_files_in_and_out_of_one_task(flow):
    """As separate inputs, as a folder, and as outputs: makeflow gets each with its own content."""
    for number in range(COUNT):
        (flow.folder / f"in.{number}").write_text(f"in {number}\n")
        file = flow.folder / "tree" / f"part.{number % 7}" / f"file.{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {number}\n")
    flow.write("script", SCRIPT)
    inputs, outputs = (" ".join(f"{kind}.{number}" for number in range(COUNT)) for kind in ("in", "out"))
    flow.write("Makeflow", f"{outputs}: script tree {inputs}\n\tsh script\n")
    ended = flow.makeflow("Makeflow")
    assert ended.code == 0, ended.out + flow.log()
    for number in range(COUNT):
        assert (flow.folder / f"out.{number}").read_text() == f"in {number} file {number}\n"


def test_a_large_input_on_this_machine_is_not_sent(flow):
    """The executors copy it from the folder. Its digest is recorded all the same: a new time alone makes no task
    run again."""
    large = flow.folder / "large"
    large.write_bytes(LARGE)
    os.utime(large, (1e9, 1e9))
    tasks = [{"command": f"cksum < large > out.{n}", "inputs": ["large"], "outputs": [f"out.{n}"]} for n in range(4)]
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    assert len({(flow.folder / f"out.{n}").read_text() for n in range(4)}) == 1
    assert re.findall(r"inputs_sent_bytes=(\d+)", flow.log()) == ["0"]
    assert large.stat().st_nlink == 1
    made = [(flow.folder / f"out.{n}").stat() for n in range(4)]
    os.utime(large, (1e9 + 1, 1e9 + 1))
    assert flow.run("tasks.jsonl").code == 0
    assert [(flow.folder / f"out.{n}").stat() for n in range(4)] == made
