"""GPUs that the kernel keeps apart: the isolator gpu/nvidia of a real Mesos, with a stub of NVIDIA's library."""
from __future__ import annotations

import json
import os

import pytest
from flows import Flow
from gpu_agents import GpuMesos, need_gpu_isolation

OPENS = """
echo $CUDA_VISIBLE_DEVICES $MFMESOS_GPUS > $1
unset CUDA_VISIBLE_DEVICES
for n in 0 1; do
    python3 -c "open('/dev/nvidia$n')" 2>&1 | tail -1 | sed "s/.*Error: //"
done >> $1
readlink /proc/self/ns/mnt >> $1
touch {both}/$1
for i in $(seq 600); do [ $(ls {both} | wc -l) = 2 ] && break; sleep 0.05; done
"""


@pytest.fixture
def gpu_mesos(tmp_path):
    need_gpu_isolation()
    made = GpuMesos(tmp_path / "gpus", 2)
    yield made
    made.stop()


@pytest.mark.timeout(180)
def test_a_task_cannot_open_the_gpu_of_another(gpu_mesos, tmp_path):
    """Whatever it does to the variables: the kernel forbids it (EPERM); its own it may open (ENXIO: there is no
    driver), and that is number 0 for CUDA. Containers are real: each has a mount namespace of its own."""
    both = tmp_path / "both"
    both.mkdir()
    flow = Flow(tmp_path / "flow", gpu_mesos)
    flow.write("opens.sh", OPENS.format(both=both))
    flow.write("tasks.jsonl", "".join(json.dumps({
        "command": f"sh opens.sh {name}", "inputs": ["opens.sh"], "outputs": [name],
        "cores": 1, "memory": 100, "disk": 100, "gpus": 1}) + "\n" for name in ("a", "b")))
    ended = flow.end(flow.start("run", "--master", gpu_mesos.master, "tasks.jsonl"))
    assert ended.code == 0, ended.out + flow.log()
    found = [(flow.folder / name).read_text().splitlines() for name in ("a", "b")]
    opened = [[line.partition("] ")[2].partition(":")[0] for line in lines[1:3]] for lines in found]
    mine, others = "No such device or address", "Operation not permitted"
    assert sorted(opened) == [[mine, others], [others, mine]], found
    assert [lines[0] for lines in found] == [f"0 {each.index(mine)}" for each in opened]
    assert len({os.readlink("/proc/self/ns/mnt"), found[0][3], found[1][3]}) == 3
