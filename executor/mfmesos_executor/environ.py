"""The environment of a task: the agent's own, without Mesos's variables and without possible secrets."""
from __future__ import annotations

import re
from typing import Mapping, Sequence

from mfmesos.shared.devices import variables
from mfmesos.shared.wire import Run

MARKER = "MFMESOS_ATTEMPT"
"""Set for every process of an attempt, so that processes that left the session are recognised."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OURS = re.compile(r"(MESOS|LIBPROCESS|MFMESOS|GLOG|SSL)_|(PWD|OLDPWD|SHLVL|_|PYTHONPATH|PYTHONHOME)\Z")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)


def base_environment(agent: Mapping[str, str]) -> dict[str, str]:
    """The part that all tasks of a claim share."""
    kept = {k: v for k, v in agent.items() if not _OURS.match(k) and not _SECRET.search(k)}
    if not kept.get("PATH"):
        kept["PATH"] = DEFAULT_PATH
    return kept


def task_environment(base: Mapping[str, str], own: Mapping[str, str], attempt: str, home: str,
                     temporary: str) -> dict[str, str]:
    """`own` is the task's own environment; it may replace everything but the marker."""
    # A shell keeps PWD if it names the shell's folder, here by the short name.
    made = dict(base, HOME=home, PWD=home, TMPDIR=temporary)
    made.update(own)
    made[MARKER] = attempt
    return made


def given(run: Run) -> dict[str, str]:
    """The attempt's allocation, in the variables that makeflow and Work Queue use, and the ids that it was given."""
    return {"CORES": str(max(1, int(run.cores))), "MEMORY": str(int(run.memory_mb)), "DISK": str(int(run.disk_mb)),
            **variables(run.given)}


def gpu_variables(ids: Sequence[str]) -> dict[str, str]:
    """What shows a task these GPUs and no others, to the libraries of NVIDIA, AMD and Intel; `ids`: UUIDs, or the
    numbers of GPUs in the order of their PCI addresses.
    """
    listed = ",".join(ids)
    return {
        "CUDA_VISIBLE_DEVICES": listed, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "NVIDIA_VISIBLE_DEVICES": listed,
        "ROCR_VISIBLE_DEVICES": listed,
        # HIP counts what ROCr has left of them, and reads CUDA_VISIBLE_DEVICES where this is not set.
        "HIP_VISIBLE_DEVICES": ",".join(map(str, range(len(ids)))),
        "ZE_AFFINITY_MASK": listed if all(map(str.isdigit, ids)) else "",  # Level Zero knows numbers only
    }
