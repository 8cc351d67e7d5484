"""Whether the kernel keeps this claim from GPUs that it was not given: then the ids of GPUs are enforced."""
from __future__ import annotations

import errno
import glob
import os
import re

_ALL = re.compile(r"[ac] (\*|195):\* \w*[rw]")
"""A line of devices.list that opens every device, or every device of NVIDIA (major number 195)."""


def own_gpus(nodes: str = "/dev/nvidia[0-9]*") -> list[str]:
    """The numbers of the claim's own devices, where the kernel keeps it from others; otherwise none."""
    if not keeps_gpus_apart(nodes=nodes):
        return []
    return sorted((node.rpartition("nvidia")[2] for node in glob.glob(nodes) if not _is_denied(node)), key=int)


def keeps_gpus_apart(cgroups: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup",
                     nodes: str = "/dev/nvidia[0-9]*") -> bool:
    """By the devices cgroup (v1), as Mesos's gpu/nvidia isolator sets it; otherwise by trying to open the devices."""
    try:
        with open(cgroups) as f:
            paths = [line.split(":", 2)[2].strip() for line in f if line.split(":", 2)[1] == "devices"]
        with open(f"{root}/devices{paths[0]}/devices.list") as f:
            return not any(map(_ALL.match, f))
    except (OSError, IndexError):
        return any(map(_is_denied, glob.glob(nodes)))


def _is_denied(node: str) -> bool:
    """Whether a device cgroup forbids it, rather than the file's mode."""
    try:
        os.close(os.open(node, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as e:
        return e.errno == errno.EPERM
    return False
