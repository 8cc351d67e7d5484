"""The options of the embedded cluster's agents."""
from __future__ import annotations

import pytest

from mfmesos.local.agent_options import attributes, resources


def test_resources_as_mesos_writes_them():
    """Scalars, ranges and sets."""
    found = resources("cpus:2; gpus:4;ports:[31000-31009, 32000-32000];fpgas:{f0, f1}")
    assert found.scalars == {"cpus": 2.0, "gpus": 4.0}
    assert found.by_id.ranges == {"ports": ((31000, 31009), (32000, 32000))}
    assert found.by_id.sets == {"fpgas": frozenset({"f0", "f1"})}
    assert resources("ports:[1-2]").scalars == {}


@pytest.mark.parametrize("text", [
    "", "cpus", "cpus:x", "cpus:-1", "ports:5", "ports:[5]", "ports:[6-5]", "ports:[]", "gpus:{0,1}", "cpus:[1-2]",
    "fpgas:{}", "fpgas:{a,a}", "fpgas:{a b}", "a:1;a:{b}", "fpgas:{a", ":1"])
def test_what_is_no_list_of_resources(text: str):
    """GPUs, cores, memory and disk are scalars; ports never are."""
    with pytest.raises(ValueError, match=r"^[^\n]*$"):
        resources(text)


def test_attributes_as_mesos_writes_them():
    """Values may hold colons and commas."""
    assert attributes("rack:r1;gpu_uuids:GPU-1,GPU-2") == {"rack": "r1", "gpu_uuids": "GPU-1,GPU-2"}
    assert attributes("") == {}
    for text in ("rack", "rack:", ":r1", "rack:1;rack:2"):
        with pytest.raises(ValueError, match=r"^[^\n]*$"):
            attributes(text)
