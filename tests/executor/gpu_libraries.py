"""Prints which GPUs each library would show to this process, as JSON, by its environment alone.

    python gpu_libraries.py UUID...      the machine's GPUs in the order of their PCI addresses

The rules are those of the documentation of CUDA (programming guide, environment variables), of the NVIDIA container
toolkit, of ROCm (GPU isolation techniques) and of Level Zero (affinity mask).
"""
from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping


def by_cuda(uuids: list[str], environ: Mapping[str, str]) -> list[str]:
    """Numbers or beginnings of UUIDs; the first invalid one, or one named twice, ends the list."""
    listed = environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return uuids
    found: list[str] = []
    for item in listed.split(","):
        one = _number(item, uuids) or [u for u in uuids if item.startswith("GPU-") and u.startswith(item)]
        if len(one) != 1 or one[0] in found:
            break
        found += one
    # Without PCI_BUS_ID numbers count the fastest first, so that they say nothing here.
    numbers = any(item.isdigit() for item in listed.split(","))
    return found if not numbers or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" else ["order unknown"]


def by_container_toolkit(uuids: list[str], environ: Mapping[str, str]) -> list[str]:
    """Nothing for an empty list; all without the variable, in images of NVIDIA."""
    items = environ.get("NVIDIA_VISIBLE_DEVICES", "all").split(",")
    return uuids if items == ["all"] else [u for n, u in enumerate(uuids) if u in items or str(n) in items]


def by_rocr(uuids: list[str], environ: Mapping[str, str]) -> list[str]:
    listed = environ.get("ROCR_VISIBLE_DEVICES")
    if listed is None:
        return uuids
    return [one for item in listed.split(",") for one in _number(item, uuids) or [u for u in uuids if u == item]]


def by_hip(uuids: list[str], environ: Mapping[str, str]) -> list[str]:
    """It numbers what ROCr has left, and reads CUDA's variable only without its own."""
    left = by_rocr(uuids, environ)
    listed = environ.get("HIP_VISIBLE_DEVICES") or environ.get("CUDA_VISIBLE_DEVICES")
    return left if not listed else [one for item in listed.split(",") for one in _number(item, left)]


def by_level_zero(uuids: list[str], environ: Mapping[str, str]) -> list[str]:
    """Numbers only."""
    return [one for item in environ.get("ZE_AFFINITY_MASK", "").split(",") for one in _number(item, uuids)]


def _number(item: str, uuids: list[str]) -> list[str]:
    return [uuids[int(item)]] if item.isdigit() and int(item) < len(uuids) else []


LIBRARIES = {"cuda": by_cuda, "containers": by_container_toolkit, "rocr": by_rocr, "hip": by_hip, "ze": by_level_zero}

if __name__ == "__main__":
    print(json.dumps({name: sees(sys.argv[1:], os.environ) for name, sees in LIBRARIES.items()}))
